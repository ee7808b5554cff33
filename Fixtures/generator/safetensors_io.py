"""Tensors as stored bytes, and the safetensors file format."""

import json
import struct
from dataclasses import dataclass

import numpy as np

# Order of the reference implementation's dtype enumeration: files list tensors by it, descending.
DTYPE_ORDER = ("BOOL", "F16", "BF16", "F32", "F64", "I64")
NUMPY_TYPES = {"BOOL": "?", "F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8", "I64": "<i8"}


@dataclass(frozen=True)
class Tensor:
    """A tensor as it is stored: dtype name, shape, little-endian row-major bytes."""

    dtype: str
    shape: tuple
    data: bytes

    @staticmethod
    def of(values, dtype):
        """Store `values`, each rounded once, to nearest even, into `dtype`."""
        values = np.asarray(values)
        if dtype == "BF16":
            stored = bf16_bits(values)
        else:
            stored = values.astype(NUMPY_TYPES[dtype])
        return Tensor(dtype, tuple(values.shape), np.ascontiguousarray(stored).tobytes())

    def values(self):
        """The stored numbers as float64, exactly."""
        stored = np.frombuffer(self.data, NUMPY_TYPES[self.dtype]).reshape(self.shape)
        if self.dtype == "BF16":
            stored = (stored.astype("<u4") << 16).view("<f4")
        return stored.astype(np.float64)


def bf16_bits(values):
    """Round float64 straight to bfloat16 (8 significant bits), to nearest even.

    Going through float32 would round twice. `step` is the spacing of bfloat16 numbers around each
    value; scaling by a power of two is exact, and `rint` rounds halves to even.
    """
    values = np.asarray(values, np.float64)
    exponent = np.frexp(values)[1]
    step = np.maximum(exponent - 8, -133)
    rounded = np.ldexp(np.rint(np.ldexp(values, -step)), step)
    return (rounded.astype("<f4").view("<u4") >> 16).astype("<u2")


def write_safetensors(path, tensors, metadata=None):
    """Write what the reference implementation writes for the same tensors and metadata."""
    names = sorted(tensors, key=lambda n: (-DTYPE_ORDER.index(tensors[n].dtype), n.encode()))
    header = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for name in names:
        tensor = tensors[name]
        end = offset + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(tensors[name].data for name in names)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def read_safetensors(path):
    """Read a trusted file: {name: Tensor}."""
    content = path.read_bytes()
    start = 8 + struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        data = content[start + begin:start + end]
        tensors[name] = Tensor(entry["dtype"], tuple(entry["shape"]), data)
    return tensors


def read_metadata(path):
    """The metadata of a trusted file."""
    content = path.read_bytes()
    start = 8 + struct.unpack_from("<Q", content)[0]
    return json.loads(content[8:start]).get("__metadata__", {})
