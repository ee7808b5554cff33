"""Calls that fail, lie or bring a signal, in all scenarios."""
import functools
import random

import injection
import invariants
import scenarios
from workshop import Task


def tasks(everything):
    """One for each scenario."""
    return [
        Task(scenario.name, functools.partial(results, scenario, everything))
        for scenario in scenarios.ALL
    ]


def results(scenario, everything, workshop):
    """Injects all faults into one scenario."""
    workshop.open(scenario)
    for fault in faults(workshop, everything):
        outcome = workshop.inject(fault)
        violations = invariants.check(workshop, fault, outcome)
        was_injected = outcome.was_injected
        if not was_injected and fault.number == 1 and fault.effect not in ("SIGINT", "SIGTERM"):
            violations.append("was not injected")  # threads may hold back those two
        if was_injected or violations:
            yield fault.call, fault, violations


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
