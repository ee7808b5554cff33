"""Writes the native container (Container)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import zstandard

from . import container
from .container import Chunk
from .description import describe
from .errors import FormatError
from .files import Path, write_whole
from .model import Adapter

ZLIB_LEVEL = 6
#: In shuffled floats higher levels find false matches: larger and slower, measured up to 9.
ZSTD_LEVEL = 1

#: What ``compression=`` may be; ``auto`` is zstd where it pays.
CHOICES = ("auto", "none", "zlib", "zstd")


class ContainerWriter:
    """Collects chunks; ``pieces()`` then gives the file. Memory: all stored bytes."""

    def __init__(self, file: str, compression: str) -> None:
        if compression not in CHOICES:
            raise ValueError(f"compression {compression!r}, expected one of {', '.join(CHOICES)}")
        self.file = file
        self.method = container.COMPRESSIONS["zstd" if compression == "auto" else compression]
        self.chunks: list[Chunk] = []
        self.stored: list[bytes | memoryview] = []
        self.offset = container.HEADER.size

    def add(self, type: bytes, raw: bytes | memoryview, width: int = 1) -> None:
        """One chunk; elements of ``width`` bytes are shuffled where that makes it smaller."""
        if len(raw) > container.MAX_CHUNK:
            raise FormatError(
                self.file, f"chunk {type.decode('ascii')}", "Container §1.2",
                f"{len(raw)} bytes", f"at most {container.MAX_CHUNK}",
            )
        number = len(self.chunks)
        if number >= container.MAX_CHUNKS:
            raise FormatError(
                self.file, "chunks", "Container §1.2", "more", container.MAX_CHUNKS
            )
        method, shuffle, stored = self.smallest(raw, width)
        crc = container.chunk_crc(number, type, stored)
        self.chunks.append(Chunk(type, method, shuffle, self.offset, len(stored), len(raw), crc))
        self.stored.append(stored)
        self.offset = container.aligned(self.offset + len(stored))

    def add_part(self, type: bytes, raw: bytes) -> None:
        """The description or the table, in as many chunks as it takes (Container §4.1)."""
        if len(raw) > container.MAX_PART:
            raise FormatError(
                self.file, type.decode("ascii"), "Container §4.1", f"{len(raw)} bytes",
                f"at most {container.MAX_PART}",
            )
        for start in range(0, max(len(raw), 1), container.MAX_CHUNK):
            self.add(type, raw[start : start + container.MAX_CHUNK])

    def smallest(
        self, raw: bytes | memoryview, width: int
    ) -> tuple[int, int, bytes | memoryview]:
        """Compression, shuffle and stored bytes; uncompressed unless smaller (Container §3.2)."""
        best: tuple[int, int, bytes | memoryview] = (0, 1, raw)
        if self.method == 0 or not raw:
            return best
        for shuffle in (width, 1) if width > 1 else (1,):
            source = container.shuffled(raw, shuffle) if shuffle > 1 else raw
            packed = self.compressed(source, shuffle)
            if len(packed) < len(best[2]):
                best = (self.method, shuffle, packed)
        return best

    def compressed(self, source: bytes | memoryview, planes: int) -> bytes:
        """The stored bytes of a source that is ``planes`` runs of bytes of one place each."""
        if self.method == container.COMPRESSIONS["zlib"]:
            return zlib.compress(source, ZLIB_LEVEL)
        # A block that ends with its plane has a code of its own: exponents and the lowest bits of
        # mantissas have nothing in common. Saves 1 to 9 % of what the chunk would take.
        stream = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj(size=len(source))
        length = len(source) // planes
        packed = []
        for plane in range(planes):
            if plane:
                packed.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
            packed.append(stream.compress(source[plane * length : (plane + 1) * length]))
        packed.append(stream.flush())
        return b"".join(packed)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Header, chunks with padding, directory (Container §1.1)."""
        directory = b"".join(chunk.packed() for chunk in self.chunks)
        header = container.HEADER.pack(
            container.MAGIC, container.VERSION, container.VERSION, 0, 0, 0,
            self.offset + len(directory), self.offset,
            len(self.chunks), zlib.crc32(directory), 0, 0,
        )
        yield header[:60] + container.NUMBER.pack(zlib.crc32(header[:60]))
        for chunk, stored in zip(self.chunks, self.stored):
            yield stored
            yield bytes(container.aligned(chunk.end) - chunk.end)
        yield directory


def write_container(adapter: Adapter, path: Path, compression: str = "auto") -> None:
    """Writes an adapter that obeys Adapter §1, and its ancillary chunks."""
    file = str(path)
    writer = ContainerWriter(file, compression)
    writer.add_part(b"ADPT", describe(adapter).encode("utf-8"))
    tensors = adapter.tensors()
    if len(tensors) > container.MAX_TENSORS:
        raise FormatError(
            file, "tensors", "Container §1.2", len(tensors), f"at most {container.MAX_TENSORS}"
        )
    records = []
    first = 0
    for name, tensor in tensors:
        raw = tensor.raw()
        for start in range(0, len(raw), container.PIECE):
            piece = raw[start : start + container.PIECE]
            writer.add(b"DATA", piece, container.WIDTHS[tensor.dtype])
        count = -(-len(raw) // container.PIECE)
        records.append(container.record_of(name, tensor, first, count))
        first += count
    table = container.TENSORS_START.pack(len(records), 0, container.identity(records))
    writer.add_part(b"TENS", table + b"".join(record.packed() for record in records))
    for type, content in adapter.ancillary:
        check_ancillary(type, file)
        writer.add(type, content)
    write_whole(path, writer.pieces())


def check_ancillary(type: bytes, file: str) -> None:
    """Four ASCII letters, the first in lower case (Container §3.1)."""
    if len(type) != 4 or not type.isalpha() or not type[:1].islower():
        raise FormatError(
            file, "type of an ancillary chunk", "Container §3.1", repr(type),
            "four ASCII letters, the first in lower case",
        )
