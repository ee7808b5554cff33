"""The conventions of the HDF5 layouts (Adapter in HDF5 §1)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5p, h5s, h5t

from .errors import FormatError
from .files import HDF5_MAGIC, Path, open_regular
from .tensor import STORAGE, Tensor

SECTION = "Adapter in HDF5"
CHUNK_BYTES = 2**20
SMALLEST_CHUNKED = 4096
LARGEST_CHUNK = 2**26
LARGEST_ROW = 2**24
DEFLATE = 4
ALLOWED_FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32)


def fail(file: str, what: str, rule: str, found: object = None, expected: object = None):
    """An error of a section of Adapter in HDF5."""
    return FormatError(file, what, f"{SECTION} §{rule}", found, expected)


# MARK: - Types


def bf16_type() -> h5t.TypeFloatID:
    """BF16 as a 2-byte float with 8 bits of exponent (§1.5)."""
    kind = h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


def float_types() -> dict[str, h5t.TypeFloatID]:
    return {
        "F64": h5t.IEEE_F64LE,
        "F32": h5t.IEEE_F32LE,
        "F16": h5t.IEEE_F16LE,
        "BF16": bf16_type(),
    }


def dtype_of(kind: h5t.TypeID) -> str | None:
    """The dtype of an HDF5 float type in either byte order; None for any other type."""
    if not isinstance(kind, h5t.TypeFloatID) or kind.get_order() not in (
        h5t.ORDER_LE,
        h5t.ORDER_BE,
    ):
        return None
    for dtype, like in float_types().items():
        if (kind.get_size(), kind.get_precision(), kind.get_offset()) == (
            like.get_size(),
            like.get_size() * 8,
            0,
        ) and (kind.get_fields(), kind.get_ebias(), kind.get_norm()) == (
            like.get_fields(),
            like.get_ebias(),
            like.get_norm(),
        ):
            return dtype
    return None


def string_type(length: int) -> h5t.TypeStringID:
    """A fixed-length UTF-8 string padded with zero bytes (§1.2)."""
    kind = h5t.C_S1.copy()
    kind.set_size(max(length, 1))
    kind.set_strpad(h5t.STR_NULLPAD)
    kind.set_cset(h5t.CSET_UTF8)
    return kind


# MARK: - Names


def link_name(name: str) -> str:
    """A name as the name of a link (§1.4)."""
    if name in (".", ".."):
        return name.replace(".", "%2E")
    return name.replace("%", "%25").replace("/", "%2F")


def name_of_link(link: bytes, file: str) -> str:
    """The name that the link stands for (§1.4)."""
    if re.search(rb"%(?![0-9A-Fa-f]{2})", link):
        raise fail(file, "name of a link", "1.4", repr(link), "% and two hexadecimal digits")
    decoded = re.sub(rb"%(..)", lambda match: bytes([int(match[1], 16)]), link, flags=re.DOTALL)
    try:
        return decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise fail(file, "name of a link", "1.4", repr(link), "UTF-8") from None


# MARK: - Files


@contextmanager
def reading(path: Path) -> Iterator[h5py.File]:
    """The file opened; it begins with its superblock, and what HDF5 refuses is a FormatError."""
    name = os.fspath(path)
    with open_regular(path) as file:
        start = file.read(8)
    if start != HDF5_MAGIC:
        raise fail(name, "superblock", "1.1", start.hex(" "), HDF5_MAGIC.hex(" "))
    try:
        with h5py.File(path, "r") as opened:
            yield opened
    except FormatError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise fail(name, f"HDF5: {reason}", "1.1") from error


@contextmanager
def writing(path: str) -> Iterator[h5py.File]:
    """A new file without times (§1.6), in the oldest format, which every library reads."""
    creation = h5p.create(h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_V110)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    handle = h5f.create(os.fsencode(path), h5f.ACC_TRUNC, fcpl=creation, fapl=access)
    with h5py.File(handle) as file:
        yield file


def members(group: h5py.Group, file: str) -> Iterator[tuple[bytes, str]]:
    """The names of the links of a group and what they are: ``group``, ``dataset``, ``other``.

    Soft and external links are errors (§1.1).
    """
    for link in group.id:
        if group.id.links.get_info(link).type != h5py.h5l.TYPE_HARD:
            raise fail(file, f"link {link!r}", "1.1", "a soft or external link", "an object")
        kind = h5py.h5o.get_info(group.id, link).type
        yield link, {h5py.h5o.TYPE_GROUP: "group", h5py.h5o.TYPE_DATASET: "dataset"}.get(
            kind, "other"
        )


def child(group: h5py.Group, link: bytes) -> h5py.Group | h5py.Dataset:
    """The object of a link, whatever its name looks like."""
    opened = h5py.h5o.open(group.id, link)
    return h5py.Dataset(opened) if isinstance(opened, h5d.DatasetID) else h5py.Group(opened)


# MARK: - Attributes


def write_string(owner: h5py.Group, name: str, text: str) -> None:
    encoded = text.encode("utf-8")
    kind = string_type(len(encoded))
    attribute = h5a.create(owner.id, name.encode("utf-8"), kind, h5s.create(h5s.SCALAR))
    attribute.write(np.array(encoded, dtype=f"S{max(len(encoded), 1)}"), mtype=kind)


def write_integer(owner: h5py.Group, name: str, value: int) -> None:
    attribute = h5a.create(
        owner.id, name.encode("utf-8"), h5t.STD_I64LE, h5s.create(h5s.SCALAR)
    )
    attribute.write(np.array(value, dtype="<i8"))


def write_integers(owner: h5py.Group, name: str, values: tuple[int, ...]) -> None:
    space = h5s.create_simple((len(values),))
    attribute = h5a.create(owner.id, name.encode("utf-8"), h5t.STD_I64LE, space)
    if values:
        attribute.write(np.array(values, dtype="<i8"))


def write_float(owner: h5py.Group, name: str, value: float) -> None:
    attribute = h5a.create(
        owner.id, name.encode("utf-8"), h5t.IEEE_F64LE, h5s.create(h5s.SCALAR)
    )
    attribute.write(np.array(value, dtype="<f8"))


def attribute_names(owner: h5py.Group | h5py.Dataset) -> list[bytes]:
    names: list[bytes] = []
    h5a.iterate(owner.id, lambda name: names.append(name))
    return names


class Attributes:
    """The attributes of an object, read with checks."""

    def __init__(self, owner: h5py.Group, where: str, file: str) -> None:
        self.owner = owner
        self.where = where
        self.file = file
        self.names = attribute_names(owner)

    def fail(self, name: str, rule: str, found: object, expected: object) -> FormatError:
        return fail(self.file, f"{self.where}: attribute {name}", rule, found, expected)

    def need(self, name: str, rule: str) -> None:
        if name.encode("utf-8") not in self.names:
            raise self.fail(name, rule, "absent", "present")

    def open(self, name: str, rank: int = 0) -> h5a.AttrID | None:
        """The attribute if it is there and a scalar, or has one dimension with ``rank`` 1."""
        if name.encode("utf-8") not in self.names:
            return None
        attribute = h5a.open(self.owner.id, name.encode("utf-8"))
        space = attribute.get_space()
        null = space.get_simple_extent_type() == h5s.NULL
        if null or len(attribute.shape) != rank:
            raise self.fail(
                name, "1.3", "no value" if null else f"{len(attribute.shape)} dimensions",
                "one" if rank else "a scalar",
            )
        return attribute

    def string(self, name: str) -> str | None:
        attribute = self.open(name)
        if attribute is None:
            return None
        return read_string(
            attribute.get_type(), attribute.read, f"{self.where}: attribute {name}", self.file
        )

    def integers(self, name: str, rank: int = 0) -> np.ndarray | None:
        attribute = self.open(name, rank)
        if attribute is None:
            return None
        kind = attribute.get_type()
        if not isinstance(kind, h5t.TypeIntegerID):
            raise self.fail(name, "1.3", "another type", "an integer")
        values = np.empty(attribute.shape, dtype=kind.dtype)
        if values.size:
            attribute.read(values)
        return values

    def integer(self, name: str) -> int | None:
        values = self.integers(name)
        return None if values is None else int(values)

    def float(self, name: str) -> float | None:
        attribute = self.open(name)
        if attribute is None:
            return None
        kind = attribute.get_type()
        # An integer is taken too: h5py writes one for a scaling of 2.
        if dtype_of(kind) is None and not isinstance(kind, h5t.TypeIntegerID):
            raise self.fail(name, "1.3", "another type", "a float")
        value = np.empty((), dtype=kind.dtype)
        attribute.read(value)
        return float(value)


def read_string(kind: h5t.TypeID, read, what: str, file: str) -> str:
    """A scalar string of any of the forms of §1.2; ``read(array, mtype=)`` fetches it."""
    if not isinstance(kind, h5t.TypeStringID):
        raise fail(file, what, "1.2", "another type", "a string")
    if kind.is_variable_str():
        value = np.empty((), dtype=object)
        read(value)
        text = value[()]
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)
    else:
        size = kind.get_size()
        buffer = np.empty((), dtype=f"V{size}")
        read(buffer, mtype=kind)
        raw = buffer.tobytes()
        padding = kind.get_strpad()
        if padding == h5t.STR_NULLTERM:
            raw = raw.split(b"\0", 1)[0]
        elif padding == h5t.STR_SPACEPAD:
            raw = raw.rstrip(b" ")
        else:
            raw = raw.rstrip(b"\0")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise fail(file, what, "1.2", "bytes that are not UTF-8", "UTF-8") from None


# MARK: - Datasets


def creation_list(shape: tuple[int, ...], width: int) -> h5p.PropDCID:
    """Chunks of whole rows of about 1 MiB, shuffle and deflate 4; small ones contiguous (§1.5).

    So are those of which a row is too large for a chunk.
    """
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    total = int(np.prod(shape, dtype=np.int64)) * width
    if total >= SMALLEST_CHUNKED and (row := total // shape[0]) <= LARGEST_ROW:
        creation.set_chunk((min(shape[0], max(1, CHUNK_BYTES // row)), *shape[1:]))
        creation.set_shuffle()
        creation.set_deflate(DEFLATE)
    return creation


def create_dataset(
    group: h5py.Group, link: str, dtype: str, shape: tuple[int, ...]
) -> h5d.DatasetID:
    """An empty dataset of elements (§1.5)."""
    names = h5p.create(h5p.LINK_CREATE)
    names.set_char_encoding(h5t.CSET_UTF8)
    return h5d.create(
        group.id,
        link.encode("utf-8"),
        float_types()[dtype],
        h5s.create_simple(shape),
        dcpl=creation_list(shape, STORAGE[dtype].itemsize),
        lcpl=names,
    )


def write_rows(dataset: h5d.DatasetID, dtype: str, start: int, rows: np.ndarray) -> None:
    """Rows of elements (BF16 as bits) into a dataset of that dtype."""
    if rows.size == 0:
        return
    space = dataset.get_space()
    space.select_hyperslab((start, *(0 for _ in rows.shape[1:])), rows.shape)
    memory = h5s.create_simple(rows.shape)
    dataset.write(memory, space, np.ascontiguousarray(rows), mtype=float_types()[dtype])


def write_tensor(group: h5py.Group, link: str, tensor: Tensor) -> None:
    dataset = create_dataset(group, link, tensor.dtype, tensor.shape)
    write_rows(dataset, tensor.dtype, 0, tensor.data)


def check_dataset(dataset: h5py.Dataset, rank: int, what: str, file: str) -> str:
    """Type, rank, layout and filters (§1.1, §1.5); gives the dtype."""
    dtype = dtype_of(dataset.id.get_type())
    if dtype is None:
        raise fail(file, what, "1.5", "another type", "a float of 8, 4 or 2 bytes or BF16")
    if dataset.id.get_space().get_simple_extent_type() == h5s.NULL or dataset.id.rank != rank:
        raise fail(file, what, "1.5", f"{dataset.id.rank} dimensions", rank)
    creation = dataset.id.get_create_plist()
    if creation.get_layout() not in (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED):
        raise fail(file, f"{what}: layout", "1.1", "a virtual dataset", "data in the file")
    if creation.get_external_count():
        raise fail(file, f"{what}: storage", "1.1", "external storage", "data in the file")
    if creation.get_layout() == h5d.CHUNKED:
        size = math.prod(creation.get_chunk()) * STORAGE[dtype].itemsize
        if size > LARGEST_CHUNK:
            raise fail(file, f"{what}: chunk", "1.5", f"{size} bytes", f"at most {LARGEST_CHUNK}")
    for number in range(creation.get_nfilters()):
        code = creation.get_filter(number)[0]
        if code not in ALLOWED_FILTERS:
            raise fail(
                file, f"{what}: filter", "1.5", code, "shuffle, deflate or fletcher32"
            )
    return dtype


def read_rows(dataset: h5py.Dataset, dtype: str, start: int, stop: int) -> np.ndarray:
    """Rows of a checked dataset, BF16 as bits."""
    shape = (stop - start, *dataset.shape[1:])
    rows = np.empty(shape, dtype=STORAGE[dtype])
    if rows.size:
        space = dataset.id.get_space()
        space.select_hyperslab((start, *(0 for _ in shape[1:])), shape)
        dataset.id.read(h5s.create_simple(shape), space, rows, mtype=float_types()[dtype])
    return rows


def read_tensor(dataset: h5py.Dataset, rank: int, what: str, file: str) -> Tensor:
    dtype = check_dataset(dataset, rank, what, file)
    return Tensor(dtype, read_rows(dataset, dtype, 0, dataset.shape[0]))


# MARK: - Metadata (§2.2)


def write_metadata(file: h5py.File, metadata: dict[str, str]) -> None:
    if not metadata:
        return
    group = create_group(file, "metadata")
    for key, value in sorted(metadata.items(), key=lambda member: member[0].encode("utf-8")):
        encoded = value.encode("utf-8")
        kind = string_type(len(encoded))
        creation = h5p.create(h5p.DATASET_CREATE)
        creation.set_obj_track_times(False)
        names = h5p.create(h5p.LINK_CREATE)
        names.set_char_encoding(h5t.CSET_UTF8)
        dataset = h5d.create(
            group.id, link_name(key).encode("utf-8"), kind, h5s.create(h5s.SCALAR),
            dcpl=creation, lcpl=names,
        )
        buffer = np.array(encoded, dtype=f"S{max(len(encoded), 1)}")
        dataset.write(h5s.ALL, h5s.ALL, buffer, mtype=kind)


def read_metadata(file: h5py.File, name: str) -> dict[str, str]:
    if b"metadata" not in list(file.id):
        return {}
    if not isinstance(file["metadata"], h5py.Group):
        raise fail(name, "/metadata", "2.2", "a dataset", "a group")
    metadata: dict[str, str] = {}
    for link, kind in members(file["metadata"], name):
        key = name_of_link(link, name)
        what = f"metadata '{key}'"
        if key in metadata:
            raise fail(name, what, "1.4", "two links of that name", "one")
        if kind != "dataset":
            raise fail(name, what, "2.2", "a group", "a dataset")
        dataset = child(file["metadata"], link)
        if dataset.shape != ():
            raise fail(name, what, "2.2", "another shape", "a scalar")
        read = dataset.id.read
        metadata[key] = read_string(
            dataset.id.get_type(),
            lambda array, mtype=None: read(h5s.ALL, h5s.ALL, array, mtype=mtype),
            what, name,
        )
    return metadata


def create_group(parent: h5py.Group, link: str) -> h5py.Group:
    """A group without times, its link in UTF-8."""
    names = h5p.create(h5p.LINK_CREATE)
    names.set_char_encoding(h5t.CSET_UTF8)
    return h5py.Group(h5py.h5g.create(parent.id, link.encode("utf-8"), lcpl=names))
