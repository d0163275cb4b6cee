"""Regularisation paths: fits of one problem with a series of strengths of its penalty, and their cross-validation.

Friedman, Hastie, Tibshirani: Regularization Paths for Generalized Linear Models via Coordinate Descent, J. Stat. Softw.
33 (2010). With folds a job has these fits, one after another, each from the last: all strengths for the samples outside
fold 1, 2, ..., then all strengths for all samples, then once more the chosen strength. Without folds: all strengths.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, replicated, scalar
from hpcadmm.model.weighted import sum_of, times
from hpcadmm.solvers.shared.convex.constant import largest
from hpcadmm.solvers.shared.convex.objective import deviance

FORMS = '"log:1:1e-3:50" (from 1 to 1e-3, 50 strengths), "max:1e-3:50" (from the least strength for which all '
FORMS += "coefficients are 0 to 1e-3 of it), or a list of strengths"
ABOVE = 1.001  # so that fits of a finite tolerance have no coefficient at the largest strength
DRAW = 71  # of the random numbers that deal samples to folds


@dataclass
class Fits:
    """Fields of a state. S strengths, F folds; k outputs, d inputs."""

    strengths: Array = replicated()  # (S,), the largest first
    found: Array = replicated()  # (S, k, d), the models of all samples
    deviance: Array = replicated()  # (F + 1, S), of the samples of each fold; the last row: of all samples
    lasted: Array = replicated()  # (F + 1, S), iterations
    fit: int = scalar(0)
    began: int = scalar(0)  # iterations before this fit


@dataclass(frozen=True)
class Grid:
    """`count` strengths in geometric series from `high`, or of the largest that leaves a coefficient (None), to `low`,
    which then is a share of it. given: the strengths themselves."""

    high: float | None = None
    low: float = 0.0
    count: int = 0
    given: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.given) or self.count

    @property
    def relative(self) -> bool:
        return self.high is None and not self.given

    def strengths(self, largest: float = 1.0) -> Array:
        if self.given:
            return np.array(self.given)
        high, low = (largest, self.low * largest) if self.high is None else (self.high, self.low)
        return np.geomspace(high, low, self.count)


def grid(path: str | list[float]) -> Grid:
    """Read the key `path`. Raises UsageError.

    >>> grid([0.1, 1.0]).given, len(grid("log:1:1e-3:50")), grid("max:0.01:3").strengths(2.0).tolist()
    ((1.0, 0.1), 50, [2.0, 0.2, 0.02])
    """
    if not isinstance(path, str):
        if not path or not all(math.isfinite(one) and one >= 0 for one in path) or len(set(path)) < len(path):
            raise UsageError(f"solver.path = {path}: needs different strengths of at least 0")
        return Grid(given=tuple(sorted(map(float, path), reverse=True)))
    kind, *parts = path.split(":")
    try:
        (*ends, low), number = map(float, parts[:-1]), int(parts[-1])
        (high,) = ends or [1.0]
        good = len(ends) == {"log": 1, "max": 0}[kind] and number >= 2 and 0 < low < high < math.inf
    except (ValueError, KeyError, IndexError):
        good = False
    if not good:
        raise UsageError(f"solver.path = {path!r}: must be like {FORMS}")
    return Grid(high if ends else None, low, number)


def check(solver: Any) -> None:
    """UsageError for a path that cannot be read, or folds that do not fit it."""
    if solver.path is not None:
        grid(solver.path)
    if solver.folds == 1 or (solver.folds and solver.path is None):
        cure = "needs solver.path" if solver.path is None else "needs at least 2"
        raise UsageError(f"solver.folds = {solver.folds}: a cross-validation {cure}")
    if solver.choose != "best" and not solver.folds:
        raise UsageError(f'solver.choose = "{solver.choose}": needs a cross-validation, solver.folds >= 2')


def blank(solver: Any, p: Problem) -> dict[str, Any]:
    """The fields of Fits before the first fit."""
    S, rows = len(grid(solver.path)), solver.folds + 1
    strengths, deviance = np.full(S, np.nan), np.full((rows, S), np.nan)
    found, lasted = np.zeros((S, *p.network.shape(1))), np.zeros((rows, S), np.int64)
    return {"strengths": strengths, "found": found, "deviance": deviance, "lasted": lasted}


def set_strengths(solver: Any, s: Any, p: Problem, world: World) -> None:
    """The strengths, at the start. Raises UsageError if none leaves a coefficient. Collective."""
    if np.isnan(s.strengths[0]):
        found = grid(solver.path)
        high = ABOVE * largest(p, world) if found.relative else 1.0
        if high <= 0:
            raise UsageError(f"solver.path = {solver.path!r}: all coefficients are 0 whatever the strength")
        s.strengths[:] = found.strengths(high)


def place(solver: Any, s: Any) -> tuple[int, int]:
    """(fold, strength) of the present fit; the number of folds: all samples."""
    fold, j = divmod(s.fit, len(s.strengths))
    return (fold, j) if fold <= solver.folds else (solver.folds, chosen(solver, s))


def count(solver: Any, s: Any) -> int:
    """The number of fits."""
    return len(s.strengths) * (solver.folds + 1) + (solver.folds > 0)


def posed(solver: Any, s: Any, p: Problem, world: World) -> Problem:
    """The problem of the present fit. Collective."""
    fold, j = place(solver, s)
    p = replace(p, penalty=p.penalty.at(float(s.strengths[j])))
    return p if fold == solver.folds else without(p, fold_of(p, solver.folds) == fold, world)


def fold_of(p: Problem, folds: int) -> Array:
    """The fold of each sample of this rank: a random permutation of all samples, cut into equal parts."""
    order = np.random.default_rng([p.seed, DRAW]).permutation(p.tiles.n)[p.tiles.lo : p.tiles.hi]
    found: Array = order * folds // p.tiles.n
    return found


def without(p: Problem, left_out: Array, world: World) -> Problem:
    """The problem without these samples, which have the weight 0. Collective."""
    weight = times((~left_out).astype(p.dtype), p.train.weight)
    own = np.array([[sum_of(weight[t], t.stop - t.start)] for _, t in p.tiles]).reshape(-1, 1)
    total = float(sum_by_tile(world, p.tiles, own)[0])
    return replace(p, train=replace(p.train, weight=weight, sum=total))


def record(solver: Any, s: Any, p: Problem, world: World) -> None:
    """Keep what the present fit has found; p: the problem of all samples. Collective."""
    (fold, j), W = place(solver, s), s.W[1]
    if fold == solver.folds:
        s.found[j] = W
        s.deviance[fold, j] = deviance(W, p, world)
    else:
        s.deviance[fold, j] = deviance(W, without(p, fold_of(p, solver.folds) != fold, world), world)
    s.lasted[fold, j] += s.iterations - s.began


def across(s: Any) -> tuple[Array, Array]:
    """The mean of the folds' deviances, (S,), and its standard error."""
    of_folds = s.deviance[:-1]
    return of_folds.mean(axis=0), of_folds.std(axis=0, ddof=1) / math.sqrt(len(of_folds))


def choices(s: Any) -> dict[str, int]:
    """By the folds: the strength with the least mean deviance, and the largest strength whose mean is within a standard
    error of that."""
    mean, error = across(s)
    least = int(mean.argmin())
    return {"best": least, "one-se": int(np.flatnonzero(mean <= mean[least] + error[least])[0])}


def chosen(solver: Any, s: Any) -> int:
    """The strength of the last fit."""
    return choices(s)[solver.choose] if solver.folds else len(s.strengths) - 1


def shown(solver: Any, s: Any) -> dict[str, float]:
    """Of the present fit, for a row of metrics."""
    if not isinstance(s, Fits):
        return {}
    fold, j = place(solver, s)
    return {"strength": float(s.strengths[j]), "fold": (fold + 1) % (solver.folds + 1)}


def measured(s: Any) -> Array:
    """Which strengths have been fitted to all samples?"""
    found: Array = s.lasted[-1] > 0
    return found
