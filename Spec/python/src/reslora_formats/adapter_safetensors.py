"""An adapter in one safetensors file (Adapter in safetensors)."""

from __future__ import annotations

from .description import Description, Notes, describe
from .errors import FormatError
from .files import Path, write_whole
from .model import Adapter
from .safetensors_file import SafetensorsFile, header

SECTION = "Adapter in safetensors"
KEY = "reslora"


def write_safetensors(adapter: Adapter, path: Path) -> None:
    """Writes an adapter that obeys Adapter §1; the bytes are those of §3."""
    tensors = dict(adapter.tensors())
    start, order = header(
        {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()},
        {KEY: describe(adapter)},
    )
    write_whole(path, [start, *(tensors[name].raw() for name in order)])


def read_safetensors(path: Path, notes: Notes, in_place: bool = False) -> Adapter:
    """Reads an adapter; ``in_place`` as in ``read_container``."""
    file = SafetensorsFile(path, f"{SECTION} §3")
    text = file.metadata.pop(KEY, None)
    if text is None:
        raise FormatError(path, f"__metadata__: {KEY}", f"{SECTION} §2", "absent", "a description")
    description = Description(text, file.file, notes)
    for key, value in file.metadata.items():
        if key in description.metadata:
            raise FormatError(
                path, f"__metadata__: {key}", f"{SECTION} §2",
                "a key of the description's metadata too", "once",
            )
        description.metadata[key] = value
    tensors = {name: file.tensor(name, in_place) for name in file.entries}
    return description.adapter(tensors, f"{SECTION} §1")
