"""Reads the native container and checks all of it (Container)."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import struct
import zlib

import zstandard

from . import container
from .container import Chunk, TensorRecord
from .description import Description, Notes
from .errors import FormatError
from .files import Path, open_regular
from .model import Adapter
from .tensor import Tensor

KNOWN = (b"ADPT", b"DATA", b"TENS")


class ContainerReader:
    """A container whose header and directory have been checked; chunks are read on demand."""

    def __init__(self, path: Path) -> None:
        self.file = os.fspath(path)
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            # A mapping cannot be empty.
            self.bytes: memoryview = memoryview(
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            )
        self.chunks = self.directory(*self.header())

    def fail(
        self, what: str, section: str, found: object = None, expected: object = None
    ) -> FormatError:
        return FormatError(self.file, what, f"Container §{section}", found, expected)

    # MARK: - Header and directory

    def header(self) -> tuple[int, int]:
        """Offset of the directory and number of chunks; checks in the order of §2.2."""
        start = bytes(self.bytes[: container.HEADER.size])
        if start[:8] != container.MAGIC[: len(start[:8])] or len(start) < 8:
            if start[:4] == container.MAGIC[:4] and len(start) >= 8:
                raise self.fail(
                    "magic: damaged by a transfer in text mode", "2.1",
                    start[:8].hex(" "), container.MAGIC.hex(" "),
                )
            raise self.fail("magic", "2.1", start[:8].hex(" "), container.MAGIC.hex(" "))
        if len(start) < container.HEADER.size:
            raise self.fail("header", "2", f"{len(start)} bytes", container.HEADER.size)
        (
            _, write_version, read_version, zero, required, _, length,
            offset, count, directory_crc, zero_too, crc,
        ) = container.HEADER.unpack(start)
        if zlib.crc32(start[:60]) != crc:
            raise self.fail("CRC of the header", "2", f"{zlib.crc32(start[:60]):08x}", f"{crc:08x}")
        if read_version != container.VERSION:
            raise FormatError(
                self.file, "read version", "Versions §2", read_version,
                f"{container.VERSION}, the one known here",
            )
        if write_version < read_version:
            raise self.fail("write version", "2", write_version, f"at least {read_version}")
        if required:
            raise self.fail("required features", "2", f"{required:#x}", "none that are known here")
        if zero or zero_too:
            raise self.fail("header", "2", "a byte other than zero", "zeros")
        if length != len(self.bytes):
            raise self.fail("length of the file", "2", f"{len(self.bytes)} bytes", length)
        if count > container.MAX_CHUNKS:
            raise self.fail("number of chunks", "1.2", count, f"at most {container.MAX_CHUNKS}")
        if offset % 64 or offset < 64 or offset + 40 * count != length:
            raise self.fail(
                "offset of the directory", "3", offset, f"a multiple of 64, {length} - 40 · {count}"
            )
        if zlib.crc32(self.bytes[offset:]) != directory_crc:
            raise self.fail("CRC of the directory", "2", "another", f"{directory_crc:08x}")
        return offset, count

    def directory(self, offset: int, count: int) -> list[Chunk]:
        """The chunks, in the places that Container §1.1 gives them."""
        chunks = []
        position = container.HEADER.size
        for number in range(count):
            type, compression, shuffle, zero, start, stored, raw, crc, zero_too = (
                container.DIRECTORY_ENTRY.unpack_from(self.bytes, offset + 40 * number)
            )
            chunk = Chunk(type, compression, shuffle, start, stored, raw, crc)
            what = f"chunk {number}"
            if not type.isalpha():
                raise self.fail(f"{what}: type", "3", repr(type), "four ASCII letters")
            if chunk.critical and type not in KNOWN:
                raise self.fail(f"{what}: type", "3.1", type.decode(), "a critical type known here")
            if compression not in (0, 1, 2):
                raise self.fail(f"{what}: compression", "3", compression, "0, 1 or 2")
            if shuffle not in (1, 2, 4, 8):
                raise self.fail(f"{what}: shuffle", "3", shuffle, "1, 2, 4 or 8")
            if zero or zero_too:
                raise self.fail(what, "3", "a byte other than zero", "zeros")
            if start != position:
                raise self.fail(f"{what}: offset", "1.1", start, position)
            if raw > container.MAX_CHUNK:
                raise self.fail(f"{what}: raw length", "1.2", raw, f"at most {container.MAX_CHUNK}")
            if compression == 0 and stored != raw:
                raise self.fail(f"{what}: stored length", "3.2", stored, f"raw length {raw}")
            if shuffle != 1 and (type != b"DATA" or raw % shuffle):
                raise self.fail(f"{what}: shuffle", "3.3", shuffle, "DATA of whole elements")
            if stored > offset - start:
                raise self.fail(f"{what}: stored length", "1.1", stored, "an end in the file")
            position = container.aligned(chunk.end)
            chunks.append(chunk)
        if position != offset:
            raise self.fail("offset of the directory", "1.1", offset, position)
        self.check_order([chunk.type for chunk in chunks])
        return chunks

    def check_order(self, types: list[bytes]) -> None:
        """All ADPT, all DATA, all TENS, then ancillary chunks (Container §4.1)."""
        counts = [types.count(type) for type in KNOWN]
        expected = [type for type, count in zip(KNOWN, counts) for _ in range(count)]
        if types[: len(expected)] != expected or not counts[0] or not counts[2]:
            raise self.fail(
                "chunks", "4.1", "another order", "ADPT, all DATA, TENS, then ancillary ones"
            )
        self.data_start, self.data_count, _ = counts
        self.data_end = self.data_start + self.data_count
        self.table_end = len(expected)

    # MARK: - Chunks

    def stored(self, number: int) -> memoryview:
        """A chunk's stored bytes; its CRC and the padding after it hold (Container §5)."""
        chunk = self.chunks[number]
        stored = self.bytes[chunk.offset : chunk.end]
        if container.chunk_crc(number, chunk.type, stored) != chunk.crc:
            raise self.fail(f"chunk {number}: CRC", "3", "another", f"{chunk.crc:08x}")
        if any(self.bytes[chunk.end : container.aligned(chunk.end)]):
            raise self.fail(f"padding after chunk {number}", "1.1", "other bytes", "zeros")
        return stored

    def raw(self, number: int) -> bytes | memoryview:
        """A chunk's raw bytes."""
        chunk = self.chunks[number]
        stored: bytes | memoryview = self.stored(number)
        if chunk.compression == 1:
            stored = self.inflated(number, stored)
        elif chunk.compression == 2:
            stored = self.decompressed(number, stored)
        if chunk.compression and chunk.stored >= chunk.raw:
            raise self.fail(
                f"chunk {number}: stored length", "3.2", chunk.stored, f"less than {chunk.raw}"
            )
        return stored if chunk.shuffle == 1 else container.unshuffled(stored, chunk.shuffle)

    def inflated(self, number: int, stored: bytes | memoryview) -> bytes:
        """One whole zlib stream of exactly the raw length (Container §3.2)."""
        length = self.chunks[number].raw
        stream = zlib.decompressobj()
        try:
            # One byte more than expected shows a stream that is too long.
            raw = stream.decompress(stored, length + 1)
        except zlib.error as error:
            raise self.fail(f"chunk {number}: zlib: {error}", "3.2") from None
        if len(raw) != length or not stream.eof or stream.unused_data:
            raise self.fail(
                f"chunk {number}: zlib", "3.2", "another length", f"one stream of {length} bytes"
            )
        return raw

    def decompressed(self, number: int, stored: bytes | memoryview) -> bytes:
        """One whole zstd frame that states its content size (Container §3.2)."""
        length = self.chunks[number].raw

        def fail(found: object, expected: object) -> FormatError:
            return self.fail(f"chunk {number}: zstd", "3.2", found, expected)

        if bytes(stored[:4]) != b"\x28\xb5\x2f\xfd":
            raise fail(bytes(stored[:4]).hex(" "), "the start of a frame, 28 b5 2f fd")
        try:
            frame = zstandard.get_frame_parameters(stored)
        except zstandard.ZstdError as error:
            raise fail(str(error), "a frame") from None
        if frame.content_size != length:
            unknown = frame.content_size == zstandard.CONTENTSIZE_UNKNOWN
            raise fail("no content size" if unknown else frame.content_size, length)
        if frame.window_size > container.MAX_CHUNK:
            raise fail(f"a window of {frame.window_size}", f"at most {container.MAX_CHUNK}")
        if frame.dict_id:
            raise fail(f"dictionary {frame.dict_id}", "no dictionary")
        try:
            # The content size bounds the output, whatever the blocks say.
            raw = zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise fail(str(error), f"one frame of {length} bytes") from None
        if len(raw) != length:
            raise fail(f"{len(raw)} bytes", length)
        return raw

    def part(self, numbers: range) -> bytes:
        """The raw bytes of the description or the table (Container §4.1)."""
        lengths = [self.chunks[number].raw for number in numbers]
        for number, length in zip(numbers[:-1], lengths):
            if length != container.MAX_CHUNK:
                raise self.fail(f"chunk {number}: raw length", "4.1", length, container.MAX_CHUNK)
        if len(lengths) > 1 and not lengths[-1]:
            raise self.fail(f"chunk {numbers[-1]}: raw length", "4.1", 0, "a last piece")
        if sum(lengths) > container.MAX_PART:
            raise self.fail(
                f"chunk {numbers[0]} and those that go on with it", "4.1", sum(lengths),
                f"at most {container.MAX_PART} bytes",
            )
        return b"".join(self.raw(number) for number in numbers)

    def description(self) -> bytes:
        """The text of ``ADPT`` (Container §4.2)."""
        return self.part(range(self.data_start))

    # MARK: - Tensors

    def records(self) -> list[TensorRecord]:
        """The entries of ``TENS`` (Container §4.4); the identity holds."""
        raw = self.part(range(self.data_end, self.table_end))
        if len(raw) < container.TENSORS_START.size:
            raise self.fail("TENS", "4.4", f"{len(raw)} bytes", "a start of 40 bytes")
        count, zero, identity = container.TENSORS_START.unpack_from(raw)
        if zero:
            raise self.fail("TENS", "4.4", "a byte other than zero", "zeros")
        if count > container.MAX_TENSORS:
            raise self.fail("tensors", "1.2", count, f"at most {container.MAX_TENSORS}")
        records: list[TensorRecord] = []
        position = container.TENSORS_START.size
        first = 0
        for _ in range(count):
            record, position = self.record(raw, position, len(records))
            if record.first != first:
                raise self.fail(f"tensor '{record.name}': first chunk", "4.4", record.first, first)
            first += record.count
            records.append(record)
        if position != len(raw):
            raise self.fail("TENS", "4.4", f"{len(raw) - position} bytes more", "nothing more")
        if first != self.data_count:
            raise self.fail("DATA chunks of the tensors", "4.4", first, self.data_count)
        if len({record.name for record in records}) != len(records):
            raise self.fail("names of the tensors", "4.4", "a name twice", "names that differ")
        if container.identity(records) != identity:
            raise self.fail("identity", "4.6", container.identity(records).hex(), identity.hex())
        return records

    def record(self, raw: bytes, position: int, number: int) -> tuple[TensorRecord, int]:
        """One entry and where it ends."""
        short = self.fail("TENS", "4.4", "its end", f"tensor {number}")
        if position + container.TENSOR.size > len(raw):
            raise short
        length, code, dimensions, first, count, crc, sha256 = container.TENSOR.unpack_from(
            raw, position
        )
        if code not in container.DTYPES:
            raise self.fail(f"tensor {number}: dtype", "4.4", code, "1, 2, 3 or 4")
        if dimensions > 8:
            raise self.fail(f"tensor {number}: dimensions", "4.4", dimensions, "at most 8")
        middle = position + container.TENSOR.size + 8 * dimensions
        end = middle + length
        padded = end + -end % 8
        if padded > len(raw):
            raise short
        shape = struct.unpack_from(f"<{dimensions}Q", raw, position + container.TENSOR.size)
        try:
            name = raw[middle:end].decode("utf-8")
        except UnicodeDecodeError:
            raise self.fail(
                f"tensor {number}: name", "4.4", raw[middle:end].hex(" "), "UTF-8"
            ) from None
        if any(raw[end:padded]):
            raise self.fail(f"tensor '{name}': padding", "4.4", "a byte other than zero", "zeros")
        return TensorRecord(
            name, container.DTYPES[code], shape, first, count, crc, sha256
        ), padded

    def tensor(self, record: TensorRecord, in_place: bool) -> Tensor:
        """A tensor, its CRC and SHA-256 checked.

        With ``in_place``, uncompressed elements are those of the mapped file, not a copy.
        """
        what = f"tensor '{record.name}'"
        first = self.data_start + record.first
        numbers = range(first, first + record.count)
        chunks = self.chunks[first : first + record.count]
        width = container.WIDTHS[record.dtype]
        size = math.prod(record.shape) * width
        lengths = [chunk.raw for chunk in chunks]
        if sum(lengths) != size:
            raise self.fail(f"{what}: raw lengths of its chunks", "4.4", sum(lengths), size)
        if any(length == 0 for length in lengths):
            raise self.fail(f"{what}: a chunk", "4.3", "no bytes", "a piece of the tensor")
        if len(chunks) > 1 and (
            lengths[0] % 64 or set(lengths[:-1]) != {lengths[0]} or lengths[-1] > lengths[0]
        ):
            raise self.fail(
                f"{what}: raw lengths of its chunks", "4.3", "others",
                "equal multiples of 64, the last not longer",
            )
        for chunk in chunks:
            if chunk.shuffle not in (1, width):
                raise self.fail(f"{what}: shuffle", "3.3", chunk.shuffle, f"1 or {width}")
        raw: bytes | memoryview
        if in_place and chunks and all(c.compression == 0 and c.shuffle == 1 for c in chunks):
            for number in numbers:
                self.stored(number)
            raw = self.bytes[chunks[0].offset : chunks[-1].end]
        else:
            raw = b"".join(self.raw(number) for number in numbers)
        if zlib.crc32(raw) != record.crc:
            raise self.fail(f"{what}: CRC", "4.4", "another", f"{record.crc:08x}")
        if hashlib.sha256(raw).digest() != record.sha256:
            raise self.fail(f"{what}: SHA-256", "4.4", "another", record.sha256.hex())
        return Tensor.from_bytes(record.dtype, record.shape, raw)


def read_container(path: Path, notes: Notes, in_place: bool = False) -> Adapter:
    """Reads and checks the whole file, as ``validate`` does (Container §5).

    With ``in_place``, uncompressed tensors lie in the mapped file, which must not change while
    they are used.
    """
    reader = ContainerReader(path)
    description = Description(reader.description(), reader.file, notes)
    records = reader.records()
    for record, name in zip(records, description.tensor_names()):
        if record.name != name:
            raise reader.fail(
                "tensors of TENS", "4.4", f"'{record.name}'", f"'{name}', as the description says"
            )
    tensors = {record.name: reader.tensor(record, in_place) for record in records}
    adapter = description.adapter(tensors, "Adapter §2.3")
    for number in range(reader.table_end, len(reader.chunks)):
        type = reader.chunks[number].type
        notes.append(f"unknown ancillary chunk '{type.decode()}'")
        adapter.ancillary.append((type, bytes(reader.raw(number))))
    return adapter
