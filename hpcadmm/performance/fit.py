"""Factors that correct the machine's rates for each solver, fitted to measured points and tested on points left out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np
import tomli_w
from scipy.optimize import least_squares

from hpcadmm.errors import UsageError
from hpcadmm.job import job as jobs
from hpcadmm.performance.fabric import network
from hpcadmm.performance.machine import Machine
from hpcadmm.performance.predict import FACTORS, Estimate, Factors, estimate
from hpcadmm.scaling.folder import Measured
from hpcadmm.solvers.shared.case import Case

TRUST = 0.3  # weight that holds factors at 1: a factor of e^3 costs about as much as a point missed by ROUGH
MOST = 4.0  # no factor is above it or below its inverse
ROUGH = 0.1  # relative errors above it count less than their square
BAR = 0.10  # for the median error over the shapes


@dataclass(frozen=True)
class Known:
    """A measured point and its estimate."""

    point: Measured
    estimate: Estimate
    seconds: float

    @property
    def case(self) -> Case:
        return self.estimate.case

    @property
    def shape(self) -> tuple[object, ...]:
        """A key of points that are left out together: the same job on any number of ranks."""
        case = self.case
        samples = case.samples // self.point.ranks if self.point.kind == "weak" else case.samples
        return case.solver.name, case.n, samples, case.precision, case.solver.variant


@dataclass(frozen=True)
class Miss:
    """A point predicted by factors that were fitted without it."""

    known: Known
    predicted: float

    @property
    def error(self) -> float:
        """Predicted over measured, less 1."""
        return self.predicted / self.known.seconds - 1


def case_of(point: Measured) -> Case:
    """The case of a measured point. Raises UsageError for several threads a rank."""
    if point.threads > 1:
        raise UsageError(f"a point has {point.threads} threads a rank: the model knows one thread a rank")
    job = jobs.parse(tomli_w.dumps(point.job))
    names = job.loss.name, job.activation.name
    bias, tile, penalised = job.layers.bias, job.head.tile, job.penalty is not None
    return Case(job.solver, tuple(point.sizes), point.samples, point.precision, *names, bias, tile, penalised)


def know(points: Sequence[Measured], machine: Machine) -> list[Known]:
    """The points with their estimates on this machine. Where iterations differ, as in mpadmm, the mean counts."""
    here, found = network(machine), []
    for point in points:
        case = case_of(point).gridded(*point.grid)
        seconds = median(point.seconds) if case.solver.steady else fmean(point.seconds)
        found.append(Known(point, estimate(case, point.ranks, machine, here), seconds))
    return found


def fit(known: Sequence[Known]) -> Factors:
    """The factors of one solver: least squares of log(predicted / measured), and of log(factor)."""
    if not known:
        return dict.fromkeys(FACTORS, 1.0)

    def residuals(logs: np.ndarray) -> np.ndarray:
        factors = dict(zip(FACTORS, np.exp(logs).tolist(), strict=True))
        misses = [math.log(one.estimate.predict(factors).seconds / one.seconds) / ROUGH for one in known]
        return np.array([*misses, *(TRUST * logs)])

    start, bound = np.zeros(len(FACTORS)), math.log(MOST)
    found = least_squares(residuals, start, bounds=(-bound, bound), loss="soft_l1", x_scale=1.0)
    return dict(zip(FACTORS, np.exp(found.x).tolist(), strict=True))


def by_solver(known: Sequence[Known]) -> dict[str, list[Known]]:
    """The points of each solver."""
    found: dict[str, list[Known]] = {}
    for one in known:
        found.setdefault(one.case.solver.name, []).append(one)
    return found


def leave_out(known: Sequence[Known], group: Callable[[Known], Any]) -> list[Miss]:
    """Leave each group out of its solver's fit in turn, and predict it. A solver with one group only is predicted by
    factors of 1."""
    found = []
    for mine in by_solver(known).values():
        for left in dict.fromkeys(map(group, mine)):
            factors = fit([one for one in mine if group(one) != left])
            found += [Miss(one, one.estimate.predict(factors).seconds) for one in mine if group(one) == left]
    return found


def by_shape(known: Sequence[Known]) -> list[Miss]:
    """Leave out one job on all its rank counts."""
    return leave_out(known, lambda one: one.shape)


def by_ranks(known: Sequence[Known]) -> list[Miss]:
    """Leave out one rank count; empty if there is only one."""
    several = len({one.point.ranks for one in known}) > 1
    return leave_out(known, lambda one: one.point.ranks) if several else []


def middle(misses: Sequence[Miss]) -> float:
    """The median of |error|."""
    return median(abs(one.error) for one in misses)


def shapes(known: Sequence[Known]) -> int:
    """The number of different jobs."""
    return len({one.shape for one in known})
