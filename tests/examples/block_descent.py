"""A complete solver outside the package: plain block coordinate descent, data-parallel.

Zeng, Lau, Lin, Yao: Global Convergence of Block Coordinate Descent in Deep Learning, ICML 2019, Algorithm 2.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import INPUTS, UNITS, WEIGHTS, Arrays, columns, replicated
from hpcadmm.products.scratch import Scratch
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.shared.normal import sum_over_samples
from hpcadmm.subproblems.norm import square
from hpcadmm.subproblems.normal_equations import FitActivation, factorise, fit_weights


@dataclass
class State:
    """Lists are indexed by layer, as in the paper; layer l has n[l] units, the last row of an a is ones."""

    W: Arrays = replicated(WEIGHTS)  # W[l]: (n[l], n[l-1] + ones), l = 1..L
    a: Arrays = columns(INPUTS, first=1)  # a[l]: (n[l] + ones, m), l = 0..L-1; a[0] is the data
    z: Arrays = columns(UNITS)  # z[l]: (n[l], m), l = 1..L


@dataclass(frozen=True)
class BlockDescent(Solver):
    """minimise sum R(z_L, y) + gamma sum_{l<L} |a_l - h(z_l)|^2 + gamma sum_l |z_l - W_l a_{l-1}|^2    over W, a, z.

    gamma: the weight of the penalties, > 0, default 1; the paper's is 1/2.
    ridge: added to the diagonal of a a^T, relative to its mean, >= 0, default 0.01; the paper has none.
    """

    name: ClassVar[str] = "block-descent"
    paper: ClassVar[str] = "Zeng et al., ICML 2019"
    state_type: ClassVar[Any] = State
    weighted: ClassVar[bool] = True  # every sum over samples takes their weights

    gamma: Annotated[float, Gt(0)] = 1.0
    ridge: Annotated[float, Ge(0)] = 1e-2

    def step(self, s: State, p: Problem, world: World) -> None:
        """Each block to its minimiser, the upper layers first: z_L and W_L, then a_l, z_l and W_l."""
        W, a, z, h, L, gamma = s.W, s.a, s.z, p.network.activation, p.network.depth, self.gamma
        scratch = Scratch(p.dtype)
        for l in range(L, 0, -1):
            fit_a = FitActivation.prepare(W[l + 1], p.network.n[l], gamma, gamma) if l < L else None
            for _, t in p.tiles:
                m = np.matmul(W[l], a[l - 1][:, t], out=scratch("m", *z[l][:, t].shape))
                if fit_a is None:
                    p.loss.prox(m, p.y[:, t], np.zeros_like(m), gamma, z[L][:, t])
                else:
                    fit_a(z[l][:, t], z[l + 1][:, t], h, scratch, a[l][:, t])
                    h.prox(a[l][:, t], m, gamma, gamma, z[l][:, t])
            zaT = sum_over_samples(z[l], a[l - 1], p.tiles, world, w=p.train.weight)
            aaT = sum_over_samples(a[l - 1], a[l - 1], p.tiles, world, w=p.train.weight)
            fit_weights(zaT, factorise(aaT, self.ridge, 0.0, p.network.bias), out=W[l])

    def objective(self, s: State, p: Problem, world: World) -> float:
        R, penalty, _ = self._parts(s, p, world)
        return R + self.gamma * penalty

    def residual(self, s: State, p: Problem, world: World) -> tuple[float, float]:
        _, penalty, scale = self._parts(s, p, world)
        return penalty**0.5, scale**0.5

    def _parts(self, s: State, p: Problem, world: World) -> list[float]:
        """R, all squared residuals and all squared norms of a and z, summed over the tiles in their order."""
        values, L = np.zeros((len(p.tiles), 3)), p.network.depth
        for row, (_, t) in zip(values, p.tiles, strict=True):
            w = p.w(t)
            row[0] = p.loss.value(s.z[L][:, t], p.y[:, t], w)
            for l in range(1, L + 1):
                z = s.z[l][:, t]
                row[1:] += square(z - s.W[l] @ s.a[l - 1][:, t], w), square(z, w)
                if l < L:
                    a = s.a[l][: len(z), t]
                    row[1:] += square(a - p.network.activation.value(z, np.empty_like(z)), w), square(a, w)
        return sum_by_tile(world, p.tiles, values).tolist()
