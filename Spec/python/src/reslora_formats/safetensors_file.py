"""Safetensors files: a strict, lazy reader and the header of the reference writer."""

from __future__ import annotations

import math
import mmap
import os
import struct
from dataclasses import dataclass

from . import jsontext
from .description import array_of, integer
from .errors import FormatError
from .files import MAX_HEADER, Path, open_regular
from .tensor import STORAGE, Tensor
from .validity import SAFETENSORS_DTYPES

BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A tensor of the header: its bytes are ``start`` to ``end`` of the data."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class SafetensorsFile:
    """A mapped file whose header has been checked: no gaps, no overlaps, nothing after."""

    def __init__(self, path: Path, section: str) -> None:
        self.file = os.fspath(path)
        self.section = section
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size < 8:
                raise self.fail("length of the header", f"a file of {size} bytes", "8 bytes")
            (length,) = struct.unpack("<Q", file.read(8))
            if length > MAX_HEADER or length > size - 8:
                raise self.fail(
                    "length of the header", length, f"at most {min(MAX_HEADER, size - 8)}"
                )
            header = file.read(length)
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(self.map)[8 + length :]
        if header[:1] != b"{":
            raise self.fail("header", repr(header[:1]), "an object")
        value = jsontext.parse(header, self.file, "header", section)
        self.metadata = self.strings(value.pop("__metadata__", {}))
        self.entries = {name: self.entry(name, item) for name, item in value.items()}
        self.check_offsets()

    def fail(self, what: str, found: object, expected: object) -> FormatError:
        return FormatError(self.file, what, self.section, found, expected)

    def strings(self, value: object) -> dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise self.fail("__metadata__", "another value", "an object of strings")
        return value

    def entry(self, name: str, value: object) -> Entry:
        what = f"tensor '{name}'"
        if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
            raise self.fail(what, "other members", "dtype, shape and data_offsets")
        dtype = value["dtype"]
        if not isinstance(dtype, str) or dtype not in BITS:
            raise self.fail(f"{what}: dtype", str(dtype), "a safetensors dtype")
        shape = array_of(integer)(value["shape"])
        offsets = array_of(integer)(value["data_offsets"])
        if shape is None or any(extent < 0 for extent in shape):
            raise self.fail(f"{what}: shape", "another value", "integers ≥ 0")
        if offsets is None or len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1]:
            raise self.fail(f"{what}: data_offsets", "another value", "two ascending integers")
        bits = math.prod(shape) * BITS[dtype]
        if bits % 8 or offsets[1] - offsets[0] != bits // 8:
            raise self.fail(f"{what}: data_offsets", offsets[1] - offsets[0], f"{bits / 8} bytes")
        return Entry(dtype, tuple(shape), offsets[0], offsets[1])

    def check_offsets(self) -> None:
        position = 0
        for name, entry in sorted(
            self.entries.items(), key=lambda item: (item[1].start, item[1].end)
        ):
            if entry.start != position:
                raise self.fail(f"tensor '{name}': start of its bytes", entry.start, position)
            position = entry.end
        if position != len(self.data):
            raise self.fail("data", f"{len(self.data)} bytes", position)

    def tensor(self, name: str, in_place: bool = False) -> Tensor:
        """A tensor of dtype F64, F32, F16 or BF16; a view of the mapped file if ``in_place``."""
        entry = self.entries[name]
        if entry.dtype not in STORAGE:
            raise self.fail(f"tensor '{name}': dtype", entry.dtype, " or ".join(STORAGE))
        raw = self.data[entry.start : entry.end]
        return Tensor.from_bytes(entry.dtype, entry.shape, raw if in_place else bytes(raw))


def header(
    tensors: dict[str, tuple[str, tuple[int, ...]]], metadata: dict[str, str]
) -> tuple[bytes, list[str]]:
    """The header's bytes, its length in front, and the order of the tensors.

    Tensors by dtype, descending, then by the UTF-8 bytes of their names; compact; padded with
    spaces to a multiple of 8 (Adapter in safetensors §3). Metadata sorted by the bytes of the key:
    with one key these are the bytes of the reference implementation.
    """
    order = sorted(
        tensors,
        key=lambda name: (-SAFETENSORS_DTYPES.index(tensors[name][0]), name.encode("utf-8")),
    )
    value: dict[str, object] = {}
    if metadata:
        value["__metadata__"] = dict(sorted(metadata.items(), key=lambda m: m[0].encode("utf-8")))
    position = 0
    for name in order:
        dtype, shape = tensors[name]
        end = position + math.prod(shape) * BITS[dtype] // 8
        value[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = jsontext.compact(value).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, order
