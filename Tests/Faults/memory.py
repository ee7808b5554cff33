"""Too little memory: a limit on the address space, from far too small to enough.

A process that gets no memory may end by a signal of its own; all else must hold.
"""
import functools

import invariants
import scenarios
from injection import Fault
from workshop import Task

NAME = "memory"
SCENARIOS = (
    "one file", "one large file", "shards, bw merge, two threads", "in place, one file",
    "merge, PEFT folder over another, page", "merge, HDF5", "merge, fitted, two threads",
    "convert, container", "convert, HDF5 to safetensors", "verify, page over another",
)
LEAST = 4 << 20


def tasks(everything):
    """One for each scenario."""
    return [
        Task(NAME, functools.partial(results, scenarios.named(name), 1.02 if everything else 1.25))
        for name in SCENARIOS
    ]


def results(scenario, growth, workshop):
    """Runs a scenario under limits that grow until it is enough, and once beyond."""
    workshop.open(scenario)
    limit, successes = LEAST, 0
    while successes < 2:
        workshop.restore()
        outcome = workshop.run_scenario("prlimit", f"--as={limit}")
        successes += outcome.status == 0
        fault = Fault("memory limit", "ENOMEM", limit)
        violations = invariants.check(workshop, fault, outcome)
        yield fault.call, f"{scenario.name}: {fault}", violations
        limit = int(limit * growth)
