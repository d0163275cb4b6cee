"""The penalty parameter rho of ADMM: where a rule begins, and when and how it changes rho.

Both rules replace the rho that they are given by an estimate of their own (`start.py`), so a run does not depend on it.
The first looks at rho come soon and may change it much, later ones ever more seldom and ever less: look j multiplies or
divides rho by at most 1 + REACH / j^2, and a change below WORTH is not made. So rho changes finitely often, and ADMM
converges as with the last one [Boyd et al., section 3.4.1; Xu, Figueiredo, Goldstein, AISTATS 2017, section 4].
"""

import math
from dataclasses import dataclass
from typing import Literal

Adapt = Literal["none", "balanced", "spectral"]
FIRST, LATER = 3, 1.3  # iteration of the first look; the gaps, 1 at first, grow by this factor
REACH, WORTH = 1000.0, 1.5  # bounds of a change; the least that is worth a new start of the duals
TRUST = 0.7  # a spectral estimate's weight in the logarithm of the next rho, the present one has the rest


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


def look(iterations: int, adapt: str) -> int:
    """The number of the look at rho after this iteration, from 1; 0: there is none.

    >>> [k for k in range(60) if look(k, "balanced")]
    [3, 4, 5, 6, 9, 12, 15, 20, 26, 35, 45, 59]
    """
    if adapt == "none":
        return 0
    at, gap, count = float(FIRST), 1.0, 1
    while math.floor(at) < iterations:
        at, gap, count = at + gap, gap * LATER, count + 1
    return count if math.floor(at) == iterations else 0


def balanced(rho: float, residuals: Residuals, j: int) -> float:
    """rho that brings both relative residuals to the same size [Wohlberg 2017]; j: the look."""
    return bounded(rho, rho * math.sqrt(residuals.ratio), j)


def spectral(rho: float, moved: float, multiplier: float, j: int) -> float:
    """rho from the squares of how far the variables and their multipliers have moved since the last look: |dl| / |dH|,
    the geometric mean of the Barzilai-Borwein curvatures |dl|^2 / <dH, dl> and <dH, dl> / |dH|^2. Xu, Figueiredo,
    Goldstein (AISTATS 2017) take a hybrid of the two, where <dH, dl> is large enough; their mean needs no such test."""
    if not (moved > 0 and multiplier > 0):
        return rho
    return bounded(rho, rho * (math.sqrt(multiplier / moved) / rho) ** TRUST, j)


def bounded(rho: float, wanted: float, j: int) -> float:
    """The new rho; the old one where the change is not worth it."""
    if not (math.isfinite(wanted) and wanted > 0):
        return rho
    most = 1 + REACH / j**2
    wanted = min(max(wanted, rho / most), rho * most)
    return wanted if max(wanted / rho, rho / wanted) >= WORTH else rho
