"""What is measured of gradient descent around a server, and the products that an iteration cannot do without."""

from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.shared.products import Product
from hpcadmm.solvers.workers.measures import norm
from hpcadmm.solvers.workers.server import answer_bits, payload


def measure(solver: Any, s: Any, p: Problem, world: World) -> dict[str, Any]:
    """`objective`: f(W) + m decay/2 |W|^2; all workers have one model, so that `consensus_distance` is 0, and in place
    of a primal residual stands what has to become 0: `primal_residual` is the norm of the gradient that the last
    iteration went down; `scale`: of W.

    Where the optimum is known: `objective_error`, `mean_error`: f(W) - f*, the latter free of cancellation.
    So far: `rounds`, `payload_bits`: all uploads, and the broadcasts once each; `payload_bits_per_worker`: uploads;
    `broadcast_bits`; `payload_messages`.
    """
    work = s.work
    objective = float(values(s, p, world).sum())
    found = {
        "objective": objective + penalty(solver, s, p),
        "primal_residual": float(s.slope[0]),
        "scale": float(np.sqrt(sum(norm(w.astype(np.float64)) ** 2 for w in s.W[1:]))),
        "consensus_distance": 0.0,
        **payload(solver.uploads(s, world), int(s.done[0]), answer_bits(s.W)),
    }
    if work.optimum is not None:
        excess = work.optimum.excess(s.W[1].reshape(-1, order="F").astype(np.float64))
        found |= {"objective_error": abs(excess), "mean_error": excess}
    return found


def penalty(solver: Any, s: Any, p: Problem) -> float:
    """m decay/2 |W|^2, biases excepted."""
    squares = (norm(w[:, :n].astype(np.float64)) ** 2 for w, n in zip(s.W[1:], p.network.n, strict=False))
    return 0.5 * p.tiles.n * solver.decay * float(sum(squares)) if solver.decay else 0.0


def values(s: Any, p: Problem, world: World) -> Array:
    """f(W), (1,), over all workers; of linear models whose optimum is known in float64."""
    work = s.work
    if work.local is not None:
        theta = np.tile(s.W[1].reshape(-1, order="F"), (len(p.tiles), 1))
        return sum_by_tile(world, p.tiles, work.local.values(theta)[:, None])
    half = work.share * max(p.tiles.n, 1)
    found = [[sum(value(s.W, p, t) for t in of_worker)] for of_worker in work.chunks]
    return half * sum_by_tile(world, p.tiles, np.array(found, np.float64).reshape(len(p.tiles), 1))


def value(W: Any, p: Problem, t: slice) -> float:
    """The summed loss over some columns."""
    return p.loss.value(p.network.forward(W, p.x[:, t]), p.y[:, t])


def floor(s: Any, p: Problem) -> dict[str, Product]:
    """The products of a pass forward and one back."""
    n, L, m = p.network.n, p.network.depth, p.x.shape[1]
    random, tiles = np.random.default_rng(0), Tiles(m, 1024)

    def drawn(rows: int) -> Array:
        return np.asfortranarray(random.standard_normal((m, rows), dtype=p.dtype).T)

    products = {}
    a = [p.x, *(drawn(n[l] + p.network.ones) for l in range(1, L))]
    for l in range(1, L + 1):
        lam = drawn(n[l])
        products[f"W_{l} a_{l - 1}"] = Product(s.W[l], a[l - 1], tiles)
        products[f"lam_{l} a_{l - 1}^T"] = Product(lam, a[l - 1], tiles, outer=True)
        if l > 1:
            products[f"W_{l}^T lam_{l}"] = Product(s.W[l][:, : n[l - 1]].T, lam, tiles)
    return products
