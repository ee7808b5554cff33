#!/usr/bin/env python3
"""Remake the fixtures of this folder; see README.md. Needs Python 3.10 and NumPy, nothing else.

The bytes are the same every time.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from generator import captures, cases, merges, replay  # noqa: E402
from generator.safetensors_io import Tensor, read_safetensors, write_safetensors  # noqa: E402
from generator.torch_bin import read_torch  # noqa: E402

HERE = Path(__file__).resolve().parent
CAPTURED = {"is": {"calibration": 256, "heldout": 96}, "bs": {"calibration": 128, "heldout": 96},
            "ms": {"calibration": 256, "heldout": 96}}  # tokens taken of the real files
COPIED = ("pytorch_model_lora.bin", "reslora_config.json", "norm-windows.json")


def read_published(folder, base):
    """A published checkpoint with one pair a block, as the oracle wants it."""
    config = json.loads((folder / "reslora_config.json").read_text())
    windows = json.loads((folder / "norm-windows.json").read_text())
    tensors = read_torch(folder / "pytorch_model_lora.bin")
    structure = {flag: name for name, flag in cases.RES_FLAGS.items()}[config["res_flag"]]
    blocks = {}
    for key, tensor in tensors.items():
        name, _, factor = key.rpartition(".loras.0.")
        if factor == "lora_A":
            blocks[name] = merges.Block(
                name, tensor.values(), tensors[f"{name}.loras.0.lora_B"].values(),
                config["lora_alpha"] / config["rank"], windows=windows[name],
                weight=base[f"{name}.weight"].values())
    shapes = {name: block.weight.shape for name, block in blocks.items()}
    previous = merges.link(list(blocks), shapes, config["target_modules"])
    for name, before in previous.items():
        blocks[name].previous = before
    ordered = {name: blocks[name] for name in previous}
    return merges.Adapter(structure, "self", config["pre_num"], ordered)


def expect(adapter):
    """Everything the oracle says about an adapter, folding aside."""
    expected = merges.describe(adapter)
    expected["methods"] = {m: merges.report(merges.merge(adapter, m), adapter)
                           for m in merges.METHODS[adapter.structure]}
    if adapter.structure in ("is", "ms"):
        expected["lmops"] = {m: merges.report(merges.merge_lmops(adapter, m), adapter)
                             for m in ("bi", "bw")}
    return expected


def make_minilm(source, target):
    """The real adapters, and a base small enough to commit: query, value and vectors in bf16."""
    base = {}
    for name, tensor in read_safetensors(source / "base.safetensors").items():
        if len(tensor.shape) == 1 or name.endswith(("query.weight", "value.weight")):
            base[name] = Tensor.of(tensor.values(), "BF16")
    target.mkdir(exist_ok=True)
    write_safetensors(target / "base.safetensors", base, {"format": "pt"})
    for structure in ("is", "bs", "ms"):
        folder = target / structure
        folder.mkdir(exist_ok=True)
        for name in COPIED:
            (folder / name).write_bytes((source / structure / name).read_bytes())
        adapter = read_published(folder, base)
        cases.write_json(folder / "expected.json", expect(adapter))
        for part, tokens in CAPTURED[structure].items():
            name = f"activations-{part}.safetensors"
            captures.first(source / structure / name, tokens, folder / name)
        kept = {part: captures.read(folder / f"activations-{part}.safetensors")
                for part in CAPTURED[structure]}
        ranks = (4, 8) if structure == "bs" else ()
        result, _ = replay.report(adapter, kept["calibration"], kept["heldout"], "BF16", ranks)
        cases.write_json(folder / "replay.json", result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minilm", type=Path, metavar="PATH",
                        default=HERE.parent / "../shared/data/minilm-reslora",
                        help="the full real adapters and their float32 base "
                             "(default: ../shared/data/minilm-reslora)")
    options = parser.parse_args()

    shutil.rmtree(HERE / "synthetic", ignore_errors=True)
    for case in cases.all_cases():
        cases.make(case, HERE / "synthetic" / case.name)
    if options.minilm.is_dir():
        make_minilm(options.minilm, HERE / "minilm")
    else:
        print(f"{options.minilm} is missing: made the synthetic cases only", file=sys.stderr)


if __name__ == "__main__":
    main()
