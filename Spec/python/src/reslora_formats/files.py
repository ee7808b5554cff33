"""Files: what kind a file is, and outputs that get their name only when they are whole."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from .errors import FormatError

CONTAINER_MAGIC = b"\x89RLR\r\n\x1a\n"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
#: The longest header of a safetensors file that the reference implementation accepts.
MAX_HEADER = 100_000_000
#: First bytes of which the first that is not white space shows JSON.
START = 4096

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
    with open_regular(path) as file:
        start = file.read(START)
    if start[:4] == CONTAINER_MAGIC[:4]:  # a damaged rest of it is the container's error
        return "container"
    if start[:8] == HDF5_MAGIC:
        return "hdf5"
    length = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" or (len(start) >= 8 and 0 < length <= MAX_HEADER):
        return "safetensors"
    if start.lstrip(b" \t\r\n").startswith((b"{", b"[", b"\xef\xbb\xbf")):
        return "json"
    raise FormatError(
        path, "not a file of a known format",
        found=None if start else "an empty file",
        expected="safetensors, HDF5, .reslora or JSON",
    )


def open_regular(path: Path) -> BinaryIO:
    """A regular file, open for reading; anything else, such as a pipe, could wait for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return open(path, "rb")


def layout_of_name(path: Path, allowed: tuple[str, ...]) -> str:
    """The layout that the extension asks for."""
    extension = os.path.splitext(os.fspath(path))[1].lower()
    layout = EXTENSIONS.get(extension)
    if layout not in allowed:
        choices = ", ".join(e for e, value in EXTENSIONS.items() if value in allowed)
        raise FormatError(
            path, "extension", found=extension or "none", expected=f"one of {choices}"
        )
    return layout


def layout_to_write(path: Path, format: str | None, allowed: tuple[str, ...]) -> str:
    """The format asked for, or else the layout that the extension asks for."""
    layout = format or layout_of_name(path, allowed)
    if layout not in allowed:
        raise ValueError(f"format {layout!r}, expected one of {', '.join(allowed)}")
    return layout


@contextmanager
def atomic_output(path: Path) -> Iterator[str]:
    """A temporary name in the same folder; it becomes ``path`` if the block ends well.

    What the system refuses is an error of ``path``, not of the temporary name.
    """
    path = os.fspath(path)
    folder = os.path.dirname(path) or "."
    try:
        descriptor, temporary = tempfile.mkstemp(
            prefix=f".{os.path.basename(path)}.", suffix=".tmp", dir=folder
        )
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    os.close(descriptor)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary):
            raise OSError(error.errno, error.strerror, path) from error
        raise


def write_whole(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Writes the pieces as one file, atomically and flushed to the device."""
    with atomic_output(path) as temporary, open(temporary, "wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
