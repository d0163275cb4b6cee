"""What is measured of mpadmm, and what a sweep cannot do without."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcadmm.comm.exact import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Arrays
from hpcadmm.solvers.products import Product
from hpcadmm.subproblems.norm import square

WIDEST = 1024  # columns of a forward pass


def mean_loss(W: Arrays, p: Problem, world: World) -> float:
    """(1/m) sum_i R(z_L,i; y_i) over all samples. Collective; the same bits on any number of ranks."""
    values = np.zeros((len(p.tiles), 1))
    for value, (_, t) in zip(values, p.tiles, strict=True):
        for lo in range(t.start, t.stop, WIDEST):
            some = slice(lo, min(lo + WIDEST, t.stop))
            value[0] += p.loss.value(p.network.forward(W, p.x[:, some]), p.y[:, some])
    return float(sum_by_tile(world, p.tiles, values)[0]) / max(p.tiles.n, 1)


def size_of(W: Arrays, network: Network) -> float:
    """sum_l |W_l|^2, biases excepted."""
    return sum(square(W[l][:, : network.n[l - 1]]) for l in range(1, network.depth + 1))


def measure(solver: Any, s: Any, p: Problem, world: World) -> Mapping[str, Any]:
    """`objective`: the loss summed over the samples, and m decay/2 |W|^2; `primal_residual`: the norm of C, the
    gradient of the last batch's mean (z = W a holds exactly); `scale`: of W; `step` and `slope`, <D, C>, of the last sweep;
    `epochs`: passes over the data so far; `sums` over the ranks so far; `refreshes` of the penalties."""
    step, slope, C = (float(v) for v in s.last)
    sweeps, refreshes, sums = (int(v) for v in s.counts)
    m, W = p.tiles.n, s.W
    return {
        "objective": m * (mean_loss(W, p, world) + 0.5 * solver.decay * size_of(W, p.network)),
        "primal_residual": C,
        "scale": float(np.sqrt(size_of(W, p.network))),
        "step": step,
        "slope": slope,
        "epochs": sweeps / s.work.batches.count if solver.batch else float(sweeps),
        "sums": sums,
        "refreshes": refreshes,
    }


def floor(solver: Any, s: Any, p: Problem) -> dict[str, Product]:
    """To come."""
    return {}
