"""Faults that need no injection: a full disk, a limit on file sizes, a read-only folder."""
import functools
import os
import subprocess
from pathlib import Path

import invariants
import scenarios
from injection import Fault, run
from tally import skip
from workshop import Task

NAME = "limits"
SCENARIOS = (
    "one file", "shards", "in place, shards, undo file", "merge, PEFT folder over another, page",
    "merge, HDF5", "convert, container", "convert, shards to one file", "verify, page over another",
)
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def tasks(everything):
    """One for each scenario."""
    return [
        Task(NAME, functools.partial(results, scenario))
        for scenario in scenarios.ALL if everything or scenario.name in SCENARIOS
    ]


def results(scenario, workshop):
    """Runs a scenario under each limit."""
    workshop.open(scenario)
    yield from file_sizes(workshop)
    yield from full_disk(workshop)
    yield from read_only(workshop)


def result(workshop, operation, effect, number, outcome):
    """What did not hold after a run under a limit that has been lifted again."""
    fault = Fault(operation, effect, number)
    violations = invariants.check(workshop, fault, outcome)
    return operation, f"{workshop.scenario.name}: {fault}", violations


def file_sizes(workshop):
    """EFBIG: no file may grow beyond so many bytes."""
    for size in (0, 100, 1000, 2100, 2300, 5000, 20000):
        workshop.restore()
        outcome = workshop.run_scenario("prlimit", f"--fsize={size}")
        yield result(workshop, "file size limit", "EFBIG", size, outcome)


def full_disk(workshop):
    """ENOSPC: a disk of so many pages."""
    disk = Path(workshop.folder.parent, "disk")
    disk.mkdir(exist_ok=True)
    usual = workshop.folder
    for pages in range(12, 40, 2):
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            skip("a full disk (mounting one takes root)")
            return
        try:
            workshop.folder = disk / "work"
            workshop.restore()
            if resize(disk, f"{pages * 4}k"):
                outcome = workshop.run_scenario()
                resize(disk, "16m")
                yield result(workshop, "full disk", "ENOSPC", pages, outcome)
        finally:
            workshop.folder = usual
            subprocess.run(["umount", str(disk)], check=True)


def resize(disk, size):
    """Gives a mounted disk another size; false where it holds more already."""
    command = ["mount", "-o", f"remount,size={size}", str(disk)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def read_only(workshop):
    """EACCES: a user who may read the folder, and not write."""
    workshop.restore()
    nobody = NOBODY if os.geteuid() == 0 else ()
    if nobody and run([*nobody, workshop.tool, "--version"], workshop.folder).status != 0:
        skip("a folder that can't be written to (nobody can't run the tool there)")
        return
    workshop.folder.chmod(0o555)
    outcome = workshop.run_scenario(*nobody)
    workshop.folder.chmod(0o755)
    operation, what, violations = result(workshop, "read-only folder", "EACCES", 0, outcome)
    if outcome.status == 0:
        violations.append("status 0")
    yield operation, what, violations
