"""The objective of a linear model with a penalty, and a lower bound of its minimum."""

from collections.abc import Callable

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import times
from hpcadmm.solvers.shared.loss import summed_loss
from hpcadmm.solvers.shared.normal import sum_over_samples


def coefficients(W: Array, p: Problem) -> Array:
    """W without the intercepts."""
    return W[:, : p.network.n[0]]


def objective(W: Array, p: Problem, world: World) -> float:
    """F(W). Collective."""
    loss = p.loss.share * summed_loss([None, W], p, world) / p.total
    return loss + p.penalty.value(coefficients(W, p))


def deviance(W: Array, p: Problem, world: World) -> float:
    """2/N sum w (share l(W x, y) - min_z share l(z, y)): the mean squared error, twice the log loss, the Poisson
    deviance; of other losses twice their mean. Collective."""
    least = [-p.loss.conjugate(np.zeros_like(p.y[:, t]), p.y[:, t], p.w(t)) for _, t in p.tiles]
    saturated = float(sum_by_tile(world, p.tiles, np.array(least).reshape(-1, 1))[0])
    return 2 * (p.loss.share * summed_loss([None, W], p, world) - saturated) / p.total


def slope(W: Array, p: Problem, t: slice) -> Array:
    """The gradient of share * l by z at W x, for the samples t."""
    found: Array = p.dtype(p.loss.share) * p.loss.gradient(p.engines[1].apply(W, p.x[:, t]), p.y[:, t])
    return found


def gap(value: float, bound: float | None) -> dict[str, float]:
    """(F - bound) / |F|, never below 0, as an entry of a row of metrics; none without a bound."""
    return {} if bound is None else {"duality_gap": max(value - bound, 0.0) / (abs(value) or 1.0)}


def bound(g: Callable[[slice], Array], p: Problem, world: World) -> float | None:
    """A lower bound of the minimum of F by Fenchel duality; None if there is none from here. Collective.

    g(t): (outputs, columns), a gradient of share * l by z for columns t. g times any number in [0, 1] lies in the
    domain of the loss's conjugate. With G = -(1/N) sum w g x^T, scaled by the largest s for which P*(s G) is finite,
    the bound is -(1/N) sum w l*(s g) - P*(s G). The terms of an intercept have to cancel: see `_balance` and `_mix`.
    """
    every, G = gradient(g, p, world)
    found = p.penalty.dual(G)
    if found is None:
        return None
    s, conjugate = found
    values = [p.loss.conjugate(s * every[:, t].astype(np.float64), p.y[:, t], p.w(t)) for _, t in p.tiles]
    return -float(sum_by_tile(world, p.tiles, np.array(values).reshape(-1, 1))[0]) / p.total - conjugate


def gradient(g: Callable[[slice], Array], p: Problem, world: World) -> tuple[Array, Array]:
    """g for all samples, made to fulfil sum w g = 0 where there are intercepts, and G = -(1/N) sum w g x^T of the
    coefficients. Collective."""
    every = np.empty_like(p.y)
    for _, t in p.tiles:
        every[:, t] = g(t)
    if p.network.bias:
        (_mix if p.loss.mixes else _balance)(every, p, world)
    G = sum_over_samples(every, p.x, p.tiles, world, w=p.train.weight, products=p.engines[1]) / -p.total
    return every, coefficients(G, p)


def weighted_sum(x: Array, p: Problem, world: World) -> Array:
    """sum_i w_i x_i over all samples, (rows,), in float64; x (rows, columns). Collective."""
    weighted = times(x, p.train.weight)
    by_tile = [weighted[:, t].sum(axis=1, dtype=np.float64) for _, t in p.tiles]
    found: Array = sum_by_tile(world, p.tiles, np.array(by_tile).reshape(-1, len(x)))
    return found


def _balance(g: Array, p: Problem, world: World) -> None:
    """Make sum w g = 0 for each output: the entries of the sign that weighs more become smaller. Collective."""
    sums = weighted_sum(np.concatenate([np.maximum(g, 0), np.maximum(-g, 0)]), p, world)
    for row, more, less in zip(g, *np.split(sums, 2), strict=True):
        if more != less:
            row[row > 0 if more > less else row < 0] *= min(more, less) / max(more, less)


def _mix(g: Array, p: Problem, world: World) -> None:
    """Make sum w g = 0 where g + y are probabilities, as they stay: g becomes (1 - t) g + t (c - y), with the same
    probabilities c for all samples and the smallest t that allows it. Collective."""
    excess, share = weighted_sum(np.concatenate([g, p.y]), p, world).reshape(2, len(g), 1)
    over = excess > 0
    if not over.any():
        return
    t = 1 / (1 + float((share[over] / excess[over]).min()))
    c = (share - (1 - t) / t * excess) / share.sum()
    g *= g.dtype.type(1 - t)
    g += (t * (c - p.y)).astype(g.dtype)
