#!/usr/bin/env python3
"""Wall time and peak memory of verify and of a calibrated merge, as tokens double.

usage: Tests/Benchmarks/replay.py [--features 4096] [--tokens 2048 4096 8192] [--penalty C]
                                  [--threads N] [--folder DIR] [--tool PATH]

Writes two linked blocks of one width (rank 16), their inputs in F16 and weights in BF16, then runs
the release build: verify with a base, merge by calibrated (with --penalty without
cross-validation). The bound of memory that Spec/replay.md §7 states stands beside what was measured.

Needs Python 3.9 and nothing else; build first with `swift build -c release`.
"""
import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["layers.0.q", "layers.1.q"]
RANK = 16


def write_safetensors(path, tensors, metadata=None):
    """Writes tensors {name: (dtype, shape, function that yields bytes)}."""
    header, offset = {"__metadata__": metadata} if metadata else {}, 0
    for name, (dtype, shape, _) in tensors.items():
        count = shape[0] * shape[1] * {"F32": 4, "F16": 2, "BF16": 2}[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + count]}
        offset += count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, (_, _, pieces) in tensors.items():
            begin, end = header[name]["data_offsets"]
            left = end - begin
            for piece in pieces():
                file.write(piece[:left])
                left -= min(left, len(piece))
                if left == 0:
                    break


def normal(kind, size, seed):
    """The same few thousand normal numbers over and over."""
    generator = random.Random(seed)
    values = [generator.gauss(0, size) for _ in range(8191)]
    if kind == "BF16":
        block = b"".join(struct.pack("<f", value)[2:] for value in values)
    else:
        block = struct.pack(f"<8191{'e' if kind == 'F16' else 'f'}", *values)
    block *= 64

    def pieces():
        while True:
            yield block
    return pieces


def make(folder, features, tokens):
    """Writes the case; tokens are the most that are used."""
    adapter = folder / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": ["q"],
        "use_rslora": False, "use_dora": False, "fan_in_fan_out": False, "bias": "none"}))
    factors = {}
    for index, name in enumerate(NAMES):
        prefix = f"base_model.model.{name}.lora_"
        factors[prefix + "A.weight"] = ("F32", [RANK, features], normal("F32", 0.02, index))
        factors[prefix + "B.weight"] = ("F32", [features, RANK], normal("F32", 0.02, 9 + index))
    write_safetensors(adapter / "adapter_model.safetensors", factors)
    (folder / "topology.json").write_text(json.dumps({
        "structure": "is", "root": "self", "previous": {NAMES[0]: None, NAMES[1]: NAMES[0]}}))
    write_safetensors(folder / "base.safetensors", {
        f"{name}.weight": ("BF16", [features, features], normal("BF16", 0.02, 20 + index))
        for index, name in enumerate(NAMES)})
    write_safetensors(folder / "inputs.safetensors", {
        name: ("F16", [tokens, features], normal("F16", 1, 30 + index))
        for index, name in enumerate(NAMES)}, {"inputs": json.dumps({n: n for n in NAMES})})


def run(command):
    """Wall time in seconds and peak memory in MB."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)}: {process.stderr.read().decode().strip()}")
    return time.monotonic() - begin, usage.ru_maxrss / 1e3


def bound(features, tokens):
    """What the larger side of a fit takes in MB (Replay §4.3), tiles and factors aside."""
    dual = tokens * (features + 2 * tokens)
    return 8e-6 * min(dual, 2 * features * features)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=4096)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 2048, 4096, 8192])
    parser.add_argument("--penalty", help="fit with this c instead of choosing one")
    parser.add_argument("--threads", help="of the tool; all cores unless said")
    parser.add_argument("--folder", type=Path, help="where to put the files (default: temporary)")
    parser.add_argument("--tool", default=str(ROOT / ".build/release/resloratool"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="reslora-", dir=options.folder))
    try:
        make(folder / "case", options.features, max(options.tokens))
        case = folder / "case"
        common = [str(case / "adapter"), "--topology-file", str(case / "topology.json"),
                  "--base", str(case / "base.safetensors"), "--quiet"]
        common += ["--threads", options.threads] if options.threads else []
        print(f"{options.features} features, rank {RANK}, 2 blocks")
        print(f"{'tokens':>8} {'verify s':>10} {'MB':>8} {'calibrated s':>14} {'MB':>8} {'bound MB':>10}")
        for tokens in options.tokens:
            inputs = str(case / "inputs.safetensors")
            verify = run([options.tool, "verify", *common, "--method", "none", "--activations",
                          inputs, "--tokens", str(tokens)])
            merge = run([options.tool, "merge", *common, "--method", "calibrated", "--calibration",
                         inputs, "--calibration-tokens", str(tokens), "--force", "-o",
                         str(folder / "merged")]
                        + (["--penalty", options.penalty] if options.penalty else []))
            print(f"{tokens:8} {verify[0]:10.2f} {verify[1]:8.0f} {merge[0]:14.2f} "
                  f"{merge[1]:8.0f} {bound(options.features, tokens):10.0f}", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
