"""Two runs at once that write the same output."""
import functools
import random
import time
from dataclasses import dataclass

import invariants
import scenarios
import trees
from injection import finish, run, start
from pausing import Paused
from workshop import Task

NAME = "two writers"
# After which calls the first one stops while the second one runs.
CALLS = (
    "mkdir", "openat", "flock", "fallocate", "ftruncate", "pwrite64", "fsync", "renameat2", "rename",
    "unlink", "rmdir",
)
# Usage, where the output is there; bad data, where it is half folded in place; resources, where it is
# in use.
STATUSES = (0, 2, 3, 4)


@dataclass(frozen=True)
class Pair:
    """A scenario, and what the second run does otherwise."""

    name: str
    # Arguments that are added; none where both do the same.
    others: tuple = ()

    @property
    def scenario(self):
        return scenarios.named(self.name)

    def __str__(self):
        return " ".join((self.name, *self.others))

    def commands(self, tool):
        command = [tool, *self.scenario.command]
        return command, [*command, *self.others]


PAIRS = (
    Pair("one file"),
    Pair("one file", ("--scale", "2")),
    Pair("one file over another", ("--scale", "2")),
    Pair("one file, undo file"),
    Pair("shards"),
    Pair("shards", ("--scale", "2")),
    Pair("shards over others", ("--scale", "2")),
    Pair("in place, one file"),
    Pair("in place, one file", ("--scale", "2")),
    Pair("in place, shards, undo file"),
    Pair("merge, PEFT folder"),
    Pair("merge, PEFT folder over another, page", ("--dtype", "f16")),
    Pair("merge, HDF5"),
    Pair("convert, container over another", ("--dtype", "f16")),
    Pair("convert, HDF5"),
    Pair("convert, shards to one file"),
    Pair("convert, windows from HDF5, over others"),
    Pair("verify, page over another"),
)


def tasks(everything):
    """One for each pair."""
    return [Task(NAME, functools.partial(results, pair, everything)) for pair in PAIRS]


def results(pair, everything, workshop):
    """Stops one run after each call while the other one runs; and starts both at about one time."""
    workshop.open(pair.scenario)
    generator = random.Random(str(pair))
    ends = undisturbed(workshop, pair)
    for call in CALLS:
        for number in workshop.own_calls(call, None if everything else 4, generator):
            if outcomes := stopped(workshop, pair, call, number):
                what = f"{pair}: one stopped after {call} n={number}"
                found = [*violations(workshop, pair, ends, outcomes)]
                yield "two writers, one stopped", what, found
    for _ in range(60 if everything else 8):
        delay = generator.uniform(-0.02, 0.02)
        outcomes = together(workshop, pair, delay)
        found = [*violations(workshop, pair, ends, outcomes)]
        yield "two writers, any time", f"{pair}: {delay * 1000:.1f} ms apart", found


def undisturbed(workshop, pair):
    """What each run makes alone, and where both can run, one after the other."""
    ends = {}
    for order in ((0,), (1,), (0, 1), (1, 0)):
        workshop.restore()
        commands = pair.commands(workshop.tool)
        if not any(run(commands[which], workshop.folder).status for which in order):
            ends[order] = trees.snapshot(workshop.folder)
    return ends


def stopped(workshop, pair, call, number):
    """Both runs, where the second has come to its end when the first goes on; None where that does not
    come to the call."""
    workshop.restore()
    first = Paused(call, number, workshop)
    if not first.is_paused:
        first.go_on()
        return None
    second = run(pair.commands(workshop.tool)[1], workshop.folder)
    return first.go_on(), second


def together(workshop, pair, delay):
    """Both runs, started at about the same time."""
    workshop.restore()
    processes = [None, None]
    commands = pair.commands(workshop.tool)
    for which in (0, 1) if delay > 0 else (1, 0):
        processes[which] = start(commands[which], workshop.folder)
        if None in processes:
            time.sleep(abs(delay))
    return [finish(process) for process in processes]


def violations(workshop, pair, ends, outcomes):
    """The outputs are those of a run that says it succeeded; the other one says what is in the way."""
    scenario, tree = pair.scenario, trees.snapshot(workshop.folder)
    for which, outcome in enumerate(outcomes):
        lines = outcome.error.splitlines()
        if outcome.status not in STATUSES:
            yield f"run {which} ended with {outcome.death or outcome.status}: {outcome.error.strip()}"
        elif outcome.status != 0 and not (lines and lines[-1].startswith("error: ")):
            yield f"run {which}: status {outcome.status}: {outcome.error.strip()}"
        if "No such file" in outcome.error:
            yield f"run {which} does not say what is in its way: {outcome.error.strip()}"
    done = tuple(which for which in (0, 1) if outcomes[which].status == 0)
    if not done:
        yield f"neither was done: {outcomes[0].error.strip()}; {outcomes[1].error.strip()}"
    allowed = [end for order, end in ends.items() if set(order) <= set(done)]
    if scenario.in_place:
        allowed = [end for order, end in ends.items() if set(order) == set(done)]
    for name in scenario.outputs:
        if trees.part(tree, name) not in [trees.part(end, name) for end in allowed]:
            yield f"{name} is no result of those that were done: {done}"
    yield from invariants.changed_inputs(workshop, tree)
    for path in set(tree) - set(workshop.start):
        if not invariants.is_output(scenario, path):
            yield f"left behind: {path}"
