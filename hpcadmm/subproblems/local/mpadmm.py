"""A worker's step on a network: a few steps of mpadmm on minibatches, with matrix penalties of its own."""

import math
from typing import Any

import numpy as np

from hpcadmm.model.network import Network
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.vector import shaped
from hpcadmm.model.weighted import sum_of
from hpcadmm.subproblems.local.network import LocalNetwork, add_penalty
from hpcadmm.subproblems.matrix_penalty import direction, input_penalty, mean_diagonal, output_penalty
from hpcadmm.subproblems.norm import inner

DELTA, G, KAPPA = 1.0, 0.3, 3.0  # damping of A and of B, and the bound on s^2 <D, C>, as mpadmm has them
KEEP = 0.9  # of a running mean, after the first ten


def sides(network: Network) -> list[int]:
    """The rows of A_1, B_1, ..., A_L, B_L."""
    return [side for l in range(1, network.depth + 1) for side in (network.shape(l)[1], network.n[l])]


def take(mean: Array, total: Array, keep: float, counted: float) -> None:
    """mean = keep mean + (1 - keep) total / counted."""
    mean *= mean.dtype.type(keep)
    mean += mean.dtype.type((1 - keep) / counted) * total


class LocalMpadmm(LocalNetwork):
    """theta_n = a few steps from theta_n on F_n: with C = -grad F_n on a minibatch, layer by layer
    theta_n += argmin_D -<C_l, D> + 1/(2 s) <D, Q_l^-1 D P_l^-1> = s Q_l C_l P_l.

    A_l and B_l, running means of a a^T and lam lam^T on the first minibatch of an iteration, give P_l and Q_l.
    s = min(eta, sqrt(kappa / <D, C>), 1 / (c_n |Q_l| |P_l|) of all l), so that c_n/2 |theta|^2 falls as well.

    curvature (k, sum of sides^2): A_1, B_1, ..., A_L, B_L, kept between calls.
    """

    def __init__(self, *problem: Any, curvature: Array, eta: float, **options: Any) -> None:
        super().__init__(*problem, dtype=curvature.dtype, **options)
        self.curvature, self.eta = curvature, eta
        self.sides, self.layers = sides(self.network), range(1, self.network.depth + 1)
        self.ends = np.cumsum([0, *(side * side for side in self.sides)]).tolist()
        self.operands = [engine.operands() for engine in self.passes.products]
        self.sums, self.inverses = ([self._square(side) for side in self.sides] for _ in range(2))
        self.Q: Arrays = [None] * (self.network.depth + 1)  # operands of the inverses
        self.P = self.Q.copy()
        self.D: Arrays = [None, *map(np.zeros_like, self._G[1:])]
        self.longest = math.inf

    def _square(self, side: int) -> Array:
        return np.zeros((side, side), self.curvature.dtype, order="F")

    def means(self, n: int) -> list[Array]:
        """A_1, B_1, ..., A_L, B_L of the worker of row n, in place."""
        cuts = zip(self.ends, self.ends[1:], self.sides, strict=False)
        return [self.curvature[n, lo:hi].reshape(side, side, order="F") for lo, hi, side in cuts]

    def solve(self, some: slice, v: Array, theta: Array, k: int = 0) -> None:
        """The steps of iteration k of the workers in these rows, v (rows, d), on those rows of theta (k, d)."""
        real = theta.dtype.type
        for n, row in zip(range(len(theta))[some], v, strict=True):
            W = shaped(theta[n], self.network)
            for j, (x, y, w) in enumerate(self.batches(k, n)):
                weight = self.gradient(n, W, x, y, w)
                if j == 0:
                    self.refresh(n, x.shape[1], self.taken(n, k))
                add_penalty(self._g, real(weight), row, real(self.c[n]), theta[n])
                self.move(W)

    def refresh(self, n: int, samples: int, before: int) -> None:
        """Add the means of this minibatch to A and B, which have those of `before` others; then find P and Q."""
        keep, m = min(KEEP, before / (before + 1)), self.X[n].shape[1]
        counted = samples * sum_of(self.w[n], m) / (m or 1)  # its number times the mean weight of the worker's samples
        means, bound = self.means(n), 0.0
        for l in self.layers:
            of_layer = slice(2 * l - 2, 2 * l)
            (A, B), (P, Q), (S, T) = means[of_layer], self.inverses[of_layer], self.sums[of_layer]
            if counted:
                take(A, self.passes.inputs(l, S), keep, counted)
                take(B, self.passes.outputs(l, T), keep, counted)
            input_penalty(A, DELTA, P)
            output_penalty(B, G, Q)
            self.P[l], self.Q[l] = (self.operands[l].rounded(name, inverse) for name, inverse in (("P", P), ("Q", Q)))
            bound = max(bound, (1 + G) / (G * DELTA * (mean_diagonal(A) or 1.0)))
        self.longest = 1 / (self.c[n] * bound) if self.c[n] else math.inf

    def move(self, W: Any) -> None:
        """W_l += s Q_l C_l P_l of all layers, with C = -_g."""
        for l in self.layers:
            np.negative(self._G[l], out=self._G[l])
            direction(self.Q[l], self._G[l], self.P[l], self.D[l], self.passes.products[l], self.operands[l])
        slope = sum(inner(self.D[l], self._G[l]) for l in self.layers)
        step = min(self.eta, self.longest, math.sqrt(KAPPA / slope)) if slope > 0 else 0.0
        for l in self.layers:
            self.D[l] *= self.D[l].dtype.type(step)
            W[l] += self.D[l]
