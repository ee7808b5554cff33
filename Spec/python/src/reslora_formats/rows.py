"""Rows that are collected piece by piece on disk, until it is known how many there are."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import numpy as np

from .activations import LAYOUTS, write_activations
from .files import Path, layout_to_write
from .tensor import STORAGE, Tensor


class StoredMatrix:
    """A growing matrix in a ``RowStore``."""

    def __init__(self, store: "RowStore", dtype: str, features: int) -> None:
        self.store = store
        self.dtype = dtype
        self.features = features
        self.starts: list[int] = []  # first row of each segment
        self.offsets: list[int] = []  # where its bytes begin
        self.count = 0

    @property
    def shape(self) -> tuple[int, int]:
        return (self.count, self.features)

    def copy(self) -> "StoredMatrix":
        """Another matrix with the same rows so far; they are stored once."""
        other = StoredMatrix(self.store, self.dtype, self.features)
        other.starts, other.offsets, other.count = self.starts[:], self.offsets[:], self.count
        return other

    def append(self, rows: np.ndarray) -> None:
        self.starts.append(self.count)
        self.offsets.append(self.store.append(rows))
        self.count += len(rows)

    def rows(self, start: int, stop: int) -> np.ndarray:
        result = np.empty((stop - start, self.features), dtype=STORAGE[self.dtype])
        width = self.features * result.itemsize
        row = start
        while row < stop:
            segment = bisect_right(self.starts, row) - 1
            following = segment + 1
            last = self.starts[following] if following < len(self.starts) else self.count
            end = min(stop, last)
            offset = self.offsets[segment] + (row - self.starts[segment]) * width
            self.store.read_into(offset, result[row - start : end - start])
            row = end
        return result


class RowStore:
    """Matrices with equal numbers of rows, in one temporary file.

    ``folder`` is where that file lies (by default the system's); it has no name and vanishes with
    the process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.file = tempfile.TemporaryFile(dir=folder)
        self.end = 0
        self.matrices: dict[str, StoredMatrix] = {}

    @property
    def tokens(self) -> int:
        return next(iter(self.matrices.values())).count if self.matrices else 0

    def add(self, rows: Mapping[str, Any]) -> None:
        """Appends rows to every matrix: arrays or tensors of as many rows each.

        The first call decides names, dtypes and features.
        """
        tensors = {name: Tensor.of(value) for name, value in rows.items()}
        if len({tensor.shape[0] for tensor in tensors.values()}) != 1:
            raise ValueError("rows of every matrix are as many")
        if not self.matrices:
            self.matrices = {
                name: StoredMatrix(self, tensor.dtype, tensor.shape[1])
                for name, tensor in tensors.items()
            }
        if tensors.keys() != self.matrices.keys():
            raise ValueError("rows are added to all matrices at once")
        for name, tensor in tensors.items():
            matrix = self.matrices[name]
            if (tensor.dtype, tensor.shape[1]) != (matrix.dtype, matrix.features):
                raise ValueError(f"{name}: rows of {matrix.features} elements of {matrix.dtype}")
        for name, tensor in tensors.items():
            self.matrices[name].append(tensor.data)

    def append(self, rows: np.ndarray) -> int:
        offset = self.end
        self.file.seek(offset)
        self.file.write(np.ascontiguousarray(rows).reshape(-1).data.cast("B"))
        self.end = offset + rows.nbytes
        return offset

    def read_into(self, offset: int, rows: np.ndarray) -> None:
        self.file.seek(offset)
        view = rows.reshape(-1).data.cast("B")
        if self.file.readinto(view) != len(view):  # type: ignore[attr-defined]
            raise OSError("the temporary file of rows is shorter than it was")

    def close(self) -> None:
        self.file.close()


class ActivationsWriter:
    """Writes activations whose rows come piece by piece; memory holds one piece.

    ``with ActivationsWriter(path, blocks) as writer: writer.add({"input": rows, …})``. The file
    gets its name when the block ends well; one that is there is replaced. Rows wait in a temporary
    file, because both layouts store one matrix after the other and state their extents first.
    """

    def __init__(
        self,
        path: Path,
        blocks: Mapping[str, str],
        metadata: Mapping[str, str] | None = None,
        format: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self.path = path
        self.blocks = blocks
        self.metadata = metadata
        self.format = layout_to_write(path, format, LAYOUTS)
        self.store = RowStore(folder)

    def add(self, rows: Mapping[str, Any]) -> None:
        """Appends rows to every matrix."""
        self.store.add(rows)

    def __enter__(self) -> "ActivationsWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                write_activations(
                    self.path, self.store.matrices, self.blocks, self.metadata, self.format
                )
        finally:
            self.store.close()
