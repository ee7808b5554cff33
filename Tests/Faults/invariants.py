"""What must hold after a run, whatever happened to it."""
import json

import trees

# Done, a check failed, usage, bad data, resources; 127: the loader met the fault.
STATUSES = {0, 1, 2, 3, 4, 127, 130, 143}
# Memory that faults may cost beyond an undisturbed run, in KiB.
MEMORY = 16 << 10
# Calls whose failure is a failure to clean up, or to know whose a temporary is.
CLEANING = {"unlink", "rmdir", "openat", "fsync", "flock", "getdents64"}


def check(workshop, fault, outcome):
    """Violations after a run with a fault; then after another one without."""
    return [*_after_fault(workshop, fault, outcome), *_after_rerun(workshop)]


def _after_fault(workshop, fault, outcome):
    scenario, tree = workshop.scenario, trees.snapshot(workshop.folder)
    was_killed = outcome.death is not None
    if was_killed and outcome.death not in fault.deaths:
        yield f"died of {outcome.death}: {outcome.error.strip()}"
    if not was_killed and outcome.status not in STATUSES:
        yield f"status {outcome.status}"
    if outcome.status == 0:
        yield from _differences(workshop.end, tree, scenario, "after status 0", fault)
        is_told = (fault.call, fault.effect) == ("write", "lie")
        if trees.without_times(outcome.output.encode()) != workshop.output and not is_told:
            yield "standard output is wrong after status 0"
    elif not was_killed and not _has_message(workshop, fault, outcome):
        yield f"status {outcome.status} without a message"
    yield from changed_inputs(workshop, tree)
    for name in scenario.outputs:
        yield from _output(workshop, tree, name, was_killed)
    yield from _leftovers(workshop, tree, fault, was_killed)
    if scenario.in_place and outcome.status > 0 and _is_done(workshop, tree):
        if "is folded" not in outcome.error:
            yield f"folded, with status {outcome.status} that does not say so: {outcome.error}"
    if outcome.status > 0 and _is_pending(workshop, tree) and "run the same command again" not in outcome.error:
        yield f"half folded, and the message does not say so: {outcome.error}"
    if outcome.peak > workshop.peak + MEMORY:
        yield f"{outcome.peak} KiB of memory, {workshop.peak} undisturbed"


def _has_message(workshop, fault, outcome):
    """Whether a run that failed says so."""
    # What a check found is said on standard output.
    if outcome.error.strip() or outcome.status == 1 and outcome.output.strip():
        return True
    # A process fails to write its message where another one has failed to write before.
    return fault.call == "write" and not fault.is_first_thread and workshop.calls.others["write"] > 0


def changed_inputs(workshop, tree, besides=None):
    """Inputs that are not what they were, but for one that may be anything."""
    scenario = workshop.scenario
    for path, digest in workshop.start.items():
        if _is_output(scenario, path) or path.split("/")[0] in scenario.shared or path == besides:
            continue
        if tree.get(path) != digest:
            yield f"input {path} changed"


def left_behind(workshop, tree):
    """What is new and no output."""
    for path in sorted(set(tree) - set(workshop.start)):
        if not _is_output(workshop.scenario, path):
            yield f"left behind: {path}"


def _is_output(scenario, path):
    """Whether a path is, or is in, an output."""
    return any(path.rstrip("/") == name or path.startswith(name + "/") for name in scenario.outputs)


def _is_done(workshop, tree):
    return tree == workshop.end


def _is_pending(workshop, tree):
    base = workshop.scenario.in_place
    return base is not None and base + trees.JOURNAL in tree


def _output(workshop, tree, name, was_killed):
    """Absent, as it was, or complete; in place also half folded beside a journal."""
    found = trees.part(tree, name)
    if found in (trees.part(workshop.start, name), trees.part(workshop.end, name)):
        return
    if name == workshop.scenario.in_place and _is_pending(workshop, tree):
        return
    if workshop.scenario.may_vanish and was_killed and not found:
        return
    yield f"{name} is neither what it was nor complete"


def _leftovers(workshop, tree, fault, was_killed):
    scenario = workshop.scenario
    new = {
        path for path in set(tree) - set(workshop.start)
        if not _is_output(scenario, path) and path.split("/")[0] not in scenario.shared
    }
    if scenario.in_place:
        new.discard(scenario.in_place + trees.JOURNAL)
    temporaries = trees.temporaries(new)
    strange = [path for path in new if path.split("/")[0] not in temporaries]
    if strange:
        yield f"left behind: {', '.join(sorted(strange))}"
    allowed = scenario.temporaries if was_killed else int(fault.call in CLEANING)
    if len(temporaries) > allowed:
        yield f"{len(temporaries)} temporaries left: {', '.join(sorted(temporaries))}"


def _differences(expected, found, scenario, when, fault=None):
    ignored = set()
    if fault is not None and fault.call in CLEANING:
        ignored = trees.temporaries(set(found) - set(expected))
    for path in sorted(set(expected) | set(found)):
        if expected.get(path) != found.get(path) and path.split("/")[0] not in ignored:
            yield f"{path} is wrong {when}"


def _after_rerun(workshop):
    """The same command again ends in the bytes of an undisturbed run."""
    scenario, tree = workshop.scenario, trees.snapshot(workshop.folder)
    is_complete = all(
        trees.part(tree, name) == trees.part(workshop.end, name) for name in scenario.outputs)
    if scenario.outputs and is_complete and not scenario.is_repeatable:
        # There is nothing to do again; a fold in place would be a second one.
        if not _is_pending(workshop, tree):
            return
    if _is_pending(workshop, tree):
        yield from _refusals(workshop)
    recorded = trees.records(workshop.folder, scenario.resumes) if scenario.resumes else 0
    if scenario.recovery and not is_complete:
        for command in scenario.recovery:
            if (outcome := workshop.run(*command, "--quiet")).status != 0:
                yield f"{' '.join(command)}: {outcome.error.strip()}"
    outcome = workshop.run(*scenario.command)
    if outcome.status != 0:
        yield f"the next run: status {outcome.status}: {outcome.error.strip()}"
        return
    yield from _differences(workshop.end, trees.snapshot(workshop.folder), scenario, "in the end")
    if scenario.resumes:
        resumed = json.loads(outcome.output)["resumed_shards"]
        if resumed != recorded:
            yield f"{recorded} shards were finished, {resumed} of them kept"


def _refusals(workshop):
    """Every other command refuses a base that is half folded."""
    base = workshop.scenario.in_place
    commands = (
        ("inspect", base), ("validate", base), ("diff", base, base),
        ("convert", base, "x.safetensors"), ("convert", "adapter", "x.reslora", "--base", base),
        ("merge", "adapter", "--method", "none", "--base", base, "-o", "x"),
        ("fold", "adapter", "--into", base, "-o", "x"),
        ("fold", "adapter", "--into", base, "--in-place", "--scale", "2"),
    )
    before = trees.snapshot(workshop.folder)
    for command in commands if workshop.refusals_wanted > 0 else commands[:1]:
        outcome = workshop.run(*command)
        if outcome.status != 3 or "interrupted" not in outcome.error:
            yield f"half folded, and {' '.join(command)}: status {outcome.status}: {outcome.error}"
    workshop.refusals_wanted -= 1
    if trees.snapshot(workshop.folder) != before:
        yield "a command that refuses a half-folded base changed something"
