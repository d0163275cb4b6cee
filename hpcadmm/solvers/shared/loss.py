"""The objective of a network and the size of its weights."""

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Arrays
from hpcadmm.model.tiles import block, pieces
from hpcadmm.subproblems.norm import square


def summed_loss(W: Arrays, p: Problem, world: World) -> float:
    """sum w R(network(x), y) over the training samples of all ranks; ranks with the same samples share the work.
    Collective."""
    values = np.zeros((len(p.tiles), 1))
    mine = slice(*block(len(p.tiles), world.chain.size, world.chain.rank))
    for value, (_, columns) in list(zip(values, p.tiles, strict=True))[mine]:
        for t in pieces(columns):
            value[0] += p.loss.value(p.network.forward(W, p.x[:, t]), p.y[:, t], p.w(t))
    return float(sum_by_tile(world, p.tiles, values)[0])


def penalty(W: Arrays, network: Network, decay: float) -> float:
    """decay/2 sum_l |W_l|^2 without biases."""
    return decay / 2 * sum(square(w[:, :n].astype(np.float64)) for w, n in zip(W[1:], network.n, strict=False))


def norm(W: Arrays) -> float:
    """The norm of all weights together."""
    return float(np.sqrt(sum(square(w.astype(np.float64)) for w in W[1:])))
