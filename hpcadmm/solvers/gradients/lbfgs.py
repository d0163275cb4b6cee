"""Limited-memory BFGS, with the constants of scipy's L-BFGS-B.

Liu, Nocedal: On the limited memory BFGS method for large scale optimization, Math. Programming 1989; Zhu, Byrd, Lu,
Nocedal: Algorithm 778: L-BFGS-B, ACM Trans. Math. Softw. 1997; Nocedal, Wright: Numerical Optimization, 2nd ed., 2006,
Algorithm 7.4.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, replicated, scalar
from hpcadmm.solvers.gradients import full_batch
from hpcadmm.solvers.gradients.full_batch import FullBatch


@dataclass
class State(full_batch.State):
    """And the last steps and changes of the gradient; pair k is in row k % memory."""

    S: Array = replicated()  # (memory, x.size): s = x - x'
    Y: Array = replicated()  # (memory, x.size): y = g - g'
    pairs: int = scalar(0)  # since the method began anew


@dataclass(frozen=True)
class Lbfgs(FullBatch):
    """x -= alpha H g,   H the BFGS approximation of the inverse Hessian from the last `memory` pairs (s, y) and
    <s, y> / |y|^2 I,   alpha meets the strong Wolfe conditions with c1 = 1e-3, c2 = 0.9; 1 is tried first.

    memory: pairs. Default 10.

    Equal to scipy's L-BFGS-B without bounds, up to rounding, except that it does not end where f hardly falls.
    """

    name: ClassVar[str] = "lbfgs"
    paper: ClassVar[str] = "Liu, Nocedal, Math. Programming 1989; Zhu et al. 1997"
    when: ClassVar[str] = "a small problem to its minimum"
    state_type: ClassVar[Any] = State

    memory: Annotated[int, Ge(1)] = 10

    def move(self, s: State) -> bool:
        if s.since == 0:
            s.pairs = 0
        if self.converged(s.g):
            return False
        p = self.direction(s)
        found = s.work.search(s, p, None, c1=1e-3, c2=0.9, amin=0.0, amax=1e10, xtol=0.1)
        if found is None:
            return False
        step, change = found.alpha * p, found.g - s.g
        s.x += step
        if np.dot(step, change) > -np.finfo(np.float64).eps * np.dot(step, s.g):
            row = s.pairs % self.memory
            s.S[row], s.Y[row], s.pairs = step, change, s.pairs + 1
        s.f, s.g[...] = found.f, found.g
        return True

    def direction(self, s: State) -> Array:
        """-H g, by the two loops; -g / |g| without pairs."""
        if s.pairs == 0:
            return -s.g / np.linalg.norm(s.g)
        rows = [k % self.memory for k in range(max(0, s.pairs - self.memory), s.pairs)]
        q, sizes, alphas = s.g.copy(), {row: np.dot(s.S[row], s.Y[row]) for row in rows}, {}
        for row in reversed(rows):
            alphas[row] = np.dot(s.S[row], q) / sizes[row]
            q -= alphas[row] * s.Y[row]
        q *= sizes[rows[-1]] / np.dot(s.Y[rows[-1]], s.Y[rows[-1]])
        for row in rows:
            q += (alphas[row] - np.dot(s.Y[row], q) / sizes[row]) * s.S[row]
        return -q

    def blank(self, p: Problem, world: World) -> State:
        s = super().blank(p, world)
        S, Y = (np.zeros((self.memory, s.x.size)) for _ in range(2))
        return replace(s, S=S, Y=Y)
