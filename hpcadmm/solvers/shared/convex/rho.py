"""The penalty parameter rho of ADMM, and when it is changed."""

import math
from dataclasses import dataclass
from typing import Literal

Adapt = Literal["none", "balanced", "spectral"]
FIRST, EVERY, LATER = 2, 1, 1.3  # iterations before the first change, between two; the gaps grow by this factor
FACTOR, WORTH = 100.0, 1.5  # largest change of rho, and the least that is worth a new start of the duals
CORRELATED = 0.2  # least correlation of a spectral estimate that is trusted


@dataclass(frozen=True)
class Residuals:
    """Of an iterate: norms of r and s, and what they are relative to [Boyd et al., section 3.3.1]."""

    primal: float
    dual: float
    scale: float
    dual_scale: float

    @property
    def ratio(self) -> float:
        """Relative primal residual / relative dual residual."""
        primal = self.primal / self.scale if self.scale else 0.0
        dual = self.dual / self.dual_scale if self.dual_scale else 0.0
        return primal / dual if primal and dual else 1.0


def due(iterations: int, adapt: str) -> bool:
    """Is rho looked at after this iteration? The gaps grow by LATER, so rho changes ever more seldom and ADMM converges
    [Boyd et al., section 3.4.1].

    >>> [k for k in range(60) if due(k, "balanced")]
    [2, 3, 4, 5, 8, 11, 14, 19, 25, 34, 44, 58]
    """
    if adapt == "none":
        return False
    at, gap = float(FIRST), float(EVERY)
    while math.floor(at) < iterations:
        at, gap = at + gap, gap * LATER
    return math.floor(at) == iterations


def balanced(rho: float, residuals: Residuals) -> float:
    """rho that brings both relative residuals to the same size [Wohlberg 2017]."""
    return bounded(rho, rho * math.sqrt(residuals.ratio))


def bounded(rho: float, wanted: float) -> float:
    """The new rho; the old one where the change is not worth it."""
    if not (math.isfinite(wanted) and wanted > 0):
        return rho
    wanted = min(max(wanted, rho / FACTOR), rho * FACTOR)
    return wanted if max(wanted / rho, rho / wanted) >= WORTH else rho


@dataclass(frozen=True)
class Products:
    """<dH, dH>, <dH, dl>, <dl, dl> of the changes since the last estimate, of one side of ADMM: dl of its multiplier,
    dH of its variables."""

    hh: float
    hl: float
    ll: float

    @property
    def correlation(self) -> float:
        size = math.sqrt(self.hh * self.ll)
        return self.hl / size if size > 0 else 0.0

    @property
    def curvature(self) -> float:
        """The hybrid of steepest descent and minimum gradient [Zhou, Gao, Dai 2006]."""
        steepest, least = self.ll / self.hl, self.hl / self.hh
        return least if 2 * least > steepest else steepest - least / 2


def spectral(rho: float, first: Products, second: Products) -> float:
    """rho from Barzilai-Borwein curvatures of the two functions of the dual [Xu, Figueiredo, Goldstein, AISTATS 2017,
    Algorithm 1]."""
    good = [side.curvature for side in (first, second) if side.correlation > CORRELATED]
    return bounded(rho, math.prod(good) ** (1 / len(good))) if good else rho
