"""How wrong the model is on points that it has not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from hpcadmm.performance.fit import Known, fit

BAR = 0.10  # of the median error over the shapes


@dataclass(frozen=True)
class Miss:
    """A point predicted by factors that were fitted without it."""

    known: Known
    predicted: float

    @property
    def error(self) -> float:
        """Predicted over measured, less 1."""
        return self.predicted / self.known.seconds - 1


def leave_out(known: Sequence[Known], group: Callable[[Known], Any]) -> list[Miss]:
    """Each group in turn is left out of the fit of its solver, and predicted. A solver with one group only is
    predicted by unfitted factors."""
    found = []
    for name in dict.fromkeys(one.case.solver.name for one in known):
        mine = [one for one in known if one.case.solver.name == name]
        for left in dict.fromkeys(map(group, mine)):
            factors = fit([one for one in mine if group(one) != left])
            found += [Miss(one, one.estimate.predict(factors).seconds) for one in mine if group(one) == left]
    return found


def by_shape(known: Sequence[Known]) -> list[Miss]:
    """A job is left out on all its rank counts."""
    return leave_out(known, lambda one: one.shape)


def by_ranks(known: Sequence[Known]) -> list[Miss]:
    """A rank count is left out; none where all points have the same."""
    several = len({one.point.ranks for one in known}) > 1
    return leave_out(known, lambda one: one.point.ranks) if several else []


def middle(misses: Sequence[Miss]) -> float:
    """The median of |error|."""
    return median(abs(one.error) for one in misses)


def shapes(known: Sequence[Known]) -> int:
    """How many different jobs there are."""
    return len({one.shape for one in known})
