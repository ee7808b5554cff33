"""Numbers and records of the native container (Container §1 to §4)."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .files import CONTAINER_MAGIC as MAGIC
from .tensor import Tensor

VERSION = 1
ALIGNMENT = 64
MAX_TENSORS = 1_000_000
MAX_CHUNKS = 4_000_000
MAX_CHUNK = 2**24
#: The most bytes of the description, and of the table of tensors.
MAX_PART = 100_000_000
PIECE = 2**20

HEADER = struct.Struct("<8sHHIQQQQIIII")
DIRECTORY_ENTRY = struct.Struct("<4sBBHQQQII")
TENSORS_START = struct.Struct("<II32s")
TENSOR = struct.Struct("<HBBIII32s")
NUMBER = struct.Struct("<I")

COMPRESSIONS = {"none": 0, "zlib": 1, "zstd": 2}
#: Codes of dtypes (Container §4.4) and the widths of their elements.
DTYPE_CODES = {"F64": 1, "F32": 2, "F16": 3, "BF16": 4}
DTYPES = {code: name for name, code in DTYPE_CODES.items()}
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}

__all__ = ["MAGIC", "VERSION", "Chunk", "TensorRecord"]


@dataclass
class Chunk:
    """One entry of the directory (Container §3)."""

    type: bytes
    compression: int
    shuffle: int
    offset: int
    stored: int
    raw: int
    crc: int

    @property
    def critical(self) -> bool:
        """Whether a reader that does not know the type refuses the file (Container §3.1)."""
        return not self.type[0] & 0x20

    @property
    def end(self) -> int:
        return self.offset + self.stored

    def packed(self) -> bytes:
        return DIRECTORY_ENTRY.pack(
            self.type, self.compression, self.shuffle, 0,
            self.offset, self.stored, self.raw, self.crc, 0,
        )


@dataclass
class TensorRecord:
    """One entry of ``TENS`` (Container §4.4)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    first: int
    count: int
    crc: int
    sha256: bytes

    def packed(self) -> bytes:
        name = self.name.encode("utf-8")
        record = (
            TENSOR.pack(
                len(name), DTYPE_CODES[self.dtype], len(self.shape),
                self.first, self.count, self.crc, self.sha256,
            )
            + struct.pack(f"<{len(self.shape)}Q", *self.shape)
            + name
        )
        return record + bytes(-len(record) % 8)


def aligned(offset: int) -> int:
    """The first multiple of 64 that is not before the offset."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def chunk_crc(number: int, type: bytes, stored: bytes | memoryview) -> int:
    """CRC of a chunk's number, type and stored bytes (Container §3)."""
    return zlib.crc32(stored, zlib.crc32(type, zlib.crc32(NUMBER.pack(number))))


def shuffled(raw: bytes | memoryview, width: int) -> bytes:
    """All first bytes of the elements, then all second ones, … (Container §3.3)."""
    return np.frombuffer(raw, np.uint8).reshape(-1, width).T.tobytes()


def unshuffled(stored: bytes | memoryview, width: int) -> bytes:
    """The inverse of ``shuffled``."""
    return np.frombuffer(stored, np.uint8).reshape(width, -1).T.tobytes()


def identity(records: Iterable[TensorRecord]) -> bytes:
    """SHA-256 over names, dtypes, shapes and hashes of the tensors (Container §4.6)."""
    total = hashlib.sha256()
    for name, record in sorted((r.name.encode("utf-8"), r) for r in records):
        total.update(struct.pack("<HBB", len(name), DTYPE_CODES[record.dtype], len(record.shape)))
        total.update(struct.pack(f"<{len(record.shape)}Q", *record.shape))
        total.update(name)
        total.update(record.sha256)
    return total.digest()


def record_of(name: str, tensor: Tensor, first: int = 0, count: int = 0) -> TensorRecord:
    """The record of a tensor, with its CRC and SHA-256."""
    raw = tensor.raw()
    return TensorRecord(
        name, tensor.dtype, tuple(tensor.shape), first, count,
        zlib.crc32(raw), hashlib.sha256(raw).digest(),
    )
