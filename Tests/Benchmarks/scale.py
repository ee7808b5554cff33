#!/usr/bin/env python3
"""What a fold of a very large model costs before it begins, and what a cluster would make of it.

usage: Tests/Benchmarks/scale.py [--fp8] [--experts-too] [--layers 61 …] [--rounds 5]
         [--threads N] [--check] [--folder DIR] [--tool PATH]

Writes a sparse checkpoint (sparse_checkpoint.py: true headers, no data) and adapters into a scratch
folder and runs the release build on them: `fold --dry-run`, `fold --plan-out`, and the opening of a
plan for one task, as every task of a cluster does it, up to where it would read the base. Of each the
least wall time, the processor time and the peak memory. With --check it fails where a dry run or a
plan takes more than 2 s or 256 MB.

Then, from the plan, the tasks of every stage, what they read and write, and the wall to expect. That
is a model, not a measurement: tasks are handed to nodes as these become free; a task takes the
processor time of its opening as measured here, and then as long as the node's disk or network takes
for the bytes of the base, the headers and the adapter; a stage takes no less than the storage that
all nodes share takes for all of its bytes. Computing is left out.

Needs Python 3.9 and nothing else; build first with `swift build -c release`.
"""
import argparse
import heapq
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sparse_checkpoint

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MEGABYTES = 2.0, 256
NODES = [1, 8, 64]
GB = 1e9
# Rates in bytes per second. A disk reads and writes by turns, a network does both at once.
RATES = [
    ("1 GB/s a node", {"disk": 1 * GB}),
    ("25 Gbit/s a node, storage 10 GB/s", {"network": 25e9 / 8, "storage": 10 * GB}),
    ("25 Gbit/s a node, storage 100 GB/s", {"network": 25e9 / 8, "storage": 100 * GB}),
]


# Measuring.

def run(command, cwd):
    """Wall and processor seconds and peak memory in MB of a command, and what it printed."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=subprocess.PIPE)
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        if status != 0:
            raise SystemExit(f"{' '.join(command)} failed: {error.decode()}")
        output.seek(0)
        peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024)
        return wall, usage.ru_utime + usage.ru_stime, peak, output.read()


def measure(title, command, cwd, rounds, before=None):
    """The least of several runs; prints a line."""
    runs = []
    for _ in range(rounds):
        if before:
            before()
        runs.append(run(command, cwd))
    wall, cpu, peak = (min(r[i] for r in runs) for i in range(3))
    print(f"{title:44}{wall:8.2f} s{cpu:8.2f} s{peak:8.0f} MB")
    return {"title": title, "wall": wall, "cpu": cpu, "peak": peak, "output": runs[-1][3]}


# The plan.

def read_plan(path):
    """A plan's tasks: stage, bytes read and written."""
    plan = json.loads((Path(path) / "plan.json").read_text())
    return [(task["stage"], task["bytes_read"], task["bytes_written"]) for task in plan["tasks"]]


def stages(tasks):
    """The tasks of each stage, in the order in which stages follow each other."""
    found = {}
    for stage, read, written in tasks:
        found.setdefault(stage, []).append((read, written))
    return found


def seconds(task, rates, opening):
    """How long a node takes for a task; `opening` has seconds and bytes."""
    read, written = task[0] + opening[1], task[1]
    disk = (read + written) / rates["disk"] if "disk" in rates else 0.0
    network = max(read, written) / rates["network"] if "network" in rates else 0.0
    return opening[0] + max(disk, network)


def wall(tasks, nodes, rates, opening):
    """How long the stages take one after the other, tasks in order to whoever is free."""
    total = 0.0
    for stage in stages(tasks).values():
        free = [0.0] * min(nodes, len(stage))
        for task in stage:
            heapq.heapreplace(free, free[0] + seconds(task, rates, opening))
        everything = sum(read + opening[1] + written for read, written in stage)
        storage = everything / rates["storage"] if "storage" in rates else 0.0
        total += max(max(free), storage)
    return total


def duration(value):
    if value < 100:
        return f"{value:.0f} s"
    if value < 600:
        return f"{value / 60:.1f} min"
    return f"{value / 60:.0f} min" if value < 6000 else f"{value / 3600:.1f} h"


def size(value):
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if value >= bytes_:
            return f"{value / bytes_:.2f} {unit}"
    return f"{value} B"


def print_plan(title, tasks, opening):
    print(f"\n{title}: the tasks, bytes of the base read and bytes written by one\n")
    print("| stage | tasks | reads, least | mean | most | writes, least | mean | most | reads, all | writes, all |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for stage, own in stages(tasks).items():
        cells = []
        for column in zip(*own):
            cells += [min(column), sum(column) / len(column), max(column)]
        cells += [sum(column) for column in zip(*own)]
        print(f"| {stage} | {len(own)} | " + " | ".join(size(int(cell)) for cell in cells) + " |")
    print(f"\n{title}: wall by the model, with {opening[0]:.2f} s and {size(opening[1])} for opening a "
          "task\n")
    print("| nodes | " + " | ".join(name for name, _ in RATES) + " |")
    print("|---|" + "---|" * len(RATES))
    for nodes in NODES:
        print(f"| {nodes} | " + " | ".join(
            duration(wall(tasks, nodes, rates, opening)) for _, rates in RATES) + " |")
    most = max(len(own) for own in stages(tasks).values())
    print(f"| {most}, a node for each task | " + " | ".join(
        duration(wall(tasks, most, rates, opening)) for _, rates in RATES) + " |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sparse_checkpoint.add_model_options(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--tool", type=Path, default=ROOT / ".build/release/resloratool")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        scratch = Path(scratch)
        written = sparse_checkpoint.write_all(
            scratch / "model", sparse_checkpoint.model_of(options), options.rank,
            options.experts_too)
        base = written["base"]
        print(f"{base['parameters'] / 1e9:.1f} B parameters, {size(base['bytes'])} in "
              f"{len(base['files'])} files, {base['tensors']} tensors, "
              f"{size(base['header_bytes'])} of headers; LoRA of {size(written['lora']['bytes'])} on "
              f"{written['lora']['modules']} modules\n")
        tool = str(options.tool.resolve())
        threads = ["--threads", str(options.threads)] if options.threads else []
        print(f"{'':44}{'wall':>10}{'CPU':>10}{'peak':>11}")
        limited, plans = [], []
        # Weights in F8_E4M3 give bw no statistics.
        adapters = [("lora", [])]
        if not options.fp8:
            adapters.append(("reslora.safetensors", ["--method", "bw"]))
        for adapter, method in adapters:
            plan = scratch / f"{adapter}.plan"
            fold = [tool, "fold", f"model/{adapter}", "--into", "model/base", "-o", "out", "--quiet",
                    "--json", *method, *threads]
            limited.append(measure(
                f"fold {adapter} --dry-run", fold + ["--dry-run"], scratch, options.rounds))
            limited.append(measure(
                f"fold {adapter} --plan-out", fold + ["--plan-out", plan.name], scratch,
                options.rounds, before=lambda: shutil.rmtree(plan, ignore_errors=True)))
            # The status opens what a task opens, and looks for results that are not there.
            opening = measure(
                "opening that plan for a task",
                [tool, "plan", "status", plan.name, "--quiet", *threads], scratch, options.rounds)
            fetched = base["header_bytes"] + written[adapter.split(".")[0]]["bytes"]
            plans.append((adapter, read_plan(plan), (opening["cpu"], fetched)))
        for plan in plans:
            print_plan(*plan)
        slow = [m["title"] for m in limited if m["wall"] > SECONDS or m["peak"] > MEGABYTES]
        if options.check and slow:
            raise SystemExit(f"over {SECONDS:g} s or {MEGABYTES} MB: {', '.join(slow)}")


if __name__ == "__main__":
    main()
