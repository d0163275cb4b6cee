"""What the rates of a machine do not tell of a solver: factors, fitted to measured points, near 1 where few are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np
import tomli_w
from scipy.optimize import least_squares

from hpcadmm.errors import UsageError
from hpcadmm.job import job as jobs
from hpcadmm.performance.fabric import network
from hpcadmm.performance.machine import Machine
from hpcadmm.performance.predict import FACTORS, Estimate, Factors, estimate
from hpcadmm.scaling.measured import Measured
from hpcadmm.solvers.shared.case import Case

TRUST = 0.3  # how firmly factors are held at 1: one of e^3 costs about as much as a point that is missed by ROUGH
MOST = 4.0  # times or a part of the rate that was measured: no factor is further off
ROUGH = 0.1  # relative errors above it count less than their square


@dataclass(frozen=True)
class Known:
    """A measured point, and its estimate."""

    point: Measured
    estimate: Estimate
    seconds: float

    @property
    def case(self) -> Case:
        return self.estimate.case

    @property
    def shape(self) -> tuple[object, ...]:
        """What is left out together: the same job on any number of ranks, by samples a rank where these are fixed."""
        case = self.case
        samples = case.samples // self.point.ranks if self.point.kind == "weak" else case.samples
        return case.solver.name, case.n, samples, case.precision, getattr(case.solver, "update", "")


def case_of(point: Measured) -> Case:
    """What was measured. Raises UsageError for threads, which the model does not know."""
    if point.threads > 1:
        raise UsageError(f"a point with {point.threads} threads a rank: the model knows one thread a rank")
    job = jobs.parse(tomli_w.dumps(point.job))
    return Case(job.solver, tuple(point.sizes), point.samples, point.precision, job.loss.name, job.activation.name,
                job.layers.bias)  # fmt: skip


def know(points: Sequence[Measured], machine: Machine) -> list[Known]:
    """The points with their estimates on this machine. Of mpadmm, whose iterations differ, the mean counts."""
    here, found = network(machine), []
    for point in points:
        case = case_of(point).gridded(*point.grid)
        seconds = fmean(point.seconds) if point.solver == "mpadmm" else median(point.seconds)
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


def fit_all(known: Sequence[Known]) -> dict[str, Factors]:
    """The factors of each solver that was measured."""
    names = dict.fromkeys(one.case.solver.name for one in known)
    return {name: fit([one for one in known if one.case.solver.name == name]) for name in names}
