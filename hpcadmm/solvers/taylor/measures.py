"""The metrics of a Taylor iterate."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.inputs import product
from hpcadmm.model.problem import Problem
from hpcadmm.model.weighted import total
from hpcadmm.subproblems.norm import square


def measure(solver: Any, state: Any, problem: Problem, world: World) -> Mapping[str, float]:
    """`objective`: the minimised function, summed over the samples; `primal_residual`: the norm of all
    z_l - W_l a_{l-1} and a_l - h(z_l) together; `scale`: the norm of all z_l and a_l."""
    beta, gamma = solver.penalties(problem.network.depth)
    values = np.array([tile(state, problem, t, beta, gamma) for _, t in problem.tiles]).reshape(-1, 3)
    objective, residual, scale = sum_by_tile(world, problem.tiles, values)
    decay = sum(square(W[:, :n]) for W, n in zip(state.W[1:], problem.network.n, strict=False)) if solver.decay else 0.0
    return {
        "objective": float(objective) + solver.decay * decay,
        "primal_residual": float(np.sqrt(residual)),
        "scale": float(np.sqrt(scale)),
    }


def tile(s: Any, p: Problem, t: slice, beta: list[float], gamma: list[float]) -> tuple[float, float, float]:
    """The objective, squared residuals and squared norms of one tile of columns."""
    L = p.network.depth
    z_L, lam, w = s.z[L][:, t], s.lam[:, t], p.w(t)
    objective = p.loss.value(z_L, p.y[:, t], w) + total(z_L * lam, w)
    residual = scale = 0.0
    for l in range(1, L + 1):
        z = s.z[l][:, t]
        r = square(z - product(s.W[l], s.a[l - 1][:, t], s.work.scratch("m", *z.shape)), w)
        objective, residual, scale = objective + beta[l] * r, residual + r, scale + square(z, w)
        if l < L:
            a = s.a[l][: z.shape[0], t]
            h = p.network.activation.value(z, out=s.work.scratch("m", *z.shape))
            e = square(a - h, w)
            objective, residual, scale = objective + gamma[l] * e, residual + e, scale + square(np.asfortranarray(a), w)
    return objective, residual, scale
