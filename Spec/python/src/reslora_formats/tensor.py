"""Tensors: a dtype's name and the elements, with no dependency for BF16."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

#: numpy storage of each dtype (Adapter §1.3); BF16 is kept as its 16 bits.
STORAGE: dict[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}


def bf16_to_float32(bits: np.ndarray) -> np.ndarray:
    """The float32 numbers of BF16 bits; exact (Container §4.5)."""
    return (np.ascontiguousarray(bits, dtype=np.uint16).astype(np.uint32) << 16).view(np.float32)


def bf16_from_float32(values: np.ndarray) -> np.ndarray:
    """BF16 bits of float32 numbers, rounded to nearest, ties to even; a NaN stays a NaN."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    # Rounding could carry a NaN into an infinity or across the sign: truncate it and make it quiet.
    quiet = ((bits >> 16) | 0x40).astype(np.uint16)
    return np.where((bits & 0x7FFFFFFF) > 0x7F800000, quiet, rounded)


@dataclass(frozen=True, eq=False)
class Tensor:
    """Elements of dtype F64, F32, F16 or BF16, row-major.

    ``data`` holds little-endian elements; those of BF16 as ``uint16`` bits. Two tensors are equal
    if dtype, shape and bits are.
    """

    dtype: str
    data: np.ndarray

    def __post_init__(self) -> None:
        storage = STORAGE.get(self.dtype)
        if storage is None:
            raise ValueError(f"unknown dtype {self.dtype!r}, expected one of {', '.join(STORAGE)}")
        if self.data.dtype != storage or not self.data.flags.c_contiguous:
            if self.data.dtype.newbyteorder("=") != storage.newbyteorder("="):
                raise ValueError(f"{self.dtype} is held as {storage}, found {self.data.dtype}")
            object.__setattr__(self, "data", np.ascontiguousarray(self.data, dtype=storage))

    @classmethod
    def of(cls, array: Any) -> "Tensor":
        """Any of: a Tensor, a numpy array (also of ml_dtypes' bfloat16), a torch tensor.

        Elements keep their dtype and bits.
        """
        if isinstance(array, Tensor):
            return array
        if hasattr(array, "detach"):  # torch, which is not imported for this
            torch = sys.modules["torch"]
            array = array.detach().cpu().contiguous()
            if array.dtype == torch.bfloat16:
                return cls("BF16", array.view(torch.int16).numpy().view(np.uint16).copy())
            return cls.of(array.numpy().copy())
        array = np.asarray(array)
        if array.dtype.name == "bfloat16":
            return cls("BF16", np.ascontiguousarray(array).view(np.uint16))
        for dtype, storage in STORAGE.items():
            if dtype != "BF16" and array.dtype.newbyteorder("=") == storage.newbyteorder("="):
                return cls(dtype, np.asarray(array, dtype=storage))
        raise ValueError(f"no dtype of an adapter: {array.dtype}")

    @classmethod
    def rounded(cls, values: np.ndarray, dtype: str) -> "Tensor":
        """Numbers rounded once into ``dtype``, to nearest, ties to even."""
        if dtype == "BF16":
            return cls("BF16", bf16_from_float32(_odd_float32(values)))
        return cls(dtype, np.asarray(values).astype(STORAGE[dtype]))

    @classmethod
    def from_bytes(cls, dtype: str, shape: tuple[int, ...], raw: Any) -> "Tensor":
        """A tensor over little-endian bytes, which are not copied."""
        return cls(dtype, np.frombuffer(raw, dtype=STORAGE[dtype]).reshape(shape))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def nbytes(self) -> int:
        return self.data.nbytes

    def raw(self) -> memoryview:
        """The bytes, row-major and little-endian."""
        return self.data.reshape(-1).data.cast("B")

    def to_float32(self) -> np.ndarray:
        """The numbers as float32: exact for BF16, F16 and F32."""
        if self.dtype == "BF16":
            return bf16_to_float32(self.data)
        return self.data.astype(np.float32)

    def to_float64(self) -> np.ndarray:
        """The numbers as float64: exact."""
        return (self.to_float32() if self.dtype == "BF16" else self.data).astype(np.float64)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            return NotImplemented
        return (
            self.dtype == other.dtype and self.shape == other.shape and self.raw() == other.raw()
        )

    __hash__ = None  # type: ignore[assignment]


def _odd_float32(values: np.ndarray) -> np.ndarray:
    """float64 to float32 rounded to odd, so that a second rounding is as one (Merging §5.2)."""
    values = np.asarray(values)
    if values.dtype != np.float64:
        return values.astype(np.float32)
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32)
    back = nearest.astype(np.float64)
    inexact = (back != values) & np.isfinite(back)
    toward_zero = np.where(
        inexact & (np.abs(back) > np.abs(values)), np.nextafter(nearest, np.float32(0)), nearest
    )
    bits = toward_zero.astype(np.float32).view(np.uint32)
    return np.where(inexact, bits | 1, bits).astype(np.uint32).view(np.float32)
