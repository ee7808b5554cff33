#!/usr/bin/env python3
"""Folds under faults of the machine: every call fails, lies or is where the process is killed.

usage: Tests/Faults/run.py [--all] [--only NAME] [--folder DIR] [--tool FILE]

For n = 1, 2, … the n-th write, rename, fsync and so on of a fold fails, or brings a signal; after
each run the outputs are absent, as they were or complete, the inputs are what they were, nothing
lies about, and the same command run again ends in the bytes of an undisturbed run. Needs Linux,
Python 3.11, strace and a release build; takes four minutes, with --all (every n) an hour.
"""
import argparse
import concurrent.futures
import os
import queue
import random
import sys
import tempfile
from pathlib import Path

import injection
import invariants
import limits
import scenarios
from tally import Tally
from workshop import Workshop

ROOT = Path(__file__).resolve().parents[2]


def faults(workshop, everything):
    """Every fault of every call, at as many n as the scenario has points, and thrice the kills.

    Where several threads make a call, those of the first are counted alone as well: it would come
    to its last ones after another thread had come to as many.
    """
    scenario, calls = workshop.scenario, workshop.calls
    generator = random.Random(scenario.name)
    for call, effects in injection.EFFECTS.items():
        first, others = calls.first[call], calls.others[call]
        for is_first_thread in (False, True) if first and others else (False,):
            count = first if is_first_thread else max(first, others)
            for effect in (*effects, *injection.SIGNALS):
                if everything:
                    numbers = range(1, count + 1)
                elif call in injection.HARMLESS:
                    numbers = drawn(count, calls.starting[call], 1, generator)
                else:
                    most = scenario.points * (3 if effect == "SIGKILL" else 1)
                    pick = drawn if scenario.threads > 1 else spread
                    numbers = pick(count, calls.starting[call], most, generator)
                for number in numbers:
                    yield injection.Fault(call, effect, number, is_first_thread)


def drawn(count, starting, most, generator):
    """`most` numbers beyond those of the start, without an order; of the start where there are none."""
    numbers = range(starting + 1, count + 1) or range(1, count + 1)
    return generator.sample(numbers, min(most, len(numbers)))


def spread(count, starting, most, _):
    """`most` numbers up to `count`: 1, and others from beyond the start to the end."""
    if count <= most:
        return range(1, count + 1)
    if most == 1:
        return [count]
    low = max(1, min(starting, count - most + 1))
    return sorted({1, *(low + step * (count - low) // (most - 1) for step in range(1, most))})


def inject(workshops, scenario, tally, everything):
    """Runs one scenario with all its faults, in as many workshops as there are."""
    free = queue.SimpleQueue()
    for workshop in workshops:
        workshop.open(scenario)
        free.put(workshop)

    def one(fault):
        workshop = free.get()
        try:
            outcome = workshop.inject(fault)
            return outcome.was_injected, invariants.check(workshop, fault, outcome)
        finally:
            free.put(workshop)

    wanted = list(faults(workshops[0], everything))
    with concurrent.futures.ThreadPoolExecutor(len(workshops)) as pool:
        for fault, (was_injected, violations) in zip(wanted, pool.map(one, wanted)):
            if not was_injected and fault.number == 1 and fault.effect not in ("SIGINT", "SIGTERM"):
                violations.append("was not injected")  # threads may hold back those two
            if was_injected or violations:
                tally.add(scenario.name, fault.call, fault, violations)


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
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=folder, prefix="faults-") as place:
        os.chmod(place, 0o755)
        workshops = []
        for number in range(os.cpu_count() or 1):
            workshops.append(Workshop(options.tool.resolve(), Path(place, str(number))))
        for scenario in scenarios.ALL:
            if options.only in scenario.name:
                inject(workshops, scenario, tally, options.all)
        if options.only in limits.NAME:
            limits.run_all(workshops[0], tally)
    tally.print_tables()
    return 0 if tally.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
