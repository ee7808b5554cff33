"""Captured inputs of adapted linears (Activations)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from .description import by_bytes
from .errors import FormatError
from .files import Path, layout_of_content, layout_to_write
from .model import Adapter
from .tensor import STORAGE, Tensor
from .validity import check_metadata, check_name

FORMAT = "reslora-activations"
LAYOUTS = ("safetensors", "hdf5")
#: Bytes of rows that are in memory at once.
PIECE_BYTES = 2**20


class Matrix(Protocol):
    """One distinct input: rows are tokens (Activations §1). Rows are read where they lie."""

    @property
    def dtype(self) -> str: ...

    @property
    def shape(self) -> tuple[int, int]: ...

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Elements as ``Tensor.data`` holds them: BF16 as bits."""
        ...


@dataclass
class TensorMatrix:
    """A matrix in memory, or one that is mapped."""

    tensor: Tensor

    @property
    def dtype(self) -> str:
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[int, int]:
        return self.tensor.shape  # type: ignore[return-value]

    def rows(self, start: int, stop: int) -> np.ndarray:
        return self.tensor.data[start:stop]


def row_bytes(matrix: Matrix) -> int:
    return matrix.shape[1] * STORAGE[matrix.dtype].itemsize


def pieces(matrix: Matrix, limit: int = PIECE_BYTES) -> Iterator[np.ndarray]:
    """The matrix in pieces of whole rows of at most ``limit`` bytes, at least one row each."""
    step = max(1, limit // max(1, row_bytes(matrix)))
    for start in range(0, matrix.shape[0], step):
        yield matrix.rows(start, min(start + step, matrix.shape[0]))


@dataclass
class Activations:
    """Matrices by name, and the matrix that is each block's input.

    Read from a file, the matrices read on demand: use it as a context manager, or ``close()``.
    """

    inputs: dict[str, Matrix]
    blocks: dict[str, str]
    metadata: dict[str, str] = field(default_factory=dict)
    file: str = "activations"
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    @property
    def tokens(self) -> int:
        """Rows of every matrix."""
        return next(iter(self.inputs.values())).shape[0]

    def input_of(self, block: str) -> Matrix:
        """The matrix that the block received."""
        return self.inputs[self.blocks[block]]

    def pieces(self, name: str, limit: int = PIECE_BYTES) -> Iterator[Tensor]:
        """The matrix of that name in pieces of whole rows."""
        matrix = self.inputs[name]
        for rows in pieces(matrix, limit):
            yield Tensor(matrix.dtype, rows)

    def tensor(self, name: str) -> Tensor:
        """The whole matrix, in memory."""
        matrix = self.inputs[name]
        return Tensor(matrix.dtype, np.array(matrix.rows(0, matrix.shape[0])))

    def check(self) -> None:
        """What Activations §1 asks of any file."""

        def fail(what: str, found: object, expected: object) -> FormatError:
            return FormatError(self.file, what, "Activations §1", found, expected)

        if not self.inputs or not self.blocks:
            raise fail("inputs", "none", "at least one, of at least one block")
        for name, matrix in self.inputs.items():
            check_name(name, "name of an input", self.file)
            if matrix.dtype not in STORAGE:
                raise fail(f"input '{name}': dtype", matrix.dtype, " or ".join(STORAGE))
            if len(matrix.shape) != 2 or matrix.shape[1] == 0:
                raise fail(f"input '{name}': shape", list(matrix.shape), "[tokens, features]")
            if matrix.shape[0] != self.tokens:
                raise fail(f"input '{name}': rows", matrix.shape[0], f"{self.tokens} as the others")
        for block, name in self.blocks.items():
            check_name(block, "name of a block", self.file)
            if name not in self.inputs:
                raise fail(f"block '{block}'", f"input '{name}'", "an input of the file")
        for name in self.inputs.keys() - set(self.blocks.values()):
            raise fail(f"input '{name}'", "no block", "a block that receives it")
        check_metadata(self.metadata, self.file)

    def check_adapter(self, adapter: Adapter) -> None:
        """Every block of the adapter has an input of its ``in`` features (Activations §1)."""
        for block in adapter.blocks:
            if block.name not in self.blocks:
                raise FormatError(
                    self.file, f"block '{block.name}'", "Activations §1", "no input", "one"
                )
            features = self.input_of(block.name).shape[1]
            if features != block.in_features:
                raise FormatError(
                    self.file, f"block '{block.name}': features", "Activations §1",
                    features, block.in_features,
                )

    def close(self) -> None:
        self.resources.close()

    def __enter__(self) -> "Activations":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_activations(path: Path, *, notes: list[str] | None = None) -> Activations:
    """Opens and checks activations; the layout is told by the file's content."""
    from . import activations_hdf5, activations_safetensors

    layout = layout_of_content(path)
    if layout == "hdf5":
        result = activations_hdf5.open_hdf5(path, [] if notes is None else notes)
    elif layout == "safetensors":
        result = activations_safetensors.open_safetensors(path)
    else:
        raise FormatError(
            path, "content", found=layout, expected="activations in safetensors or HDF5"
        )
    try:
        result.check()
    except BaseException:
        result.close()
        raise
    return result


def write_activations(
    path: Path,
    inputs: Mapping[str, Any],
    blocks: Mapping[str, str],
    metadata: Mapping[str, str] | None = None,
    format: str | None = None,
) -> None:
    """Writes matrices (arrays, or anything with ``rows``) in pieces of about 1 MiB.

    ``blocks`` tells the input of each block. ``format`` is ``safetensors`` or ``hdf5``, by default
    what the extension says. A file that is there is replaced once the new one is whole.
    """
    from . import activations_hdf5, activations_safetensors

    matrices = {
        name: value if hasattr(value, "rows") else TensorMatrix(Tensor.of(value))
        for name, value in inputs.items()
    }
    layout = layout_to_write(path, format, LAYOUTS)
    activations = Activations(
        by_bytes(matrices), by_bytes(dict(blocks)), dict(metadata or {}), str(path)
    )
    activations.check()
    if layout == "hdf5":
        activations_hdf5.write_hdf5(activations, path)
    else:
        activations_safetensors.write_safetensors(activations, path)


def require_metadata_fits(activations: Activations, key: str) -> None:
    """In safetensors the map lies among the free text: no metadata may have its key."""
    if key in activations.metadata:
        raise FormatError(
            activations.file, f"metadata '{key}'", "Activations §2",
            "the key of the map", "another key",
        )
