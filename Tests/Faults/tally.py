"""Faults injected and survived."""
from collections import Counter


_SKIPPED = set()


def skip(reason):
    """Says, once, what can't be done on this machine."""
    if reason not in _SKIPPED:
        _SKIPPED.add(reason)
        print(f"skipped: {reason}", flush=True)


class Tally:
    """Counts, by scenario and by operation, and prints what did not hold."""

    def __init__(self):
        self.injected = Counter()
        self.survived = Counter()
        self.violations = Counter()

    def add(self, scenario, operation, what, violations):
        self.injected[scenario, operation] += 1
        self.survived[scenario, operation] += not violations
        self.violations[scenario, operation] += len(violations)
        for violation in violations:
            print(f"{scenario}: {what}: {violation}", flush=True)

    @property
    def is_clean(self):
        return self.injected == self.survived

    def print_tables(self):
        self._print_table("scenario", 0)
        print()
        self._print_table("operation", 1)

    def _print_table(self, title, key):
        lines = [(title, "injected", "survived", "violations")]
        for name in dict.fromkeys(keys[key] for keys in self.injected):
            lines.append((name, *self._sums(lambda keys, name=name: keys[key] == name)))
        lines.append(("all", *self._sums(lambda keys: True)))
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        for name, *numbers in lines:
            texts = [number.rjust(width) for number, width in zip(numbers, widths[1:])]
            print("  ".join([name.ljust(widths[0]), *texts]))

    def _sums(self, is_wanted):
        return [
            str(sum(count for keys, count in counts.items() if is_wanted(keys)))
            for counts in (self.injected, self.survived, self.violations)
        ]
