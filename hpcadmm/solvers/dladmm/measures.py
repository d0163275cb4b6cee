"""What is measured of a dlADMM iterate, and the matrix products that an iteration cannot do without."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.shared.products import Product
from hpcadmm.subproblems.norm import square
from hpcadmm.subproblems.quadratic_bound import omega


def measure(solver: Any, s: Any, p: Problem, world: World) -> Mapping[str, float]:
    """`objective`: the augmented Lagrangian; `primal_residual`: the norm of all z_l - W_l a_{l-1} - b_l and
    a_l - f(z_l), formed afresh; `scale`: the norm of all z_l and a_l."""
    values = np.zeros((len(p.tiles), 3))
    for row, (_, t) in zip(values, p.tiles, strict=True):
        row[...] = _tile(s, p, t)
    objective, residual, scale = sum_by_tile(world, p.tiles, values)
    weights = [W[:, :n] for W, n in zip(s.W[1:], p.network.n, strict=False)]
    return {
        "objective": float(objective) + solver.decay * sum(omega(W, solver.penalty) for W in weights),
        "primal_residual": float(np.sqrt(residual)),
        "scale": float(np.sqrt(scale)),
    }


def _tile(s: Any, p: Problem, t: slice) -> tuple[float, float, float]:
    """The Lagrangian without Omega, squared residuals and squared norms of one tile of columns."""
    L, (nu, rho) = p.network.depth, s.penalties
    objective, residual, scale = p.loss.value(s.z[L][:, t], p.y[:, t]), 0.0, 0.0
    for l in range(1, L + 1):
        z = s.z[l][:, t]
        r = z - np.matmul(s.W[l], s.a[l - 1][:, t], out=s.work.scratch("m", *z.shape))
        size = square(r)
        objective, residual, scale = objective + (nu if l < L else rho) / 2 * size, residual + size, scale + square(z)
        if l == L:
            objective += float((s.u[:, t] * r).sum(dtype=np.float64))
        else:
            a = s.a[l][: z.shape[0], t]
            size = square(a - p.network.activation.value(z, out=s.work.scratch("h", *z.shape)))
            objective, residual, scale = objective + nu / 2 * size, residual + size, scale + square(a)
    return objective, residual, scale


def floor(s: Any, p: Problem) -> dict[str, Product]:
    """The GEMM calls of one iteration on this rank: for every layer F_l a_{l-1}^T and D_l a_{l-1}, for every hidden
    one W_{l+1}^T F_{l+1} and W_{l+1} g_l; each once backward and once forward."""
    n, random = p.network.n, np.random.default_rng(0)
    products: dict[str, Product] = {}
    for way in ("backward", "forward"):
        for l in range(1, p.network.depth + 1):
            W, a = s.W[l][:, : n[l - 1]], s.a[l - 1][: n[l - 1]]
            products[f"F{l} a{l - 1}^T {way}"] = Product(s.z[l], a, p.tiles, outer=True)
            D = np.asfortranarray(random.standard_normal(W.shape), p.dtype)
            products[f"D{l} a{l - 1} {way}"] = Product(D, a, p.tiles)
            if l > 1:
                products[f"W{l}^T F{l} {way}"] = Product(W.T, s.z[l], p.tiles)
                products[f"W{l} g{l - 1} {way}"] = Product(W, a, p.tiles)
    return products
