#!/usr/bin/env python3
"""Builds the fuzz targets, replays the corpus and all crashes, and fuzzes each target for a while.

    Tests/Fuzzing/run.py                            what CI runs: a replay and about a minute
    Tests/Fuzzing/run.py --seconds 3600 --jobs 2    an hour for every target, two at a time
    Tests/Fuzzing/run.py --targets json,pickle --seconds 600
    Tests/Fuzzing/run.py --keep                     after a long run: adds what reached new code

Exits with 1 where anything was found; the inputs are then in .build-fuzz/finds/TARGET. With
RESLORA_PYTHON, a Python that has numpy and safetensors, differential.py runs as well.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / ".build-fuzz"
PROGRAM = BUILD / "release" / "fuzzing"
SCRATCH = pathlib.Path("/dev/shm")

# The largest input in bytes, where it is not 8 KiB, and the largest block in MiB that a reader may
# take for it: the formats let a chunk of a few bytes have 16 MiB, HDF5 64, and torch repeat a
# value up to 64.
LIMITS = {
    "safetensors": (None, 16),
    "json": (None, 16),
    "reslora": (None, 40),
    "description": (None, 16),
    "pickle": (None, 16),
    "torch": (None, 70),
    "adapter-config": (None, 16),
    "index": (None, 16),
    "windows": (None, 16),
    "undo": (None, 40),
    "journal": (16384, 16),
    "hdf5": (None, 80),
}


def build():
    """Builds the program, sanitizers included."""
    command = ["swift", "build", "-c", "release", "--scratch-path", str(BUILD)]
    # Not --sanitize twice: Swift heeds the last of two alone, and SwiftPM gives them in any order.
    command += ["-Xswiftc", "-sanitize=fuzzer,address"]
    command += ["-Xcc", "-fsanitize=address", "-Xcc", "-fsanitize=fuzzer-no-link"]
    # Of two mains, libFuzzer's and the program's.
    command += ["-Xlinker", "--allow-multiple-definition"]
    # Readers that no other module sees are fuzzed, too.
    command += ["-Xswiftc", "-enable-testing", "--product", "fuzzing"]
    result = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ, FUZZING="1"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        # The linker warns about symbols of the sanitizer that it keeps to itself.
        lines = [line for line in result.stdout.splitlines() if "Cannot export local" not in line]
        sys.exit("\n".join(lines))


def fuzz(target, arguments, folders, log=None):
    """Runs libFuzzer; its exit status and what it said."""
    length, block = LIMITS[target]
    finds = BUILD / "finds" / target
    finds.mkdir(parents=True, exist_ok=True)
    command = [str(PROGRAM), f"-max_len={length or 8192}", "-timeout=30", "-rss_limit_mb=1024"]
    command += [f"-malloc_limit_mb={block}", "-detect_leaks=0", f"-artifact_prefix={finds}/"]
    command += ["-print_final_stats=1", *arguments]
    dictionary = HERE / "Dictionaries" / f"{target}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    environment = dict(
        os.environ, FUZZ_TARGET=target, SWIFT_BACKTRACE="enable=no",
        ASAN_OPTIONS="quarantine_size_mb=16:detect_leaks=0:allocator_may_return_null=0")
    process = subprocess.Popen(
        command + [str(folder) for folder in folders], env=environment, cwd=BUILD,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.communicate()[0].decode(errors="replace")
    shutil.rmtree(SCRATCH / f"resloratool-fuzzing-{process.pid}", ignore_errors=True)
    if log:
        log.write_text(output)
    return process.returncode, output


def inputs(target):
    """The folders of the repository with inputs of a target."""
    return [folder for folder in (HERE / "Corpus" / target, HERE / "Crashes" / target)
            if folder.is_dir()]


def replay(target):
    """Runs everything in the repository once; whether it went well."""
    status, output = fuzz(target, ["-runs=0"], inputs(target))
    return report(target, "replay", status, output)


def search(target, seconds):
    """Fuzzes for a while; whether nothing was found."""
    work = BUILD / "work" / target
    work.mkdir(parents=True, exist_ok=True)
    log = BUILD / f"log-{target}-{int(time.time())}.txt"
    status, output = fuzz(
        target, [f"-max_total_time={seconds}"], [work, *inputs(target)], log)
    return report(target, "fuzz", status, output)


def report(target, what, status, output):
    """Prints a line of figures, and all of the output where something was found."""
    runs = re.findall(r"number_of_executed_units:\s*(\d+)", output)
    covered = re.findall(r"cov: (\d+)", output)
    print(f"{target:15} {what:6} {int(runs[-1]) if runs else 0:>10} runs, "
          f"{covered[-1] if covered else '?':>5} edges: {'ok' if status == 0 else 'FOUND'}",
          flush=True)
    if status != 0:
        tail = [line for line in output.splitlines() if not re.match(r"#\d+\s", line)]
        print("\n".join(tail[-60:]), flush=True)
    return status == 0


def keep(target):
    """Adds to the corpus what a run found that reaches code no file of it does."""
    corpus = HERE / "Corpus" / target
    merged = BUILD / "merged" / target
    shutil.rmtree(merged, ignore_errors=True)
    shutil.copytree(corpus, merged)
    small = BUILD / "small" / target
    shutil.rmtree(small, ignore_errors=True)
    small.mkdir(parents=True)
    for path in sorted((BUILD / "work" / target).glob("*")):
        if path.stat().st_size <= 2048:
            shutil.copy(path, small)
    before = {path.name for path in merged.iterdir()}
    # By edges alone: what differs in how often they are taken would be thousands of files.
    fuzz(target, ["-set_cover_merge=1", "-use_counters=0", "-use_cmp=0"], [merged, small, *inputs(target)[1:]])
    added = [path for path in merged.iterdir() if path.name not in before]
    for path in added:
        shutil.copy(path, corpus)
    print(f"{target:15} {len(added)} inputs added")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=8, help="for each target; 0 replays only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="targets at a time")
    parser.add_argument("--targets", help="names with commas; all where not given")
    parser.add_argument("--keep", action="store_true", help="merge finished runs into the corpus")
    options = parser.parse_args()
    targets = options.targets.split(",") if options.targets else list(LIMITS)
    build()
    if options.keep:
        for target in targets:
            keep(target)
        return 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        good = all(list(pool.map(replay, targets)))
        if options.seconds > 0:
            found = pool.map(lambda target: search(target, options.seconds), targets)
            good = all(list(found)) and good
    python = os.environ.get("RESLORA_PYTHON")
    if python:
        good = subprocess.run([python, str(HERE / "differential.py")]).returncode == 0 and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
