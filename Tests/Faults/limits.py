"""Faults that need no injection: a full disk, a limit on file sizes, a read-only folder."""
import os
import subprocess
from pathlib import Path

import invariants
import scenarios
import trees
from injection import Fault, run

NAME = "limits"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def run_all(workshop, tally):
    """Runs the folds under each limit."""
    for scenario in scenarios.ALL:
        if scenario.name in ("one file", "shards", "in place, shards, undo file"):
            workshop.open(scenario)
            file_sizes(workshop, tally)
            full_disk(workshop, tally)
            read_only(workshop, tally)


def check(workshop, tally, operation, effect, number, outcome):
    """Counts a run under a limit that has been lifted again."""
    fault = Fault(operation, effect, number)
    what = f"{workshop.scenario.name}: {fault}"
    tally.add(NAME, operation, what, invariants.check(workshop, fault, outcome))


def file_sizes(workshop, tally):
    """EFBIG: no file may grow beyond so many bytes."""
    for size in (0, 100, 1000, 2100, 2300, 5000):
        trees.restore(workshop.template, workshop.folder)
        command = [workshop.tool, *workshop.scenario.command]
        outcome = run(["prlimit", f"--fsize={size}", *command], workshop.folder)
        check(workshop, tally, "file size limit", "EFBIG", size, outcome)


def full_disk(workshop, tally):
    """ENOSPC: a disk of so many pages."""
    disk = Path(workshop.folder.parent, "disk")
    disk.mkdir(exist_ok=True)
    usual = workshop.folder
    for pages in range(12, 40, 2):
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            print("skipped: a full disk (mounting one takes root)")
            return
        try:
            workshop.folder = disk / "work"
            trees.restore(workshop.template, workshop.folder)
            if resize(disk, f"{pages * 4}k"):
                outcome = workshop.run(*workshop.scenario.command)
                resize(disk, "16m")
                check(workshop, tally, "full disk", "ENOSPC", pages, outcome)
        finally:
            workshop.folder = usual
            subprocess.run(["umount", str(disk)], check=True)


def resize(disk, size):
    """Gives a mounted disk another size; false where it holds more already."""
    command = ["mount", "-o", f"remount,size={size}", str(disk)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def read_only(workshop, tally):
    """EACCES: a user who may read the folder, and not write."""
    trees.restore(workshop.template, workshop.folder)
    command = [workshop.tool, *workshop.scenario.command]
    if os.geteuid() == 0:
        command = [*NOBODY, *command]
        if run([*NOBODY, workshop.tool, "--version"], workshop.folder).status != 0:
            print("skipped: a folder that can't be written to (nobody can't run the tool there)")
            return
    workshop.folder.chmod(0o555)
    outcome = run(command, workshop.folder)
    workshop.folder.chmod(0o755)
    if outcome.status == 0:
        tally.add(NAME, "read-only folder", workshop.scenario.name, ["status 0"])
    check(workshop, tally, "read-only folder", "EACCES", 0, outcome)
