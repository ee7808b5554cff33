"""What an adapter is, whatever file it lies in (Adapter §1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .tensor import Tensor

#: Norms that a window holds where nothing else is stated (Adapter §1.5).
DEFAULT_CAPACITY = 100

STRUCTURES = ("plain", "is", "bs", "ms")
ROOTS = ("self", "none")


@dataclass
class Pair:
    """One pair of factors: A is [r, in], B is [out, r] (Adapter §1.3)."""

    lora_A: Tensor
    lora_B: Tensor

    @property
    def rank(self) -> int:
        return self.lora_A.shape[0]


@dataclass
class NormWindows:
    """Frobenius norms of the last batches, oldest first (Adapter §1.5, Merging §3.5)."""

    input: list[float] = field(default_factory=list)
    projection: list[float] = field(default_factory=list)
    capacity: int = DEFAULT_CAPACITY

    def __bool__(self) -> bool:
        return bool(self.input or self.projection)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NormWindows):
            return NotImplemented
        if not self and not other:  # the capacity of a block without any norm is not kept
            return True
        return (self.input, self.projection, self.capacity) == (
            other.input,
            other.projection,
            other.capacity,
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Statistics:
    """What lets ``bw`` run without the base (Adapter §1.6, Merging §4.5).

    ``squared_norm`` is ‖W‖², ``cross[p]`` is ⟨Bᵀ W, A_p⟩.
    """

    squared_norm: float
    cross: dict[str, float]


@dataclass
class BaseWeight:
    """What is known of a block's base weight (Adapter §1.6)."""

    tensor: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    statistics: Statistics | None = None


@dataclass
class Block:
    """One or more pairs beside one linear layer (Adapter §1.1)."""

    name: str
    scaling: float
    pairs: list[Pair]
    previous: str | None = None
    windows: NormWindows = field(default_factory=NormWindows)
    base: BaseWeight | None = None

    @property
    def in_features(self) -> int:
        return self.pairs[0].lora_A.shape[1]

    @property
    def out_features(self) -> int:
        return self.pairs[0].lora_B.shape[0]

    def factors(self) -> list[tuple[str, Tensor]]:
        """Factor names and factors, pairs in order, A before B (Adapter §1.3)."""
        if len(self.pairs) == 1:
            return [("lora_A", self.pairs[0].lora_A), ("lora_B", self.pairs[0].lora_B)]
        return [
            (f"{letter}.{number}", factor)
            for number, pair in enumerate(self.pairs)
            for letter, factor in (("lora_A", pair.lora_A), ("lora_B", pair.lora_B))
        ]


@dataclass
class Adapter:
    """Blocks in module order and how they are linked (Adapter §1.1)."""

    structure: str
    blocks: list[Block]
    root: str = "self"
    pre_num: int = -1
    base_model: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    #: Unknown ancillary chunks of the container it was read from (Container §3.1): type and raw
    #: bytes. ``write_adapter`` keeps them in a container; empty it when the adapter is changed.
    ancillary: list[tuple[bytes, bytes]] = field(default_factory=list, compare=False)

    def tensors(self) -> list[tuple[str, Tensor]]:
        """Names and tensors in the order of the description (Adapter §2.3)."""
        return [
            (f"{block.name}.{factor}", tensor)
            for block in self.blocks
            for factor, tensor in block.factors()
        ]

    def block(self, name: str) -> Block:
        """The block of that name; KeyError if there is none."""
        for block in self.blocks:
            if block.name == name:
                return block
        raise KeyError(name)


def factor_names(pairs: int) -> list[str]:
    """The factor names of a block of so many pairs, A before B (Adapter §1.3)."""
    return ["lora_A", "lora_B"] if pairs == 1 else list(stacked_names(pairs))


def stacked_names(pairs: int) -> Iterator[str]:
    """The factor names of several pairs (Adapter §1.3)."""
    return (f"{letter}.{number}" for number in range(pairs) for letter in ("lora_A", "lora_B"))
