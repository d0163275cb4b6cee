"""What is measured of a pdADMM iterate, and the matrix products that an iteration cannot do without."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.pdadmm import start as pdadmm_start
from hpcadmm.solvers.pdadmm.work import PAYLOAD
from hpcadmm.solvers.shared.products import Product
from hpcadmm.subproblems.norm import square
from hpcadmm.subproblems.quadratic_bound import omega

COLUMNS = 5  # by layer: Lagrangian, |p - q|^2, |p|^2 + |q|^2, squared error and squared norm of what was sent


def measure(solver: Any, s: Any, p: Problem, world: World) -> Mapping[str, Any]:
    """`objective`: the augmented Lagrangian, with p as agreed; `primal_residual`: the norm of all p_{l+1} - q_l;
    `scale`: that of all p and q; `weight_movement`: |W_l - W_l at the start| / |W_l at the start| by layer;
    `payload_bytes`: of all messages between layers so far, whether or not they crossed ranks; with a wire that loses
    digits `wire_error`: what its messages now lack, relative to what they say."""
    L = p.network.depth
    values = np.zeros((len(p.tiles), L + 1, COLUMNS))
    for row, (_, t) in zip(values, p.tiles, strict=True):
        for l in s.work.links.layers:
            row[l] = _layer(s, l, t, p)
    sums = sum_by_tile(world, p.tiles, values.reshape(len(values), -1)).reshape(L + 1, COLUMNS).sum(axis=0)
    layers = np.zeros((L + 1, 3))  # Omega / decay, movement and payload of the layers of this rank
    for l in s.work.mine:
        W, start = s.W[l], pdadmm_start.first_layer(solver, p, l)
        layers[l] = omega(W[:, : p.network.n[l - 1]], solver.penalty), _moved(W, start), s.marks[l, PAYLOAD]
    (layers,) = world.chain.sum(layers)
    found = {
        "objective": float(sums[0] + solver.decay * sum(layers[:, 0].tolist())),
        "primal_residual": float(np.sqrt(sums[1])),
        "scale": float(np.sqrt(sums[2])),
        "weight_movement": layers[1:, 1].tolist(),
        "payload_bytes": int(layers[:, 2].sum()),
    }
    if not s.work.links.wire.lossless:
        found["wire_error"] = float(np.sqrt(sums[3] / sums[4])) if sums[4] else 0.0
    return found


def _moved(W: Any, start: Any) -> float:
    return float(np.linalg.norm(W - start)) / max(float(np.linalg.norm(start)), 1e-30)


def _layer(s: Any, l: int, t: slice, p: Problem) -> tuple[float, float, float, float, float]:
    """One tile of layer l: its part of the Lagrangian without Omega, and the other columns."""
    nu, rho, dual = s.penalties
    links, z = s.work.links, s.z[l][:, t]
    objective = nu / 2 * square(z - np.matmul(s.W[l], s.p[l][:, t], out=s.work.scratch("m", *z.shape)))
    error = size = 0.0
    if not links.wire.lossless and l > 1:
        error, size = square(s.p[l][:, t] - s.sent_p[l][:, t]), square(s.sent_p[l][:, t])
    if l == p.network.depth:
        return objective + p.loss.value(z, p.y[:, t]), 0.0, 0.0, error, size
    q, above = s.q[l][:, t], links.p_above(l)[: len(z), t]
    u_over_nu = q - p.network.activation.value(z, out=s.work.scratch("h", *z.shape))
    r = np.asfortranarray(above - q)
    objective += nu / 2 * square(u_over_nu) + rho / 2 * square(r) + dual * float((u_over_nu * r).sum(dtype=np.float64))
    if not links.wire.lossless:
        w = links.form_w(l, t)
        error, size = error + square(w - s.sent_w[l][:, t]), size + square(w)
    return objective, square(r), square(q) + square(np.asfortranarray(above)), error, size


def floor(solver: Any, s: Any, p: Problem) -> dict[str, Product]:
    """The GEMM calls of one iteration on this rank. Quadratic: for every layer R_l p_l^T and D_l p_l, and above the
    first W_l^T R_l and W_l g_l. Exact: z_l p_l^T, p_l p_l^T and W_l p_l, above the first W_l^T z_l and G_l s_l."""
    n, random = p.network.n, np.random.default_rng(0)
    products: dict[str, Product] = {}

    def matrix(rows: int, columns: int) -> Any:
        return np.asfortranarray(random.standard_normal((rows, columns)), p.dtype)

    for l in s.work.links.layers:
        W, x, z = s.W[l][:, : n[l - 1]], s.p[l][: n[l - 1]], s.z[l]
        if solver.update == "exact":
            products[f"W{l} p{l}"] = Product(s.W[l], s.p[l], p.tiles)
            products[f"p{l} p{l}^T"] = Product(s.p[l], s.p[l], p.tiles, outer=True)
        else:
            products[f"D{l} p{l}"] = Product(matrix(*W.shape), x, p.tiles)
        products[f"z{l} p{l}^T"] = Product(z, x, p.tiles, outer=True)
        if l > 1 and solver.update != "exact":
            products[f"W{l}^T R{l}"] = Product(W.T, z, p.tiles)
            products[f"W{l} g{l}"] = Product(W, x, p.tiles)
        elif l > 1 and n[l] >= n[l - 1]:
            products[f"W{l}^T z{l}"] = Product(W.T, z, p.tiles)
            products[f"G{l} s{l}"] = Product(matrix(n[l - 1], n[l - 1]), x, p.tiles)
        elif l > 1:
            products[f"W{l} h{l}"] = Product(s.W[l], s.p[l], p.tiles)
            products[f"P{l} e{l}"] = Product(matrix(n[l - 1], n[l]), z, p.tiles)
    return products
