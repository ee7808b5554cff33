"""An adapter in one HDF5 file (Adapter in HDF5 §2)."""

from __future__ import annotations

import re

import h5py
import numpy as np

from . import hdf5_types as hdf5
from .description import FORMAT, VERSION, Notes, by_bytes
from .errors import FormatError
from .files import Path, atomic_output
from .hdf5_types import Attributes, fail
from .model import (
    DEFAULT_CAPACITY,
    Adapter,
    BaseWeight,
    Block,
    NormWindows,
    Pair,
    Statistics,
    factor_names,
)
from .tensor import Tensor

# MARK: - Writing


def write_hdf5(adapter: Adapter, path: Path) -> None:
    """Writes an adapter that obeys Adapter §1."""
    with atomic_output(path) as temporary, hdf5.writing(temporary) as file:
        hdf5.write_string(file, "format", FORMAT)
        hdf5.write_integer(file, "version", VERSION)
        hdf5.write_string(file, "structure", adapter.structure)
        hdf5.write_string(file, "root", adapter.root)
        hdf5.write_integer(file, "pre_num", adapter.pre_num)
        if adapter.base_model:
            hdf5.write_string(file, "base_model", adapter.base_model)
        hdf5.write_metadata(file, adapter.metadata)
        blocks = hdf5.create_group(file, "blocks")
        for index, block in enumerate(adapter.blocks):
            group = hdf5.create_group(blocks, hdf5.link_name(block.name))
            hdf5.write_integer(group, "index", index)
            hdf5.write_float(group, "scaling", block.scaling)
            if block.previous is not None:
                hdf5.write_string(group, "previous", block.previous)
            for name, tensor in block.factors():
                hdf5.write_tensor(group, name, tensor)
            write_windows_group(group, block.windows)
            write_base(group, block.base)


def write_windows_group(group: h5py.Group, windows: NormWindows) -> None:
    """Group ``windows`` of a block, if it has any norm (§2.4)."""
    if not windows:
        return
    inner = hdf5.create_group(group, "windows")
    if windows.capacity != DEFAULT_CAPACITY:
        hdf5.write_integer(inner, "capacity", windows.capacity)
    for kind, values in (("input", windows.input), ("projection", windows.projection)):
        if values:
            hdf5.write_tensor(inner, kind, Tensor("F64", np.array(values, "<f8")))


def write_base(group: h5py.Group, base: BaseWeight | None) -> None:
    """Group ``base`` of a block (§2.5)."""
    if base is None:
        return
    inner = hdf5.create_group(group, "base")
    hdf5.write_string(inner, "tensor", base.tensor)
    hdf5.write_string(inner, "dtype", base.dtype)
    hdf5.write_string(inner, "sha256", base.sha256)
    hdf5.write_integers(inner, "shape", base.shape)
    if base.statistics is not None:
        hdf5.write_float(inner, "squared_norm", base.statistics.squared_norm)
        cross = hdf5.create_group(inner, "cross")
        for name, value in by_bytes(base.statistics.cross).items():
            hdf5.write_float(cross, name, value)


# MARK: - Reading


def read_hdf5(path: Path, notes: Notes) -> Adapter:
    """Reads an adapter."""
    with hdf5.reading(path) as file:
        name = str(path)
        attributes = header(file, name, FORMAT)
        attributes.need("structure", "2.1")
        unknown(attributes, "format version structure root pre_num base_model", "/", notes)
        root = attributes.string("root")
        pre_num = attributes.integer("pre_num")
        if "blocks" not in file:
            raise fail(name, "/blocks", "2.3", "absent", "a group")
        for link, _ in hdf5.members(file, name):
            if link not in (b"blocks", b"metadata"):
                notes.append(f"/: unknown object {link!r}")
        return Adapter(
            structure=attributes.string("structure") or "",
            root="self" if root is None else root,
            pre_num=-1 if pre_num is None else pre_num,
            base_model=attributes.string("base_model") or None,
            metadata=hdf5.read_metadata(file, name),
            blocks=read_blocks(file["blocks"], name, notes),
        )


def header(file: h5py.File, name: str, format: str) -> Attributes:
    """The attributes of ``/``, after ``format`` and ``version`` have been checked (§2.1)."""
    attributes = Attributes(file, "/", name)
    attributes.need("format", "2.1")
    found = attributes.string("format")
    if found != format:
        raise attributes.fail("format", "2.1", found, format)
    attributes.need("version", "2.1")
    version = attributes.integer("version")
    if version != VERSION:
        raise FormatError(name, "/: attribute version", "Versions §2", version, VERSION)
    return attributes


def unknown(attributes: Attributes, known: str, where: str, notes: Notes) -> None:
    names = {name.encode("utf-8") for name in known.split()}
    notes.extend(
        f"{where}: unknown attribute {name!r}" for name in attributes.names if name not in names
    )


def block_groups(blocks: h5py.Group, file: str) -> dict[str, h5py.Group]:
    """The groups of ``/blocks`` by the names of their blocks (§2.3)."""
    if not isinstance(blocks, h5py.Group):
        raise fail(file, "/blocks", "2.3", "a dataset", "a group")
    groups: dict[str, h5py.Group] = {}
    for link, kind in hdf5.members(blocks, file):
        name = hdf5.name_of_link(link, file)
        if name in groups:
            raise fail(file, f"block '{name}'", "1.4", "two links of that name", "one")
        if kind != "group":
            raise fail(file, f"block '{name}'", "2.3", f"a {kind}", "a group")
        groups[name] = hdf5.child(blocks, link)
    return groups


def read_blocks(blocks: h5py.Group, file: str, notes: Notes) -> list[Block]:
    """The blocks in the order of their ``index``."""
    indices: dict[int, Block] = {}
    groups = block_groups(blocks, file)
    for name, group in groups.items():
        attributes = Attributes(group, f"block '{name}'", file)
        unknown(attributes, "index scaling previous", f"block '{name}'", notes)
        attributes.need("index", "2.3")
        attributes.need("scaling", "2.3")
        index = attributes.integer("index")
        assert index is not None
        if not 0 <= index < len(groups) or index in indices:
            raise attributes.fail("index", "2.3", index, f"each of 0 to {len(groups) - 1} once")
        indices[index] = Block(
            name,
            attributes.float("scaling") or 0.0,
            read_pairs(group, name, file, notes),
            attributes.string("previous"),
            read_windows_group(group, name, file, notes),
            read_base(group, name, file, notes),
        )
    return [indices[index] for index in range(len(groups))]


def read_pairs(group: h5py.Group, block: str, file: str, notes: Notes) -> list[Pair]:
    """The factors of a block (Adapter §1.3)."""
    found: dict[str, bytes] = {}
    for link, kind in hdf5.members(group, file):
        name = link.decode("utf-8", "replace")
        if re.fullmatch(r"lora_[AB](\.(0|[1-9][0-9]*))?", name) and kind == "dataset":
            found[name] = link
        elif link not in (b"windows", b"base"):
            notes.append(f"block '{block}': unknown object {link!r}")
    # Names with numbers are those of two pairs or more.
    pairs = 1 if {"lora_A", "lora_B"} & set(found) or not found else max(2, len(found) // 2)
    names = factor_names(pairs)
    if set(names) != set(found):
        raise fail(
            file, f"block '{block}': datasets", "2.3",
            ", ".join(sorted(found)) or "none", ", ".join(names),
        )
    tensors = [
        hdf5.read_tensor(
            hdf5.child(group, found[name]), 2, f"dataset '{block}.{name}'", file
        )
        for name in names
    ]
    return [Pair(*tensors[at : at + 2]) for at in range(0, len(tensors), 2)]


def inner_group(group: h5py.Group, link: str, where: str, file: str) -> h5py.Group | None:
    """A group inside a block's group, or None."""
    kinds = dict(hdf5.members(group, file))
    kind = kinds.get(link.encode("utf-8"))
    if kind is None:
        return None
    if kind != "group":
        raise fail(file, f"{where}: {link}", "2.3", f"a {kind}", "a group")
    return hdf5.child(group, link.encode("utf-8"))


def read_windows_group(
    group: h5py.Group, block: str, file: str, notes: Notes
) -> NormWindows:
    """Group ``windows`` of a block (§2.4)."""
    windows = NormWindows()
    inner = inner_group(group, "windows", f"block '{block}'", file)
    if inner is None:
        return windows
    attributes = Attributes(inner, f"block '{block}': windows", file)
    unknown(attributes, "capacity", attributes.where, notes)
    capacity = attributes.integer("capacity")
    windows.capacity = DEFAULT_CAPACITY if capacity is None else capacity
    for link, kind in hdf5.members(inner, file):
        if link not in (b"input", b"projection") or kind != "dataset":
            notes.append(f"block '{block}': windows: unknown object {link!r}")
            continue
        what = f"block '{block}': window '{link.decode()}'"
        dataset = hdf5.child(inner, link)
        dtype = hdf5.check_dataset(dataset, 1, what, file)
        if dtype != "F64":
            raise fail(file, what, "2.4", dtype, "F64")
        values = hdf5.read_rows(dataset, dtype, 0, dataset.shape[0]).tolist()
        setattr(windows, link.decode(), values)
    return windows


def read_base(group: h5py.Group, block: str, file: str, notes: Notes) -> BaseWeight | None:
    """Group ``base`` of a block (§2.5)."""
    inner = inner_group(group, "base", f"block '{block}'", file)
    if inner is None:
        return None
    attributes = Attributes(inner, f"block '{block}': base", file)
    unknown(attributes, "tensor dtype sha256 shape squared_norm", attributes.where, notes)
    for name in ("tensor", "dtype", "sha256", "shape"):
        attributes.need(name, "2.5")
    shape = attributes.integers("shape", rank=1)
    assert shape is not None
    base = BaseWeight(
        attributes.string("tensor") or "",
        attributes.string("dtype") or "",
        tuple(int(extent) for extent in shape),
        attributes.string("sha256") or "",
    )
    norm = attributes.float("squared_norm")
    cross = inner_group(inner, "cross", attributes.where, file)
    if (norm is None) != (cross is None):
        missing = "squared_norm" if norm is None else "cross"
        raise fail(file, f"{attributes.where}: {missing}", "2.5", "absent", "present")
    if norm is not None and cross is not None:
        numbers = Attributes(cross, f"{attributes.where}: cross", file)
        base.statistics = Statistics(norm, {})
        for raw in numbers.names:
            try:
                name = raw.decode("utf-8")
            except UnicodeDecodeError:
                raise numbers.fail(repr(raw), "1.2", "bytes that are not UTF-8", "UTF-8") from None
            value = numbers.float(name)
            assert value is not None
            base.statistics.cross[name] = value
    return base
