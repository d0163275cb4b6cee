"""What is measured of a Taylor iterate, and the matrix products that a sweep cannot do without."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.shared.products import Product
from hpcadmm.subproblems.norm import square


def measure(solver: Any, s: Any, p: Problem, world: World) -> Mapping[str, float]:
    """`objective`: the function minimised, summed over the samples; `primal_residual`: the norm of all
    z_l - W_l a_{l-1} and a_l - h(z_l) together; `scale`: the norm of all z_l and a_l."""
    beta, gamma = solver.penalties(p.network.depth)
    values = np.zeros((len(p.tiles), 3))
    for row, (_, t) in zip(values, p.tiles, strict=True):
        row[...] = _tile(s, p, t, beta, gamma)
    objective, residual, scale = sum_by_tile(world, p.tiles, values)
    decay = sum(square(W[:, :n]) for W, n in zip(s.W[1:], p.network.n, strict=False)) if solver.decay else 0.0
    return {
        "objective": float(objective) + solver.decay * decay,
        "primal_residual": float(np.sqrt(residual)),
        "scale": float(np.sqrt(scale)),
    }


def _tile(s: Any, p: Problem, t: slice, beta: list[float], gamma: list[float]) -> tuple[float, float, float]:
    """The objective, squared residuals and squared norms of one tile of columns."""
    L = p.network.depth
    z_L, lam = s.z[L][:, t], s.lam[:, t]
    objective = p.loss.value(z_L, p.y[:, t]) + float((z_L * lam).sum(dtype=np.float64))
    residual = scale = 0.0
    for l in range(1, L + 1):
        z = s.z[l][:, t]
        r = square(z - np.matmul(s.W[l], s.a[l - 1][:, t], out=s.work.scratch("m", *z.shape)))
        objective, residual, scale = objective + beta[l] * r, residual + r, scale + square(z)
        if l < L:
            a = s.a[l][: z.shape[0], t]
            h = p.network.activation.value(z, out=s.work.scratch("m", *z.shape))
            e = square(a - h)
            objective, residual, scale = objective + gamma[l] * e, residual + e, scale + square(np.asfortranarray(a))
    return objective, residual, scale


def floor(s: Any, p: Problem) -> dict[str, Product]:
    """The GEMM and SYRK calls of one sweep on this rank, at the sweep's shapes, tiles and precision, by name.

    For every layer m = W_l a_{l-1} and z_l a_{l-1}^T; a_l a_l^T for the hidden ones (a_0 a_0^T never changes); and
    the two products of each a step in the cheaper of its forms.
    """
    n, L = p.network.n, p.network.depth
    factors: dict[str, tuple[Any, Any]] = {}
    for l in range(1, L + 1):
        factors[f"W{l} a{l - 1}"] = s.W[l], s.a[l - 1]
        factors[f"z{l} a{l - 1}^T"] = s.z[l], s.a[l - 1]
        if l > 1:
            factors[f"a{l - 1} a{l - 1}^T"] = s.a[l - 1], s.a[l - 1]
        if l < L and n[l + 1] >= n[l]:
            factors[f"W{l + 1}^T z{l + 1}"] = s.W[l + 1][:, : n[l]].T, s.z[l + 1]
            factors[f"G{l} s{l}"] = _small(n[l], n[l], p.dtype), s.z[l]
        elif l < L:
            factors[f"W{l + 1} h{l}"] = s.W[l + 1], s.a[l]
            factors[f"P{l} e{l}"] = _small(n[l], n[l + 1], p.dtype), s.z[l + 1]
    return {name: Product(*pair, p.tiles, outer=name.endswith("^T")) for name, pair in factors.items()}


def _small(rows: int, columns: int, dtype: Any) -> Array:
    """A matrix in the place of one that a step forms."""
    return np.asfortranarray(np.random.default_rng(0).standard_normal((rows, columns)), dtype)
