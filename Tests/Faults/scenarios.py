"""All that faults are injected into."""
import adapters
import folds

ALL = (*folds.ALL, *adapters.ALL)


def named(name):
    """The scenario of a name."""
    return next(scenario for scenario in ALL if scenario.name == name)
