"""Batch normalisation with the statistics of the training samples, which become part of the weights.

Ioffe, Szegedy: Batch Normalization, ICML 2015, Algorithm 2.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.solvers.shared.batches import Drawn
from hpcadmm.subproblems.batch_norm import deviation, moments
from hpcadmm.subproblems.passes import Passes

ENOUGH = 100_000  # samples for means and variances


class Population:
    """From weights V of a normalised network to W of a plain one, the same on any number of ranks:

        W_l a + b = (V_l a - mean) / sd + beta, l < L, beta the biases of V_l;   W_L = V_L.

    mean and sd^2 are those of V_l a without noise: means over the parts of an epoch's batches of a part's mean and of
    m / (m - 1) times its variance, m its samples. Of a large training set the first ENOUGH samples count.
    """

    def __init__(self, p: Problem, batch: int) -> None:
        self.problem, self.drawn, self.passes = p, Drawn(p, batch), _passes(p, norm=True)
        self.at = -1  # the step of the last `fold`

    def fold(self, V: Arrays, W: Arrays, step: int, world: World) -> None:
        """Fill W from the weights V after this step, once a step. Collective."""
        if self.at == step:
            return
        for l, (mean, sd) in enumerate(self._statistics(self.passes, V, world), 1):
            beta = V[l][:, -1].astype(np.float64)
            W[l][...] = V[l] / sd[:, None]
            W[l][:, -1] = (beta - mean) / sd + beta
        W[-1][...], self.at = V[-1], step

    def unfolded(self, W: Arrays, world: World) -> Arrays:
        """The V that `fold` turns into W, except that means over parts differ a little. Collective.

        A unit of V passes on 1 / sd of what it does in W, and the weights of the next layer are sd times as large.
        """
        V, before = [None, *(w.copy(order="F") for w in W[1:])], np.ones(self.problem.network.n[0])
        for l, (mean, sd) in enumerate(self._statistics(_passes(self.problem, norm=False), W, world), 1):
            V[l][:, :-1] *= before
            V[l][:, -1] = mean / sd
            before = sd
        V[-1][:, :-1] *= before
        return V

    def _statistics(self, passes: Passes, W: Arrays, world: World) -> list[tuple[Array, Array]]:
        """mean and sd of W_l a_{l-1} with its bias, l = 1..L-1."""
        p, edges = self.problem, np.cumsum([1, *np.repeat(self.problem.network.n[1:-1], 2)])
        values, operands = np.zeros((len(p.tiles), edges[-1])), passes.weights(W)
        for k in range(min(self.drawn.count, -(-ENOUGH * self.drawn.count // p.tiles.n))):
            for t, (x, *_) in enumerate(self.drawn.parts(k)):
                if x.shape[1]:
                    passes.forward(operands, x)
                    values[t] += np.concatenate([[1.0], *_moments(passes, x.shape[1])])
        total = sum_by_tile(world, p.tiles, values)
        means = np.split(total / total[0], edges[:-1])[1:]
        return [(mean, deviation(variance)) for mean, variance in zip(means[::2], means[1::2], strict=True)]


def _passes(p: Problem, norm: bool) -> Passes:
    return Passes(replace(p.network, norm=norm), p.loss, p.dtype, p.engines)


def _moments(passes: Passes, m: int) -> Iterator[Array]:
    """mean and m / (m - 1) variance of each layer l < L, after a forward pass of m samples."""
    for l in passes.layers[:-1]:
        if l in passes.norms:
            mean, variance = passes.norms[l].mean, passes.norms[l].variance
        else:
            mean, variance = np.zeros((2, passes.network.n[l]))
            moments(passes.z[l].T, mean, variance)
        yield mean
        yield variance * (m / max(m - 1, 1))
