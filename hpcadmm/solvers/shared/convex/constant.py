"""The model of a constant output, and the strength of a penalty from which it is the minimum."""

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.shared.convex.objective import gradient, weighted_sum

HALVINGS = 30


def largest(p: Problem, world: World) -> float:
    """The least strength of the penalty for which all coefficients are 0; a bound above it for a loss with kinks, where
    other subgradients than this one may be smaller. Collective."""
    b = intercepts(p, world) if p.network.bias else np.zeros(len(p.y))
    found: float = p.penalty.largest(gradient(lambda t: _slope(b, p, t), p, world)[1])
    return found


def intercepts(p: Problem, world: World) -> Array:
    """argmin_b sum w l(b, y), (outputs,); where outputs mix, the logarithms of the classes' shares. Collective."""
    if p.loss.mixes:
        shares = weighted_sum(p.y, p, world)
        return np.log(np.maximum(shares, np.finfo(p.dtype).tiny) / shares.sum())
    low, high = -np.ones(len(p.y)), np.ones(len(p.y))
    while (short := _slopes(high, p, world) < 0).any():
        high[short] *= 2
    while (short := _slopes(low, p, world) > 0).any():
        low[short] *= 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = _slopes(middle, p, world) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def _slope(b: Array, p: Problem, t: slice) -> Array:
    """The gradient of share * l by z at z = b for the samples t."""
    z = np.asfortranarray(np.broadcast_to(b[:, None].astype(p.dtype), p.y[:, t].shape))
    found: Array = p.dtype(p.loss.share) * p.loss.gradient(z, p.y[:, t])
    return found


def _slopes(b: Array, p: Problem, world: World) -> Array:
    """The sum of w times the gradient over all samples, (outputs,). Collective."""
    every = np.empty_like(p.y)
    for _, t in p.tiles:
        every[:, t] = _slope(b, p, t)
    return weighted_sum(every, p, world)
