"""The careful script that people write when nothing else fits, for fold.py to be compared with.

usage: fold_by_script.py BASE LORA OUT      (needs torch and safetensors)

Goes tensor by tensor, one file at a time: W + scaling * B @ A in float32, rounded to W's dtype.
"""
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def fold(source, lora, scaling, target):
    tensors = {}
    with safe_open(source, framework="pt") as base:
        for name in base.keys():
            weight = base.get_tensor(name)
            prefix = f"base_model.model.{name.removesuffix('.weight')}"
            if f"{prefix}.lora_A.weight" in lora:
                a, b = (lora[f"{prefix}.lora_{factor}.weight"].float() for factor in "AB")
                weight = (weight.float() + scaling * (b @ a)).to(weight.dtype)
            tensors[name] = weight.contiguous()
        save_file(tensors, target, metadata=base.metadata())


def main():
    base, lora, out = map(Path, sys.argv[1:])
    config = json.loads((lora / "adapter_config.json").read_text())
    factors = load_file(lora / "adapter_model.safetensors")
    scaling = config["lora_alpha"] / config["r"]
    if base.is_file():
        fold(base, factors, scaling, out)
        return
    out.mkdir()
    for shard in sorted(base.glob("*.safetensors")):
        fold(shard, factors, scaling, out / shard.name)
    shutil.copy(base / "model.safetensors.index.json", out)


if __name__ == "__main__":
    main()
