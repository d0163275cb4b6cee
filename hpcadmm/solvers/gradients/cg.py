"""Nonlinear conjugate gradients, in the form of scipy.optimize.minimize(method="CG").

Polak, Ribiere 1969, as in Nocedal, Wright: Numerical Optimization, 2nd ed., 2006, pp. 120-122; Gilbert, Nocedal: Global
Convergence Properties of Conjugate Gradient Methods for Optimization, SIAM J. Optimization 1992.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, replicated, scalar
from hpcadmm.solvers.gradients import full_batch
from hpcadmm.solvers.gradients.full_batch import FullBatch


@dataclass
class State(full_batch.State):
    """And the memory of the method."""

    p: Array = replicated()  # the next direction
    f_before: float = scalar(0.0)  # f at the iterate before x


@dataclass(frozen=True)
class Cg(FullBatch):
    """x += alpha p,   p = -g + max(0, <g, g - g'> / |g'|^2) p',   ' before;   alpha meets the strong Wolfe conditions
    with c1 = 1e-4, c2 = 0.4, and p descends: <p, g> <= -0.01 |g|^2.
    """

    name: ClassVar[str] = "cg"
    paper: ClassVar[str] = "Polak, Ribiere 1969; Nocedal, Wright 2006"
    when: ClassVar[str] = "a small problem to its minimum, with less memory than lbfgs"
    state_type: ClassVar[Any] = State

    def move(self, s: State) -> bool:
        if s.since == 0:
            s.p[...], s.f_before = -s.g, s.f + float(np.linalg.norm(s.g)) / 2

        def turned(g: Array) -> Array:
            beta = max(0, np.dot(g - s.g, g) / np.dot(s.g, s.g))
            return -g + beta * s.p

        def descends(alpha: float, x: Array, f: float, g: Array) -> bool:
            return self.converged(g) or np.dot(turned(g), g) <= -0.01 * np.dot(g, g)

        if self.converged(s.g):
            return False
        found = s.work.search(s, s.p, s.f_before, descends, c1=1e-4, c2=0.4, amin=1e-100, amax=1e100)
        if found is None:
            return False
        s.x += found.alpha * s.p
        s.p[...] = turned(found.g)
        s.f, s.f_before, s.g[...] = found.f, s.f, found.g
        return True

    def blank(self, p: Problem, world: World) -> State:
        s = super().blank(p, world)
        return replace(s, p=np.zeros_like(s.x))
