"""Rows of the inputs of one forward, and what is kept of many."""

from __future__ import annotations

import os
import warnings
import weakref
from collections import Counter

import torch

from ..rows import RowStore
from ..tensor import STORAGE, Tensor

DTYPES = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


class ForwardRows:
    """The kept rows of each distinct input of one forward."""

    def __init__(self, dtype: str, mask: torch.Tensor | None) -> None:
        self.dtype = dtype
        self.mask = mask
        self.fault: str | None = None
        self.rows: dict[str, Tensor] = {}
        self.input_of: dict[str, str] = {}  # block → the block that received the same tensor first
        self.seen: list[tuple[weakref.ref[torch.Tensor], int | None, str]] = []

    def add(self, block: str, x: torch.Tensor) -> None:
        """The input of a block; kept once if another block received the same tensor object."""
        if self.fault is not None:
            return
        if block in self.input_of:
            self.fault = "a block ran more than once in a forward"
            return
        version = version_of(x)
        for reference, seen_version, first in self.seen:
            if reference() is x and seen_version == version:
                self.input_of[block] = first
                return
        kept = self.kept(x)
        if kept is None:
            return
        self.seen.append((weakref.ref(x), version, block))
        self.input_of[block] = block
        self.rows[block] = Tensor.of(kept)

    def kept(self, x: torch.Tensor) -> torch.Tensor | None:
        """The rows that the mask keeps, converted."""
        rows = x.detach().reshape(-1, x.shape[-1])
        if self.mask is not None:
            shape = tuple(self.mask.shape)
            if tuple(x.shape[:-1]) != shape and tuple(x.shape[:-1]) != (self.mask.numel(),):
                self.fault = f"an input of shape {list(x.shape)} under a mask of {list(shape)}"
                return None
            rows = rows[self.mask.reshape(-1).to(device=x.device, dtype=torch.bool)]
        rows = rows.to(DTYPES[self.dtype])
        if not bool(torch.isfinite(rows).all()):
            self.fault = f"an input that is not finite as {self.dtype}"
            return None
        return rows


def version_of(x: torch.Tensor) -> int | None:
    """What changes when the tensor is written to; inference tensors do not have it."""
    return None if x.is_inference() else x._version


class Capture:
    """What was kept of many forwards, with bounds; rows lie in a temporary file."""

    def __init__(
        self, dtype: str, max_tokens: int, max_bytes: int, folder: str | os.PathLike[str] | None
    ) -> None:
        self.dtype = dtype
        self.max_tokens = max_tokens
        self.max_bytes = max_bytes
        self.store = RowStore(folder)
        self.names: dict[str, str] = {}  # block → matrix
        self.skipped: Counter[str] = Counter()

    @property
    def tokens(self) -> int:
        return self.store.tokens

    @property
    def room(self) -> int:
        """Rows that may still be kept."""
        features = sum(matrix.features for matrix in self.store.matrices.values())
        if not features:
            return self.max_tokens
        limit = self.max_bytes // (features * STORAGE[self.dtype].itemsize)
        return max(0, min(self.max_tokens, limit) - self.tokens)

    def skip(self, reason: str) -> None:
        """A forward is left out whole, so that rows stay aligned (Activations §1)."""
        if not self.skipped[reason]:
            warnings.warn(f"activations of a forward are left out: {reason}", stacklevel=2)
        self.skipped[reason] += 1

    def add(self, forward: ForwardRows, blocks: list[str]) -> None:
        """Keeps the rows of a forward, or skips it."""
        missing = [block for block in blocks if block not in forward.input_of]
        if forward.fault is None and missing:
            forward.fault = "a block did not run"
        counts = {tensor.shape[0] for tensor in forward.rows.values()}
        if forward.fault is None and len(counts) != 1:
            forward.fault = "inputs of different numbers of rows"
        if forward.fault is not None:
            self.skip(forward.fault)
            return
        if not self.names:
            self.names = matrix_names(forward.input_of)
        self.split(forward)
        rows = {name: forward.rows[forward.input_of[block]] for block, name in self.names.items()}
        count = min(counts.pop(), self.room if self.store.matrices else self.first_room(rows))
        if count:
            self.store.add(
                {name: Tensor(tensor.dtype, tensor.data[:count]) for name, tensor in rows.items()}
            )

    def first_room(self, rows: dict[str, Tensor]) -> int:
        width = sum(tensor.shape[1] * tensor.data.itemsize for tensor in rows.values())
        return min(self.max_tokens, self.max_bytes // width)

    def split(self, forward: ForwardRows) -> None:
        """Blocks that shared an input so far and do not in this forward get matrices of their own.

        The rows so far are the same for both and are stored once.
        """
        leaders: dict[str, list[tuple[Tensor, str]]] = {}
        for block, name in self.names.items():
            tensor = forward.rows[forward.input_of[block]]
            group = leaders.setdefault(name, [])
            for other, matrix in group:
                if other is tensor or other == tensor:
                    self.names[block] = matrix
                    break
            else:
                if group:
                    self.names[block] = block
                    if name in self.store.matrices:
                        self.store.matrices[block] = self.store.matrices[name].copy()
                group.append((tensor, self.names[block]))

    def close(self) -> None:
        self.store.close()


def matrix_names(input_of: dict[str, str]) -> dict[str, str]:
    """Block → name of its matrix: what the blocks' names have in common, else the first block's."""
    groups: dict[str, list[str]] = {}
    for block, first in input_of.items():
        groups.setdefault(first, []).append(block)
    taken = set(input_of)
    names: dict[str, str] = {}
    for first, blocks in groups.items():
        name = first
        if len(blocks) > 1:
            common = os.path.commonprefix([block.split(".") for block in blocks])
            if common and ".".join(common) not in taken:
                name = ".".join(common)
        taken.add(name)
        names.update(dict.fromkeys(blocks, name))
    return names


