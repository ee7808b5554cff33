"""What ``save`` would refuse, found before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import FormatError
from ..model import Adapter, Block, Pair
from ..tensor import STORAGE, Tensor
from ..validity import check_adapter, check_block
from .capture import DTYPES
from .linears import AdaptedLinear, Pairs, planned_pairs

NAMES = {dtype: name for name, dtype in DTYPES.items()}


def check_arguments(
    linears: Sequence[AdaptedLinear],
    source: str,
    structure: str,
    previous: Mapping[str, str | None],
    root: str,
    pre_num: int,
) -> None:
    """All of Adapter §1 and Merging §3.2 but what training adds.

    ``source`` is the argument that factors and scalings come from.
    """
    pairs = [linear.pairs(linear.module) for linear in linears]
    if not all(pairs):
        pairs = [planned_pairs(linear.module) for linear in linears]
    blocks = []
    for linear, factors in zip(linears, pairs):
        check_factors(linear, factors, source)
        alike = [Pair(unset(A), unset(B)) for A, B in factors]
        blocks.append(Block(linear.name, linear.scaling, alike, previous[linear.name]))
        check_block(blocks[-1], source)
    check_adapter(Adapter(structure, blocks, root, pre_num), "ResLoRACollector")


def check_factors(linear: AdaptedLinear, pairs: Pairs, source: str) -> None:
    """Factors that an adapter can hold and that fit the linear (Adapter §1.3)."""
    into, out = features(linear.module)
    for number, pair in enumerate(pairs):
        for letter, factor, axis, extent in zip("AB", pair, (1, 0), (into, out)):
            what = f"block '{linear.name}': {letter}"
            if len(pairs) > 1:
                what += f" of pair {number}"

            def fail(found: object, expected: str) -> FormatError:
                return FormatError(source, what, "Adapter §1.3", found, expected)

            if not torch.is_tensor(factor):
                raise fail(type(factor).__name__, "a torch tensor")
            if factor.dtype not in NAMES:
                raise fail(factor.dtype, " or ".join(map(str, NAMES)))
            if factor.dim() != 2 or (extent is not None and factor.shape[axis] != extent):
                known = {"A": f"[r, {into or 'in'}]", "B": f"[{out or 'out'}, r]"}
                raise fail(f"shape {list(factor.shape)}", f"{known[letter]} for this linear")


def features(module: nn.Module) -> tuple[int, int] | tuple[None, None]:
    """In and out features of a linear where it states them, as nn.Linear and PEFT's layers do.

    The Conv1D of transformers does not; its weight is [in, out].
    """
    if type(module).__name__ == "Conv1D":
        return tuple(module.weight.shape)
    found: tuple[Any, Any] = tuple(
        getattr(module, name, None) for name in ("in_features", "out_features")
    )
    return found if all(isinstance(value, int) for value in found) else (None, None)


def unset(factor: torch.Tensor) -> Tensor:
    """A tensor of the same dtype and shape, whose elements are not read."""
    dtype = NAMES[factor.dtype]
    return Tensor(dtype, np.empty(tuple(factor.shape), STORAGE[dtype]))
