"""A folder that a scenario runs in, again and again from the same start."""
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import injection
import trees


@dataclass(frozen=True)
class Task:
    """Faults that are injected one after the other in one workshop."""

    # What the table shows it as.
    name: str
    # Given a workshop, yields for each fault its operation, what it was and what did not hold.
    results: Callable


class Workshop:
    """Prepares a scenario, and remembers how it starts and how it ends undisturbed."""

    def __init__(self, tool, place):
        self.tool = str(tool)
        Path(place).mkdir()
        self.folder = Path(place, "work")
        self.template = Path(place, "template")
        self.log = str(Path(place, "trace"))

    def run(self, *arguments):
        return injection.run([self.tool, *arguments], self.folder)

    def run_scenario(self, *limits):
        """Runs the scenario as it is, under limits."""
        return injection.run([*limits, self.tool, *self.scenario.command], self.folder)

    def succeed(self, *arguments):
        outcome = self.run(*arguments, "--quiet", "--threads", "1")
        if outcome.status != 0:
            raise RuntimeError(f"{' '.join(arguments)}: status {outcome.status}: {outcome.error}")
        return outcome

    def open(self, scenario):
        """Prepares, runs undisturbed and counts calls."""
        self.scenario = scenario
        # So many half-folded bases are shown to all commands.
        self.refusals_wanted = 3
        self.clear()
        scenario.prepare(self)
        trees.restore(self.folder, self.template)
        self.start = trees.snapshot(self.folder)
        outcome, self.calls = injection.count_calls(
            scenario.always, [self.tool, *scenario.command], self.folder, self.log)
        if outcome.status != 0:
            raise RuntimeError(f"{scenario.name}: status {outcome.status}: {outcome.error}")
        self.end = trees.snapshot(self.folder)
        self.peak = outcome.peak
        self.output = trees.without_times(outcome.output.encode())

    def clear(self):
        """Empties the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def restore(self):
        """Brings back the start."""
        trees.restore(self.template, self.folder)

    def own_calls(self, call, most, generator):
        """`most` numbers of a call of the first thread after it has started; None: all."""
        numbers = range(self.calls.starting[call] + 1, self.calls.first[call] + 1)
        if most is None:
            return numbers
        return sorted(generator.sample(numbers, min(most, len(numbers))))

    def inject(self, fault):
        """Runs the scenario from its start with a fault."""
        self.restore()
        return injection.run_injected(
            fault, self.scenario.always, [self.tool, *self.scenario.command], self.folder, self.log)
