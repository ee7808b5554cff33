"""What faults are injected into: a command, what it starts from and what it writes."""
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Scenario:
    """A command, what it starts from and what it writes."""

    name: str
    prepare: Callable
    arguments: tuple
    # Files and folders that it writes; the base where it folds in place.
    outputs: tuple
    # The temporaries that it may leave when it is killed.
    temporaries: int = 1
    # The base that it overwrites under a journal.
    in_place: str = None
    # The folder whose finished shards the next run keeps.
    resumes: str = None
    # Temporaries that other commands go on with, so that they stay when this one fails.
    shared: tuple = ()
    # Commands that bring back what a run that was cut short had used up.
    recovery: tuple = ()
    # Whether it may be run again when its output is there.
    is_repeatable: bool = False
    # Whether the output may be gone after a kill, where the file system can't exchange two folders.
    may_vanish: bool = False
    # A fault that every run has.
    always: str = None
    # How many points each fault is injected at, without --all; None: all.
    points: int = 5
    # With more than one, calls come in another order each time, and points are drawn.
    threads: int = 1

    @property
    def command(self):
        return (*self.arguments, "--quiet", "--json", "--threads", str(self.threads))
