#!/usr/bin/env python3
"""Fold speed and memory beside a copy of the same file, in one run.

usage: Tests/Benchmarks/fold.py [--gigabytes 1.0] [--rank 16] [--rounds 5] [--folder DIR]

Writes a Llama-shaped bf16 base and a PEFT LoRA on all seven projections (float32) into a scratch
folder, then by turns copies the base with cp + sync and folds the LoRA into it with the release
build, verification and flush included. Needs Python 3.9 and nothing else; build first with
`swift build -c release --product resloratool`.
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


def write_safetensors(path, tensors, dtype, fill):
    """Writes tensors {name: shape} of 2- or 4-byte elements; `fill(count)` gives their bytes."""
    size = {"BF16": 2, "F32": 4}[dtype]
    header, offset = {}, 0
    for name in sorted(tensors):
        shape = tensors[name]
        count = size
        for extent in shape:
            count *= extent
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + count]}
        offset += count
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            begin, end = header[name]["data_offsets"]
            file.write(fill(end - begin))


def pattern(values, code, byte_count):
    """A random-looking filler: one mebibyte of values, repeated from varying starts."""
    block = array(code, values).tobytes()
    start = random.randrange(0, len(block) // 2, 64)
    return (block[start:] + block * (byte_count // len(block) + 1))[:byte_count]


def make_case(folder, gigabytes, rank):
    random.seed(0)
    per_layer = 2 * sum(out * into for out, into in PROJECTIONS.values())
    embedding = 2 * 2 * VOCABULARY * HIDDEN
    layers = max(1, round((gigabytes * 1e9 - embedding) / per_layer))
    base = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "lm_head.weight": (VOCABULARY, HIDDEN)}
    lora = {}
    for layer in range(layers):
        for module, (out, into) in PROJECTIONS.items():
            name = f"model.layers.{layer}.{module}"
            base[f"{name}.weight"] = (out, into)
            lora[f"base_model.model.{name}.lora_A.weight"] = (rank, into)
            lora[f"base_model.model.{name}.lora_B.weight"] = (out, rank)
    weights = [
        struct.unpack("<I", struct.pack("<f", random.gauss(0, 0.02)))[0] >> 16
        for _ in range(1 << 19)]
    factors = [random.gauss(0, 0.01) for _ in range(1 << 18)]
    write_safetensors(folder / "base.safetensors", base, "BF16", lambda n: pattern(weights, "H", n))
    (folder / "lora").mkdir()
    write_safetensors(
        folder / "lora" / "adapter_model.safetensors", lora, "F32",
        lambda n: pattern(factors, "f", n))
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank}
    (folder / "lora" / "adapter_config.json").write_text(json.dumps(config))


def timed(command, cwd):
    """Wall seconds and peak memory in MB of a command."""
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to put the scratch folder")
    parser.add_argument("--tool", type=Path, default=ROOT / ".build/release/resloratool")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        # In a process of its own: a child's peak counts what its parent held when it was started.
        maker = multiprocessing.Process(
            target=make_case, args=(scratch, options.gigabytes, options.rank))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("can't write the base")
        size = (scratch / "base.safetensors").stat().st_size
        print(f"base {size / 1e9:.2f} GB bf16, LoRA r = {options.rank}, {os.cpu_count()} cores")
        copies, folds, memory = [], [], 0
        for _ in range(options.rounds):
            copies.append(timed(["sh", "-c", "cp base.safetensors copy && sync copy"], scratch)[0])
            (scratch / "copy").unlink()
            seconds, peak = timed(
                [str(options.tool), "fold", "lora", "--into", "base.safetensors", "-o", "out.safetensors",
                 "--quiet", "--json"], scratch)
            (scratch / "out.safetensors").unlink()
            folds.append(seconds)
            memory = max(memory, peak)
        copy, fold = statistics.median(copies), statistics.median(folds)
        print(f"cp + sync   median {copy:.2f} s ({min(copies):.2f} to {max(copies):.2f})")
        print(f"fold        median {fold:.2f} s ({min(folds):.2f} to {max(folds):.2f}), peak {memory:.0f} MB")
        print(f"ratio       {fold / copy:.2f}")
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
