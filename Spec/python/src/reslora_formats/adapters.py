"""Reading and writing adapters in any of the three layouts."""

from __future__ import annotations

from dataclasses import replace

from .adapter_hdf5 import read_hdf5, write_hdf5
from .adapter_safetensors import read_safetensors, write_safetensors
from .container_reader import read_container
from .container_writer import write_container
from .description import Notes
from .errors import FormatError
from .files import Path, layout_of_content, layout_to_write
from .model import Adapter
from .validity import check_adapter

LAYOUTS = ("safetensors", "hdf5", "container")


def read_adapter(path: Path, *, in_place: bool = False, notes: Notes | None = None) -> Adapter:
    """Reads and checks an adapter; the layout is told by the file's content.

    With ``in_place``, tensors of a safetensors file, and uncompressed ones of a container, are
    views of the mapped file (read-only; the file must not change). ``notes`` receives a line for
    everything unknown that was ignored (Versions §3). Raises FormatError for a broken rule,
    OSError where the file cannot be read.
    """
    notes = [] if notes is None else notes
    layout = layout_of_content(path)
    if layout == "container":
        adapter = read_container(path, notes, in_place)
    elif layout == "hdf5":
        adapter = read_hdf5(path, notes)
    elif layout == "safetensors":
        adapter = read_safetensors(path, notes, in_place)
    else:
        raise FormatError(
            path, "content", found=layout, expected="an adapter in safetensors, HDF5 or .reslora"
        )
    return checked(adapter, str(path))


def write_adapter(
    adapter: Adapter, path: Path, format: str | None = None, *, compression: str = "auto"
) -> None:
    """Writes an adapter; a file that is there is replaced once the new one is whole.

    ``format`` is ``safetensors``, ``hdf5`` or ``container``, by default what the extension says.
    ``compression`` (``auto``, ``none``, ``zlib``, ``zstd``) is that of a container.
    """
    layout = layout_to_write(path, format, LAYOUTS)
    adapter = checked(adapter, str(path))
    if layout == "container":
        write_container(adapter, path, compression)
    elif layout == "hdf5":
        write_hdf5(adapter, path)
    else:
        write_safetensors(adapter, path)


def checked(adapter: Adapter, file: str) -> Adapter:
    """The adapter, valid, without the predecessors that are ignored in a plain one (Merging §3.2)."""
    check_adapter(adapter, file)
    if adapter.structure != "plain" or all(block.previous is None for block in adapter.blocks):
        return adapter
    blocks = [replace(block, previous=None) for block in adapter.blocks]
    adapter = replace(adapter, blocks=blocks)
    check_adapter(adapter, file)
    return adapter
