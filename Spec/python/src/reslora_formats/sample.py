"""Small seeded adapters, norm windows and activations, for tests of other programs."""

from __future__ import annotations

import hashlib

import numpy as np

from .activations import Activations, TensorMatrix
from .model import DEFAULT_CAPACITY, Adapter, BaseWeight, Block, NormWindows, Pair, Statistics
from .tensor import Tensor

LAYERS = 3
IN, OUT_QUERY, OUT_VALUE = 24, 24, 16
RANK = 3
MIXED = ("F64", "F32", "F16", "BF16")
#: Names and texts that a careless program changes: not normalised, escaped in JSON and in HDF5.
ODD_NAMES = (
    "schicht.%d.aufmerksamkeit.größe",
    "schicht.%d.aufmerksamkeit.gro\u0308ße",  # the same to the eye, other bytes
    "层/%d/注意%%力\t\"🙂\"",
)


#: Norms at the ends of float64.
EXTREME_NORMS = [0.1, 1.0, 1e300, 5e-324, 0.0, 123456789.0]


def make_sample(
    structure: str = "is",
    *,
    seed: int = 0,
    dtype: str = "F32",
    pairs: int = 1,
    windows: bool = False,
    base: bool = False,
    metadata: bool = False,
    non_ascii_names: bool = False,
) -> Adapter:
    """An adapter of a few blocks; the same arguments give the same one.

    ``dtype`` may be ``mixed``: every factor has another one. Stacked pairs have ranks 3, 4, ….
    """
    random = np.random.Generator(np.random.PCG64(seed))
    if non_ascii_names:
        patterns = [(name, IN) for name in ODD_NAMES]
    else:
        patterns = [
            ("model.layers.%d.self_attn.q_proj", OUT_QUERY),
            ("model.layers.%d.self_attn.v_proj", OUT_VALUE),
        ]
    blocks: list[Block] = []
    count = 0
    for layer in range(LAYERS):
        for pattern, out in patterns:
            factors: list[Tensor] = []
            for pair in range(pairs):
                for shape in ((RANK + pair, IN), (out, RANK + pair)):
                    kind = MIXED[count % len(MIXED)] if dtype == "mixed" else dtype
                    factors.append(Tensor.rounded(random.standard_normal(shape), kind))
                    count += 1
            blocks.append(
                Block(
                    pattern % layer,
                    scaling=(1 / 3, 2.0, 1e-7)[layer % 3],
                    pairs=[Pair(*factors[at : at + 2]) for at in range(0, len(factors), 2)],
                    previous=pattern % (layer - 1) if layer and structure != "plain" else None,
                )
            )
    adapter = Adapter(structure, blocks, pre_num={"ms": 2, "bs": 1}.get(structure, -1))
    if structure == "is" and seed % 2:
        adapter.root = "none"
    if windows:
        add_windows(adapter, random)
    if base:
        adapter.base_model = "sämple/base-model" if non_ascii_names else "sample/base-model"
        add_base(adapter, random)
    if metadata:
        adapter.metadata = {
            "note": 'a "quoted" text\\with\nlines,\ttabs and \x01\x7f',
            "empty": "",
            "b": "2",
            "a/b": "1",
            ".": "dot",
            "..": "dots",
            "50%": "percent",
        }
        if non_ascii_names:
            adapter.metadata["größe"] = "\u00e9 e\u0301 🙂"
    return adapter


def add_windows(adapter: Adapter, random: np.random.Generator) -> None:
    """Windows of several kinds: both lists, one alone, none; a capacity that is not 100.

    In is and ms every block has the list that ``bi`` takes (Merging §4.3), of moderate norms.
    """
    for number, block in enumerate(adapter.blocks):
        inputs, projections = (100 * random.random((2, 7))).tolist()
        kind = number % 4
        capacity = {1: 7, 2: 2**40}.get(kind, DEFAULT_CAPACITY)
        if adapter.structure == "is":
            projections = (projections, EXTREME_NORMS, [], [])[kind]
        else:
            inputs = (inputs, EXTREME_NORMS, [], [])[kind]
            if adapter.structure != "ms":
                projections = (projections, [], projections, [])[kind]
        block.windows = NormWindows(list(inputs), list(projections), capacity)


def make_windows(seed: int = 0, *, non_ascii_names: bool = False) -> dict[str, NormWindows]:
    """Norm windows of a few blocks."""
    adapter = make_sample("ms", seed=seed, windows=True, non_ascii_names=non_ascii_names)
    return {block.name: block.windows for block in adapter.blocks if block.windows}


def make_activations(
    seed: int = 0, *, dtype: str = "F16", non_ascii_names: bool = False, tokens: int = 11
) -> Activations:
    """The inputs of the blocks of ``make_sample``; those of one layer share theirs."""
    random = np.random.Generator(np.random.PCG64(seed))
    adapter = make_sample("is", non_ascii_names=non_ascii_names)
    per_layer = len(adapter.blocks) // LAYERS
    inputs, blocks = {}, {}
    for number, block in enumerate(adapter.blocks):
        layer = number // per_layer
        name = f"層 {layer}/%/größe" if non_ascii_names else f"layer.{layer}"
        blocks[block.name] = name
        if name not in inputs:
            kind = MIXED[layer % len(MIXED)] if dtype == "mixed" else dtype
            rows = Tensor.rounded(random.standard_normal((tokens, block.in_features)), kind)
            inputs[name] = TensorMatrix(rows)
    return Activations(inputs, blocks, {"note": "é \"quoted\"\n\x01", "a/b%": ""})


def add_base(adapter: Adapter, random: np.random.Generator) -> None:
    """Base weights of all blocks but the last, with statistics of all but the second last."""
    for number, block in enumerate(adapter.blocks[:-1]):
        shape = (block.out_features, block.in_features)
        weight = Tensor.rounded(random.standard_normal(shape), "F32")
        block.base = BaseWeight(
            f"{block.name}.weight" if len(block.name) < 4000 else "w",
            weight.dtype, shape, hashlib.sha256(weight.raw()).hexdigest(),
        )
        if number < len(adapter.blocks) - 2:
            block.base.statistics = statistics(adapter, block, weight.to_float64())


def statistics(adapter: Adapter, block: Block, weight: np.ndarray) -> Statistics:
    """‖W‖² and ⟨Bᵀ W, A_p⟩ for the block and the predecessors that take part (Merging §4.5)."""
    projected = joined(block)[1].T @ weight
    cross: dict[str, float] = {}
    current: Block | None = block
    steps = adapter.pre_num if adapter.structure == "ms" else 0
    while current is not None:
        cross[current.name] = float((projected * joined(current)[0]).sum())
        steps -= 1
        if current.previous is None or steps == -1:
            break
        current = adapter.block(current.previous)
    return Statistics(float((weight**2).sum()), cross)


def joined(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """A and B of a block, stacked pairs joined (Merging §2.7), in float64."""
    return (
        np.concatenate([pair.lora_A.to_float64() for pair in block.pairs], axis=0),
        np.concatenate([pair.lora_B.to_float64() for pair in block.pairs], axis=1),
    )
