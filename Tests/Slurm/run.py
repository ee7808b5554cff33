#!/usr/bin/env python3
"""Folds on a real Slurm: two nodes on this machine, which fail while they work.

usage: Tests/Slurm/run.py [--only NAME] [--tool FILE] [--keep]

Every scenario folds a sharded checkpoint by bw as an array of tasks, with something happening to the
cluster meanwhile, and compares every byte with a fold on one machine. Needs Linux, root, and Debian's
slurm-wlm and munge; skips, saying so, where there is no Slurm.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import scenarios
from cluster import Cluster, missing
from workshop import Workshop

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="scenarios whose name has this in it")
    parser.add_argument("--tool", default=ROOT / ".build" / "release" / "resloratool", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave the files for a look")
    options = parser.parse_args()
    if reason := missing():
        print(f"skipped: {reason}")
        return 0
    place = Path(tempfile.mkdtemp(prefix="slurm-"))
    failed = 0
    try:
        (place / "cluster").mkdir()
        start = time.monotonic()
        with Cluster(place / "cluster") as cluster:
            print(f"cluster up in {time.monotonic() - start:.1f} s", flush=True)
            for scenario in scenarios.ALL:
                name = scenario.__doc__.splitlines()[0].rstrip(".")
                if options.only not in name:
                    continue
                start = time.monotonic()
                folder = place / scenario.__name__
                folder.mkdir()
                try:
                    figures = scenario(Workshop(folder, options.tool.resolve(), ROOT, cluster))
                    outcome = f"passed{', ' + figures if figures else ''}"
                except Exception as error:  # the next scenario may tell more
                    failed += 1
                    outcome = f"FAILED: {type(error).__name__}: {error}"
                    cluster.run("scancel", "--user=root", check=False)
                print(f"{name}: {outcome} ({time.monotonic() - start:.1f} s)", flush=True)
                cluster.repair()
    finally:
        if options.keep or failed:
            print(f"files are in {place}")
        else:
            shutil.rmtree(place)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
