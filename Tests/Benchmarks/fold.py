#!/usr/bin/env python3
"""Fold speed and memory beside a copy of the same file, in one run.

usage: Tests/Benchmarks/fold.py [--gigabytes 1 …] [--rank 16 …] [--shards N] [--rounds 5]
                                [--threads N] [--no-script] [--folder DIR] [--tool PATH]
       Tests/Benchmarks/fold.py --all

Writes a Llama-shaped bf16 base and a PEFT LoRA on all seven projections (float32) into a scratch
folder, then by turns copies the base with cp + sync and folds the LoRA into it with the release
build, verification and flush included; medians, and the least in parentheses. Several sizes or
ranks give a line each; with --shards the base is a folder of that many files. Where the
interpreter that RESLORA_PYTHON names (or this one) has torch and safetensors, the careful script
of fold_by_script.py runs too, once.

--all is everything the project claims: growth with the size of the model, growth with the rank,
five shards, and the arithmetic of the kernels (`benchmarks kernels`).

Needs Python 3.9 and nothing else; build first with `swift build -c release`.
"""
import argparse
import json
import multiprocessing
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HIDDEN, FEED_FORWARD, KEY_VALUE, VOCABULARY = 2048, 5632, 256, 32000
PROJECTIONS = {
    "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KEY_VALUE, HIDDEN),
    "self_attn.v_proj": (KEY_VALUE, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (FEED_FORWARD, HIDDEN), "mlp.up_proj": (FEED_FORWARD, HIDDEN),
    "mlp.down_proj": (HIDDEN, FEED_FORWARD),
}
SIZES, RANKS = [0.5, 1.0, 2.2, 4.0], [4, 16, 64, 256]
PYTHON = os.environ.get("RESLORA_PYTHON", sys.executable)


# The case: a base and a LoRA.

def byte_count(shape, dtype):
    count = {"BF16": 2, "F32": 4}[dtype]
    for extent in shape:
        count *= extent
    return count


def write_safetensors(path, tensors, dtype, fill):
    """Writes tensors {name: shape} of 2- or 4-byte elements; `fill(count)` gives their bytes."""
    header, offset = {}, 0
    for name in sorted(tensors):
        count = byte_count(tensors[name], dtype)
        header[name] = {
            "dtype": dtype, "shape": tensors[name], "data_offsets": [offset, offset + count]}
        offset += count
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            begin, end = header[name]["data_offsets"]
            file.write(fill(end - begin))


def write_shards(folder, tensors, dtype, fill, count):
    """Writes a folder of `count` shards of about one size, and their index."""
    folder.mkdir()
    total = sum(byte_count(shape, dtype) for shape in tensors.values())
    shards, size, index = [{}], 0, {}
    for name in sorted(tensors):
        if size >= total / count and len(shards) < count:
            shards.append({})
            size = 0
        shards[-1][name] = tensors[name]
        size += byte_count(tensors[name], dtype)
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        write_safetensors(folder / file, shard, dtype, fill)
        index.update({name: file for name in shard})
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index}))


def pattern(values, code, count):
    """A random-looking filler: one mebibyte of values, repeated from varying starts."""
    block = array(code, values).tobytes()
    start = random.randrange(0, len(block) // 2, 64)
    return (block[start:] + block * (count // len(block) + 1))[:count]


def write_base(path, gigabytes, shards):
    random.seed(0)
    base = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "lm_head.weight": (VOCABULARY, HIDDEN)}
    for layer in range(layer_count(gigabytes)):
        for module, shape in PROJECTIONS.items():
            base[f"model.layers.{layer}.{module}.weight"] = shape
    weights = [
        struct.unpack("<I", struct.pack("<f", random.gauss(0, 0.02)))[0] >> 16
        for _ in range(1 << 19)]
    fill = lambda count: pattern(weights, "H", count)
    if shards:
        write_shards(path, base, "BF16", fill, shards)
    else:
        write_safetensors(path, base, "BF16", fill)


def write_lora(folder, gigabytes, rank):
    random.seed(1)
    lora = {}
    for layer in range(layer_count(gigabytes)):
        for module, (out, into) in PROJECTIONS.items():
            name = f"base_model.model.model.layers.{layer}.{module}"
            lora[f"{name}.lora_A.weight"] = (rank, into)
            lora[f"{name}.lora_B.weight"] = (out, rank)
    factors = [random.gauss(0, 0.01) for _ in range(1 << 18)]
    folder.mkdir()
    write_safetensors(
        folder / "adapter_model.safetensors", lora, "F32", lambda n: pattern(factors, "f", n))
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def layer_count(gigabytes):
    per_layer = 2 * sum(out * into for out, into in PROJECTIONS.values())
    return max(1, round((gigabytes * 1e9 - 2 * 2 * VOCABULARY * HIDDEN) / per_layer))


# Measuring.

def apart(function, *arguments):
    """Calls in a process of its own: a child's peak counts what its parent held at the start."""
    process = multiprocessing.Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("can't write the files to measure with")


def timed(command, cwd):
    """Wall seconds and peak memory in MB of a command."""
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.monotonic() - start, usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024)


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def has_torch():
    return not subprocess.run(
        [PYTHON, "-c", "import torch, safetensors"], stderr=subprocess.DEVNULL).returncode


def row(*cells):
    print("".join(f"{cell:>{width}}" for cell, width in zip(cells, (7, 6, 8, 16, 16, 7, 9, 18))))


def measure(scratch, base, gigabytes, rank, options):
    """Folds one LoRA, prints a line."""
    lora, out = scratch / "lora", scratch / ("out" if base.is_dir() else "out.safetensors")
    apart(write_lora, lora, gigabytes, rank)
    copies, folds, memory = [], [], 0
    fold = [str(options.tool), "fold", "lora", "--into", base.name, "-o", out.name, "--quiet", "--json"]
    fold += ["--threads", str(options.threads)] if options.threads else []
    for _ in range(options.rounds):
        copies.append(timed(
            ["sh", "-c", f"cp -r {base.name} copy && find copy -type f -exec sync {{}} +"], scratch)[0])
        remove(scratch / "copy")
        seconds, peak = timed(fold, scratch)
        remove(out)
        folds.append(seconds)
        memory = max(memory, peak)
    script = ""
    if options.script:
        command = [PYTHON, str(Path(__file__).with_name("fold_by_script.py"))]
        seconds, peak = timed(command + [base.name, "lora", out.name], scratch)
        remove(out)
        script = f"{seconds:.1f} s, {peak:.0f} MB"
    copy, median = statistics.median(copies), statistics.median(folds)
    files = len(list(base.glob("*.safetensors"))) if base.is_dir() else 1
    row(f"{gigabytes:g}", rank, files, f"{copy:.2f} ({min(copies):.2f})",
        f"{median:.2f} ({min(folds):.2f})", f"{median / copy:.2f}", f"{memory:.0f} MB", script)
    shutil.rmtree(lora)


def measure_all(scratch, sizes, ranks, shards, options):
    """A line for each size and rank; the base of a size is written once."""
    for gigabytes in sizes:
        base = scratch / ("base" if shards else "base.safetensors")
        apart(write_base, base, gigabytes, shards)
        for rank in ranks:
            measure(scratch, base, gigabytes, rank, options)
        remove(base)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.0])
    parser.add_argument("--rank", type=int, nargs="+", default=[16])
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--no-script", dest="script", action="store_false")
    parser.add_argument("--folder", type=Path, help="where to put the scratch folder")
    parser.add_argument("--tool", type=Path, default=ROOT / ".build/release/resloratool")
    options = parser.parse_args()
    options.script = options.script and has_torch()
    scratch = Path(tempfile.mkdtemp(dir=options.folder))
    print(f"bf16, LoRA in float32 on all projections, {os.cpu_count()} cores, seconds: median (least)")
    row("GB", "rank", "files", "cp + sync", "fold", "ratio", "peak", "careful script")
    try:
        if options.all:
            measure_all(scratch, SIZES, [16], 0, options)
            measure_all(scratch, [1.0], RANKS, 0, options)
            measure_all(scratch, [2.2], [16], 5, options)
        else:
            measure_all(scratch, options.gigabytes, options.rank, options.shards, options)
    finally:
        shutil.rmtree(scratch)
    if options.all:
        print()
        subprocess.run([str(options.tool.with_name("benchmarks")), "kernels"])


if __name__ == "__main__":
    main()
