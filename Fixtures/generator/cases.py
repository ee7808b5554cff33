"""The synthetic cases: what each consists of, and how its folder is written."""

import json
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from . import captures, merges, replay, torch_bin
from .safetensors_io import Tensor, write_safetensors

RES_FLAGS = {"plain": 0, "is": 1, "bs": 2, "ms": 3}
LLAMA = ("model.layers.{}.self_attn.q_proj", "model.layers.{}.self_attn.v_proj")
ROBERTA = ("roberta.encoder.layer.{}.attention.self.query",
           "roberta.encoder.layer.{}.attention.self.value")


class Module(NamedTuple):
    """An adapted linear; the last three are for adapters that state them block by block."""

    name: str
    inputs: int
    outputs: int
    rank: int = None
    scaling: float = None
    previous: str = None


@dataclass
class Case:
    """One folder of `synthetic/`."""

    name: str
    structure: str
    modules: list
    rank: int = 2
    lora_alpha: int = 3
    pairs: int = 1
    pre_num: int = 0
    root: str = "self"
    lora_dtype: str = "F32"
    base_dtype: str = "F32"
    views: str = "parameters"
    form: str = "published"
    lmops: tuple = ()
    zero_window: str = None
    truncate: bool = False
    captured: str = None
    tokens: int = 48
    extras: dict = field(default_factory=dict)


def layers(families, count, *sizes, odd=None):
    """Modules of `count` layers; `sizes` are (in, out) per family, `odd` {layer: sizes}."""
    modules = []
    for layer in range(count):
        for family, (inputs, outputs) in zip(families, (odd or {}).get(layer, sizes), strict=True):
            modules.append(Module(family.format(layer), inputs, outputs))
    return modules


def all_cases():
    """Every synthetic case."""
    extras = {"model.embed_tokens.weight": ("F32", (11, 12)), "model.norm.weight": ("F32", (12,)),
              "model.positions": ("I64", (9,)), "model.mask": ("BOOL", (3, 5))}
    twelve = sorted(layers(ROBERTA, 12, (7, 7), (7, 7)))
    square = layers(LLAMA, 4, (8, 8), (8, 8))
    zero = "model.layers.2.self_attn.q_proj"
    stack = {"rank": 2, "lora_alpha": 5, "pairs": 2}
    both = ("bi", "bw")
    return [
        Case("plain", "plain", layers(ROBERTA, 3, (9, 7), (9, 5)), views="plain", captured="F16"),
        Case("is-basic", "is", layers(LLAMA, 5, (12, 8), (12, 6)), rank=3, lora_alpha=5,
             lmops=("bi",), extras=extras, captured="F16"),
        Case("is-root-none", "is", layers(LLAMA, 4, (9, 7), (9, 5)), root="none", captured="F32"),
        Case("is-shape-break", "is", layers(ROBERTA, 5, (10, 8), (10, 6),
                                            odd={2: ((14, 11), (14, 9))}),
             rank=3, lora_alpha=7, views="transposed", lmops=("bi",), captured="BF16"),
        Case("is-layer-order", "is", twelve, lmops=both),
        Case("is-stacked", "is", layers(LLAMA, 4, (11, 7), (11, 5)), **stack,
             captured="F16", tokens=12),
        Case("is-tree", "is", tree(), form="file", pre_num=-1, lmops=("bi",), captured="F64"),
        Case("ms-pre0", "ms", layers(LLAMA, 4, (10, 7), (10, 6)), lmops=both, captured="BF16"),
        Case("ms-pre2", "ms", layers(LLAMA, 5, (13, 9), (13, 13)), rank=3, lora_alpha=4, pre_num=2,
             lora_dtype="F16", base_dtype="BF16", lmops=both, captured="F32"),
        Case("ms-all", "ms", layers(ROBERTA, 5, (15, 10), (15, 8)), pre_num=-1, base_dtype="F16",
             views="shared", lmops=both, captured="F16"),
        Case("ms-stacked", "ms", layers(LLAMA, 4, (12, 7), (12, 5)), pre_num=2, **stack,
             captured="F32", tokens=9),
        Case("bs-pre1", "bs", layers(ROBERTA, 5, (16, 10), (16, 12)), rank=3, lora_alpha=4,
             pre_num=1, lora_dtype="BF16", captured="BF16"),
        Case("bs-all", "bs", layers(LLAMA, 5, (18, 15), (18, 13)), pre_num=-1, lora_dtype="F64",
             base_dtype="F64", truncate=True, captured="F16"),
        Case("bs-stacked", "bs", layers(LLAMA, 4, (12, 9), (12, 10)), pre_num=1, **stack,
             captured="F32"),
        Case("bs-ranks", "bs", ranks(), form="file", pre_num=-1, truncate=True, captured="F16"),
        Case("whole-model", "is", layers(LLAMA, 4, (10, 10), (10, 10)), form="whole", lmops=both),
        Case("lmops-zero", "is", square, lmops=both, zero_window=zero),
        Case("lmops-zero-ms", "ms", square, pre_num=2, lmops=both, zero_window=zero),
    ]


def ranks():
    """A bs chain whose blocks differ in rank and in scaling."""
    scalings = (2.0, 0.75, 1.5, 0.4, 1.25)
    names = [f"decoder.layers.{i}.mlp.up" for i in range(5)]
    return [Module(name, 20, 17, rank, scaling, previous) for name, rank, scaling, previous
            in zip(names, (2, 3, 1, 4, 2), scalings, [None] + names[:-1], strict=True)]


def tree():
    """An is tree: two blocks share a predecessor, and some are listed before theirs."""
    trunk, left, right, leaf, tip = (f"tree.{n}" for n in ("trunk", "left", "right", "leaf", "tip"))
    return [
        Module(tip, 12, 9, 3, 1.5, leaf), Module(left, 12, 9, 2, 0.8, trunk),
        Module(leaf, 12, 9, 2, 2.0, right), Module(trunk, 12, 9, 3, 1.25, None),
        Module(right, 12, 9, 2, 1.1, trunk),
    ]


class Source:
    """Seeded numbers from a generator whose stream NumPy has frozen."""

    def __init__(self, name):
        self.state = np.random.RandomState(zlib.crc32(name.encode()))

    def uniform(self, shape, low, high):
        return low + (high - low) * self.state.random_sample(shape)

    def tensor(self, shape, dtype, size):
        if dtype in ("I64", "BOOL"):
            return Tensor.of(self.state.randint(0, 2 if dtype == "BOOL" else 10**9, shape), dtype)
        return Tensor.of(self.uniform(shape, -size, size), dtype)

    def window(self):
        level, count = self.uniform((), 2, 9), 5 + self.state.randint(4)
        return (level * self.uniform(count, 0.7, 1.3)).tolist()


def make(case, folder):
    """Write one case and return its adapter."""
    source = Source(case.name)
    base, pairs, windows = {}, {}, {}
    for module in case.modules:
        rank = module.rank or case.rank
        shapes = (rank, module.inputs), (module.outputs, rank)
        pairs[module.name] = [tuple(source.tensor(shape, case.lora_dtype, 0.6) for shape in shapes)
                              for _ in range(case.pairs)]
        shape = (module.outputs, module.inputs)
        base[f"{module.name}.weight"] = source.tensor(shape, case.base_dtype, 1)
        base[f"{module.name}.bias"] = source.tensor(shape[:1], case.base_dtype, 0.1)
        if case.structure in ("is", "ms"):
            windows[module.name] = make_windows(case, module.name, source)
    for name, (dtype, shape) in case.extras.items():
        base[name] = source.tensor(shape, dtype, 1)
    adapter = make_adapter(case, base, pairs, windows)

    folder.mkdir(parents=True)
    write_safetensors(folder / "base.safetensors", base, {"format": "pt"})
    if case.form == "file":
        write_adapter_file(folder / "adapter.safetensors", adapter, pairs)
    else:
        write_published(folder / "adapter", case, base, pairs)
        if windows:
            write_json(folder / "norm-windows.json", windows)
    write_results(folder, case, adapter, base)
    if case.captured:
        write_replay(folder, case, adapter)
    return adapter


def make_windows(case, name, source):
    """Norm windows of one block; `is` checkpoints have none of projections."""
    projections = case.structure == "ms" or case.form == "file"
    windows = {"input": source.window(), "projection": source.window() if projections else []}
    if name == case.zero_window:
        windows = {kind: [0.0] * len(values) for kind, values in windows.items()}
    return windows


def make_adapter(case, base, pairs, windows):
    """The adapter in chain order; stacked pairs become one block by concatenation."""
    modules = {module.name: module for module in case.modules}
    if case.form == "file":
        previous = {name: module.previous for name, module in modules.items()}
    elif case.structure == "plain":
        previous = dict.fromkeys(modules)
    else:
        shapes = {name: (module.inputs, module.outputs) for name, module in modules.items()}
        previous = merges.link(list(modules), shapes, "q.v")
    blocks = {}
    for name in previous:
        block = merges.Block(
            name, np.concatenate([a.values() for a, _ in pairs[name]]),
            np.concatenate([b.values() for _, b in pairs[name]], axis=1),
            modules[name].scaling or case.lora_alpha / case.rank, previous[name],
            weight=base[f"{name}.weight"].values())
        if name in windows:
            block.windows = windows[name]
        blocks[name] = block
    return merges.Adapter(case.structure, case.root, case.pre_num, blocks)


def write_published(folder, case, base, pairs):
    """A checkpoint as the published training code saves it."""
    folder.mkdir()
    tensors = {}
    for name, stack in pairs.items():
        for i, (a, b) in enumerate(stack):
            tensors[f"{name}.loras.{i}.lora_A"] = a
            tensors[f"{name}.loras.{i}.lora_B"] = b
    if case.form == "whole":
        write_safetensors(folder / "model.safetensors", base | tensors, {"format": "pt"})
    else:
        torch_bin.write_torch(folder / "pytorch_model_lora.bin", arrange(case.views, tensors))
    config = {
        "rank": case.rank, "lora_alpha": case.lora_alpha, "lora_dropout": 0.0,
        "start_index": case.pairs - 1, "target_modules": "q.v", "lora_num": case.pairs,
        "merge_weights": True, "res_flag": RES_FLAGS[case.structure], "merge_flag": 0,
        "pre_num": case.pre_num, "merge_4_len": 100,
    }
    (folder / "reslora_config.json").write_text(json.dumps(config, indent=4))


def arrange(views, tensors):
    """The tensors as views: parameters of their own storage, or one of the rarer layouts."""
    if views == "shared":
        (first, a), (second, b) = list(tensors.items())[:2]
        arranged = dict(zip((first, second), torch_bin.sharing(a, b), strict=True))
        return arranged | arrange("parameters", dict(list(tensors.items())[2:]))
    if views == "transposed":
        return {name: torch_bin.transposed(tensor) if name.endswith("lora_A")
                else torch_bin.contiguous(tensor) for name, tensor in tensors.items()}
    return {name: torch_bin.contiguous(tensor, views == "parameters")
            for name, tensor in tensors.items()}


def write_adapter_file(path, adapter, pairs):
    """This project's own safetensors layout."""
    tensors, blocks = {}, []
    for name, block in adapter.blocks.items():
        (tensors[f"{name}.lora_A"], tensors[f"{name}.lora_B"]), = pairs[name]
        entry = {"name": name, "scaling": block.scaling, "previous": block.previous}
        if block.windows["input"]:
            entry["windows"] = block.windows
        blocks.append(entry)
    description = {"format": "reslora-adapter", "version": 1, "structure": adapter.structure,
                   "root": adapter.root, "pre_num": adapter.pre_num, "blocks": blocks}
    text = json.dumps(description, separators=(",", ":"))
    write_safetensors(path, tensors, {"reslora": text})


def write_results(folder, case, adapter, base):
    """`expected.json`, the dense deltas, and a folded base for each method."""
    expected = merges.describe(adapter)
    methods = merges.METHODS[case.structure]
    if case.zero_window:
        methods = tuple(method for method in methods if method != "bi")
        expected["errors"] = {"bi": [case.zero_window]}
    expected["methods"], deltas = {}, {}
    for method in methods:
        merged = merges.merge(adapter, method)
        expected["methods"][method] = merges.report(merged, adapter)
        folded = dict(base)
        for name, result in merged.items():
            deltas[f"{method}/{name}"] = Tensor.of(result.delta, "F64")
            weight = adapter.blocks[name].weight + result.delta
            folded[f"{name}.weight"] = Tensor.of(weight, case.base_dtype)
        write_safetensors(folder / f"folded-{method}.safetensors", folded, {"format": "pt"})
    write_safetensors(folder / "deltas.safetensors", deltas)
    if case.lmops:
        expected["lmops"] = {method: merges.report(merges.merge_lmops(adapter, method), adapter)
                             for method in case.lmops}
    if case.truncate:
        expected["truncated"] = merges.truncated(adapter, ranks=(3,), shares=(0.9,))
    write_json(folder / "expected.json", expected)


def write_replay(folder, case, adapter):
    """Captured inputs, what merges cost on them, and the deltas of those fitted to them."""
    shared = case.form != "file"
    inputs = {name: name.rpartition(".")[0] if shared else name for name in adapter.blocks}
    source, kept = Source(f"{case.name}/activations"), []
    steps = captures.model(adapter, inputs, source)
    for part, tokens in (("calibration", case.tokens), ("heldout", 24)):
        tensors = captures.make(steps, tokens, source, case.captured)
        captures.write(folder / f"activations-{part}.safetensors", inputs, tensors)
        kept.append(captures.activations(inputs, tensors))
    calibration, heldout = kept
    truncation = {"ranks": (3,), "shares": (0.9,)} if case.truncate else {}
    result, merged = replay.report(adapter, calibration, heldout, case.base_dtype, **truncation)
    write_json(folder / "replay.json", result)
    deltas = {f"{method}/{name}": Tensor.of(one.delta, "F64")
              for method in ("ls", "calibrated", "calibrated-bi") if method in merged
              for name, one in merged[method].items()}
    if deltas:
        write_safetensors(folder / "replay-deltas.safetensors", deltas)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")
