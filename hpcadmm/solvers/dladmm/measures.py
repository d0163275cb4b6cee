"""The metrics of a dlADMM iterate."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.inputs import product
from hpcadmm.model.problem import Problem
from hpcadmm.model.weighted import total
from hpcadmm.subproblems.norm import square
from hpcadmm.subproblems.quadratic_bound import omega


def measure(solver: Any, state: Any, problem: Problem, world: World) -> Mapping[str, float]:
    """`objective`: the augmented Lagrangian; `primal_residual`: the norm of all z_l - W_l a_{l-1} - b_l and
    a_l - f(z_l), computed anew; `scale`: the norm of all z_l and a_l."""
    values = np.array([tile(state, problem, t) for _, t in problem.tiles]).reshape(-1, 3)
    objective, residual, scale = sum_by_tile(world, problem.tiles, values)
    weights = [W[:, :n] for W, n in zip(state.W[1:], problem.network.n, strict=False)]
    return {
        "objective": float(objective) + solver.decay * sum(omega(W, solver.penalty) for W in weights),
        "primal_residual": float(np.sqrt(residual)),
        "scale": float(np.sqrt(scale)),
    }


def tile(s: Any, p: Problem, t: slice) -> tuple[float, float, float]:
    """The Lagrangian without Omega, squared residuals and squared norms of one tile of columns."""
    L, scratch, w = p.network.depth, s.work.scratch, p.w(t)
    objective, residual, scale = p.loss.value(s.z[L][:, t], p.y[:, t], w), 0.0, 0.0
    for l in range(1, L + 1):
        z = s.z[l][:, t]
        r = z - product(s.W[l], s.a[l - 1][:, t], scratch("m", *z.shape))
        size = square(r, w)
        objective += (s.nu if l < L else s.rho) / 2 * size
        residual, scale = residual + size, scale + square(z, w)
        if l == L:
            objective += total(s.u[:, t] * r, w)
        else:
            a = s.a[l][: z.shape[0], t]
            size = square(a - p.network.activation.value(z, out=scratch("h", *z.shape)), w)
            objective, residual, scale = objective + s.nu / 2 * size, residual + size, scale + square(a, w)
    return objective, residual, scale
