#!/usr/bin/env python3
"""Folds, merges, conversions and reports under faults of the machine.

usage: Tests/Faults/run.py [--all] [--only NAME] [--folder DIR] [--tool FILE]

For n = 1, 2, … the n-th write, rename, fsync and so on of a run fails, or brings a signal; after each
run the outputs are absent, as they were or complete, the inputs are what they were, nothing lies
about, and the same command run again ends in the bytes of an undisturbed run. Disks fill up, memory
is short, two runs write the same output, and inputs change while they are read. Needs Linux, Python
3.11, strace and a release build; takes MINUTES minutes on two cores, with --all (every n) HOURS hours.
"""
import argparse
import concurrent.futures
import os
import queue
import sys
import tempfile
from pathlib import Path

import calls
import injection
import inputs
import limits
import memory
import writers
from tally import Tally
from workshop import Workshop

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="inject at every n")
    parser.add_argument("--only", default="", help="scenarios whose name has this in it")
    parser.add_argument("--folder", help="where to work (default: /dev/shm, where it is)")
    parser.add_argument("--tool", default=ROOT / ".build" / "release" / "resloratool", type=Path)
    options = parser.parse_args()
    if reason := injection.is_possible():
        print(f"skipped: {reason}")
        return 0
    folder = options.folder or ("/dev/shm" if os.path.isdir("/dev/shm") else None)
    tasks = [
        task for part in (calls, limits, memory, inputs, writers) for task in part.tasks(options.all)
        if options.only in task.name
    ]
    with tempfile.TemporaryDirectory(dir=folder, prefix="faults-") as place:
        os.chmod(place, 0o755)
        tally = run(tasks, options.tool.resolve(), Path(place))
    tally.print_tables()
    return 0 if tally.is_clean else 1


def run(tasks, tool, place):
    """Runs tasks, each in a workshop of its own while it lasts, as many at once as there are cores."""
    free, tally = queue.SimpleQueue(), Tally()
    cores = os.cpu_count() or 1
    for number in range(cores):
        free.put(Workshop(tool, place / str(number)))

    def results(task):
        workshop = free.get()
        try:
            return [*task.results(workshop)]
        finally:
            free.put(workshop)

    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        for task, found in zip(tasks, pool.map(results, tasks)):
            for operation, what, violations in found:
                tally.add(task.name, operation, what, violations)
    return tally


if __name__ == "__main__":
    sys.exit(main())
