"""Inputs that someone changes while they are read."""
import functools
import os
import random
from pathlib import Path

import invariants
import scenarios
import trees
from pausing import Paused
from workshop import Task

NAME = "changed inputs"
# After which calls the change comes.
CALLS = ("openat", "pread64", "copy_file_range")
# Scenarios and those of their inputs that change.
INPUTS = {
    "one file": ("base.safetensors", "adapter/pytorch_model_lora.bin", "adapter/reslora_config.json"),
    "one large file": ("base.safetensors", "adapter/adapter_model.safetensors"),
    "shards, bw merge": (
        "base/model-00002-of-00003.safetensors", "base/model.safetensors.index.json",
        "base/config.json"),
    "one file, undo file": ("base.safetensors",),
    "back by an undo file": ("fold.undo", "folded/model-00001-of-00003.safetensors"),
    "in place, one file": ("adapter/pytorch_model_lora.bin",),
    "merge, PEFT folder": ("base.safetensors", "adapter/pytorch_model_lora.bin"),
    "merge, HDF5": ("adapter/pytorch_model_lora.bin",),
    "merge, fitted, two threads": ("calibration.safetensors",),
    "convert, container": ("base.safetensors", "adapter/pytorch_model_lora.bin", "windows.json"),
    "convert, HDF5 to safetensors": ("adapter.h5",),
    "convert, container to HDF5, over another": ("adapter.reslora",),
    "convert, shards to one file": ("base/model-00001-of-00003.safetensors",),
    "convert, captured inputs to HDF5": ("heldout.safetensors",),
    "convert, captured inputs from HDF5": ("heldout.h5",),
    "convert, windows from HDF5, over others": ("windows.h5",),
    "verify, page over another": ("heldout.h5", "base.safetensors"),
}


def tasks(everything):
    """One for each scenario."""
    most = None if everything else 3
    return [
        Task(NAME, functools.partial(results, scenarios.named(name), files, most))
        for name, files in INPUTS.items()
    ]


def results(scenario, files, most, workshop):
    """Changes each input in each way after as many of each call."""
    workshop.open(scenario)
    generator = random.Random(scenario.name)
    for file in files:
        for change, operation in OPERATIONS.items():
            ends = undisturbed(workshop, file, change)
            for call in CALLS:
                for number in workshop.own_calls(call, most, generator):
                    outcome = changed(workshop, file, change, call, number)
                    if outcome is None:
                        continue
                    what = f"{scenario.name}: {change.__name__} {file} after {call} n={number}"
                    yield operation, what, [*violations(workshop, file, ends, outcome)]


def undisturbed(workshop, file, change):
    """Results of the input as it is, and of the changed one where it is accepted."""
    workshop.restore()
    change(workshop.folder / file)
    outcome = workshop.run_scenario()
    return [workshop.end] + ([trees.snapshot(workshop.folder)] if outcome.status == 0 else [])


def changed(workshop, file, change, call, number):
    """A run that stands still while an input changes; None where it does not come to that call."""
    workshop.restore()
    paused = Paused(call, number, workshop)
    if paused.is_paused:
        change(workshop.folder / file)
    outcome = paused.go_on()
    return outcome if paused.is_paused else None


def violations(workshop, file, ends, outcome):
    """The result is that of one content of the input, or there is none."""
    scenario, tree = workshop.scenario, trees.snapshot(workshop.folder)
    if outcome.status not in (0, 2, 3, 4):
        yield f"ended with {outcome.death or outcome.status}: {outcome.error.strip()}"
    elif outcome.status != 0 and Path(file).parts[0] not in outcome.error:
        yield f"status {outcome.status} does not say what it is about: {outcome.error.strip()}"
    for name in scenario.outputs:
        found = trees.part(tree, name)
        if outcome.status != 0:
            if found not in (trees.part(workshop.start, name), trees.part(workshop.end, name)):
                yield f"{name} is not what it was after status {outcome.status}"
        elif found not in [trees.part(end, name) for end in ends]:
            yield f"{name} is of no single content of the input, with status 0"
    yield from invariants.changed_inputs(workshop, tree, besides=file)
    for path in set(tree) - set(workshop.start):
        if not invariants.is_output(scenario, path):
            yield f"left behind: {path}"


def truncate(path):
    """Half of it is gone."""
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path):
    """Other content of the same size, in its place."""
    with open(path, "r+b") as file:
        file.write(other_content(path))


def replace(path):
    """Another file gets its name."""
    new = Path(path.parent.parent, "new")
    new.write_bytes(other_content(path))
    new.rename(path)


def remove(path):
    """It is gone."""
    path.unlink()


def other_content(path):
    """As much, with other numbers in the last third: of JSON other digits."""
    content = bytearray(path.read_bytes())
    is_text = path.suffix == ".json"
    for at in range(len(content) * 2 // 3, len(content)):
        if not is_text:
            content[at] ^= 1
        elif content[at] in b"1234567":
            content[at] += 1
    return bytes(content)


OPERATIONS = {
    truncate: "input truncated", overwrite: "input overwritten", replace: "input replaced",
    remove: "input removed",
}
