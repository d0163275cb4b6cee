"""What is measured of the first-order methods, and the matrix products that one of their steps cannot do without."""

import math
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.tiles import Tiles, block, pieces
from hpcadmm.solvers.shared.products import Product
from hpcadmm.subproblems.norm import square


def measure(solver: Any, s: Any, p: Problem, world: World) -> dict[str, float]:
    """`objective`: m times what is minimised, the loss summed over all training samples and m decay/2 |W|^2;
    `primal_residual`: the norm of the last mean gradient, that of one batch, with the decay of W as it is now; `scale`:
    the norm of W.

    So far: `epochs`; `sums`: steps, each of them one Allreduce; `rounds` and `payload_bits` of `solver.workers` around
    a server: gradients up, weights down, in the working precision.
    """
    steps, several = int(s.done[0]), solver.workers > 1
    weights = sum(W.size for W in s.W[1:])
    return {
        "objective": summed_loss(s.W, p, world) + p.tiles.n * penalty(s.W, p.network, solver.decay),
        "primal_residual": gradient_norm(s, p, solver.decay),
        "scale": norm(s.W),
        "epochs": steps / s.work.count,
        "sums": steps,
        "rounds": 2 * steps if several else 0,
        "payload_bits": steps * (solver.workers + 1) * weights * 8 * s.W[1].itemsize if several else 0,
    }


def summed_loss(W: Arrays, p: Problem, world: World) -> float:
    """sum R(network(x), y) over the training samples of all ranks. Collective; those that hold the same columns share
    the work."""
    values = np.zeros((len(p.tiles), 1))
    mine = slice(*block(len(p.tiles), world.chain.size, world.chain.rank))
    for value, (_, columns) in list(zip(values, p.tiles, strict=True))[mine]:
        for t in pieces(columns):
            value[0] += p.loss.value(p.network.forward(W, p.x[:, t]), p.y[:, t])
    return float(sum_by_tile(world, p.tiles, values)[0])


def penalty(W: Arrays, network: Network, decay: float) -> float:
    """decay/2 sum_l |W_l|^2 without biases."""
    return decay / 2 * sum(square(w[:, :n].astype(np.float64)) for w, n in zip(W[1:], network.n, strict=False))


def gradient_norm(s: Any, p: Problem, decay: float) -> float:
    """|g / samples + decay W| of the last step's sums g; 0 before the first."""
    samples, squares = s.work.size(max(0, int(s.done[0]) - 1)), 0.0
    for W, total, n in zip(s.W[1:], s.work.sums.gradient[1:], p.network.n, strict=False):
        d = total.total / samples
        d[:, :n] += decay * W[:, :n]
        squares += square(d)
    return float(np.sqrt(squares))


def norm(W: Arrays) -> float:
    """Of all weights together."""
    return float(np.sqrt(sum(square(w.astype(np.float64)) for w in W[1:])))


def finite(W: Arrays) -> bool:
    """Is it free of NaN and infinity? By the norm; entry by entry only where that overflows."""
    return all(math.isfinite(square(w)) or bool(np.isfinite(w).all()) for w in W[1:])


def floor(s: Any, p: Problem, parts: list[tuple[Array, Array]]) -> dict[str, Product]:
    """The products of a pass forward and back over this rank's parts of a batch: W_l a_{l-1}, W_l^T lam_l (l > 1) and
    lam_l a_{l-1}^T."""
    n, columns = p.network.n, sum(x.shape[1] for x, _ in parts)
    random, tallest = np.random.default_rng(0), max(n[1:]) + p.network.ones
    tiles = p.tiles if columns == p.x.shape[1] else Tiles(columns, columns, parts=max(1, len(parts)))
    x = p.x if columns == p.x.shape[1] else p.x[:, :columns]
    a, lam = (np.asfortranarray(random.standard_normal((columns, tallest), dtype=p.dtype).T) for _ in range(2))
    products: dict[str, Product] = {}
    for l in range(1, p.network.depth + 1):
        before = x if l == 1 else a[: n[l - 1] + p.network.ones]
        products[f"W{l} a{l - 1}"] = Product(s.W[l], before, tiles)
        products[f"lam{l} a{l - 1}^T"] = Product(lam[: n[l]], before, tiles, outer=True)
        if l > 1:
            products[f"W{l}^T lam{l}"] = Product(s.W[l][:, : n[l - 1]].T, lam[: n[l]], tiles)
    return products
