"""Norm windows beside an adapter that lacks them (Merging §3.5, Adapter in HDF5 §3)."""

from __future__ import annotations

from collections.abc import Mapping

from . import adapter_hdf5, jsontext
from . import hdf5_types as hdf5
from .description import Notes, by_bytes, describe_windows
from .description import windows as windows_of
from .errors import FormatError
from .files import (
    Path,
    atomic_output,
    layout_of_content,
    layout_to_write,
    open_regular,
    write_whole,
)
from .model import DEFAULT_CAPACITY, NormWindows
from .validity import check_name, check_windows

FORMAT = "reslora-windows"
SECTION = "Merging §3.5"
LAYOUTS = ("json", "hdf5")


def read_windows(
    path: Path, *, capacity: int = DEFAULT_CAPACITY, notes: Notes | None = None
) -> dict[str, NormWindows]:
    """The windows of each block that has any norm, from JSON or HDF5.

    ``capacity`` is that of the run that collected the windows (``merge_4_len`` of a published
    config), for blocks of which a JSON file states none.
    """
    notes = [] if notes is None else notes
    layout = layout_of_content(path)
    file = str(path)
    if layout == "json":
        result = read_json(path, capacity)
    elif layout == "hdf5":
        result = read_group(path, notes)
    else:
        raise FormatError(path, "content", SECTION, layout, "norm windows in JSON or HDF5")
    for name, windows in result.items():
        check_name(name, "name of a block", file)
        check_windows(windows, f"block '{name}'", file, SECTION)
    return {name: windows for name, windows in result.items() if windows}


def write_windows(
    windows: Mapping[str, NormWindows], path: Path, format: str | None = None
) -> None:
    """Writes windows as ``json`` or ``hdf5``, by default what the extension says.

    A file that is there is replaced once the new one is whole.
    """
    layout = layout_to_write(path, format, LAYOUTS)
    file = str(path)
    for name, value in windows.items():
        check_name(name, "name of a block", file)
        check_windows(value, f"block '{name}'", file, SECTION)
    kept = by_bytes({name: value for name, value in windows.items() if value})
    if layout == "json":
        write_json(kept, path)
    else:
        write_groups(kept, path)


def read_json(path: Path, capacity: int) -> dict[str, NormWindows]:
    with open_regular(path) as opened:
        content = opened.read()
    file = str(path)
    value = jsontext.parse(content, file, "norm windows", SECTION)
    if not isinstance(value, dict):
        raise FormatError(file, "norm windows", SECTION, "another value", "an object")
    result = {}
    for name, item in value.items():
        unknown: list[str] = []
        result[name] = windows_of(item, f"block '{name}'", file, SECTION, unknown)
        if unknown:
            raise FormatError(
                file, f"block '{name}'", SECTION, "another key", "input, projection and capacity"
            )
        if item.get("capacity") is None:
            result[name].capacity = capacity
    return result


def write_json(windows: Mapping[str, NormWindows], path: Path) -> None:
    lines = []
    for name, value in windows.items():
        lines.append(f"{jsontext.quoted(name)}: {jsontext.compact(describe_windows(value))}")
    write_whole(path, [("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8")])


def read_group(path: Path, notes: Notes) -> dict[str, NormWindows]:
    file = str(path)
    with hdf5.reading(path) as opened:
        attributes = adapter_hdf5.header(opened, file, FORMAT)
        adapter_hdf5.unknown(attributes, "format version", "/", notes)
        if "blocks" not in opened:
            return {}
        groups = adapter_hdf5.block_groups(opened["blocks"], file)
        return {
            name: adapter_hdf5.read_windows_group(group, name, file, notes)
            for name, group in groups.items()
        }


def write_groups(windows: Mapping[str, NormWindows], path: Path) -> None:
    with atomic_output(path) as temporary, hdf5.writing(temporary) as file:
        hdf5.write_string(file, "format", FORMAT)
        hdf5.write_integer(file, "version", 1)
        blocks = hdf5.create_group(file, "blocks")
        for name, value in windows.items():
            group = hdf5.create_group(blocks, hdf5.link_name(name))
            adapter_hdf5.write_windows_group(group, value)


__all__ = ["read_windows", "write_windows"]
