"""Files: what kind a file is, and outputs that get their name only when they are whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .errors import FormatError

CONTAINER_MAGIC = b"\x89RLR\r\n\x1a\n"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

#: Layouts by extension.
EXTENSIONS = {
    ".safetensors": "safetensors",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".reslora": "container",
    ".json": "json",
}

Path = str | os.PathLike[str]


def layout_of_content(path: Path) -> str:
    """``container``, ``hdf5``, ``json`` or ``safetensors``, by the first bytes of the file."""
    with open(path, "rb") as file:
        start = file.read(9)
    if start[:4] == CONTAINER_MAGIC[:4]:  # a damaged rest of it is the container's error
        return "container"
    if start[:8] == HDF5_MAGIC:
        return "hdf5"
    if start[:1] in (b"{", b"\xef", b" ", b"\n", b"\t", b"\r") and start[8:9] != b"{":
        return "json"
    return "safetensors"


def layout_of_name(path: Path, allowed: tuple[str, ...]) -> str:
    """The layout that the extension asks for."""
    extension = os.path.splitext(os.fspath(path))[1].lower()
    layout = EXTENSIONS.get(extension)
    if layout not in allowed:
        choices = ", ".join(e for e, value in EXTENSIONS.items() if value in allowed)
        raise FormatError(path, "extension", "Spec", extension or "none", f"one of {choices}")
    return layout


@contextmanager
def atomic_output(path: Path) -> Iterator[str]:
    """A temporary name in the same folder; it becomes ``path`` if the block ends well."""
    path = os.fspath(path)
    folder = os.path.dirname(path) or "."
    descriptor, temporary = tempfile.mkstemp(
        prefix=f".{os.path.basename(path)}.", suffix=".tmp", dir=folder
    )
    os.close(descriptor)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def write_whole(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Writes the pieces as one file, atomically and flushed to the device."""
    with atomic_output(path) as temporary, open(temporary, "wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
