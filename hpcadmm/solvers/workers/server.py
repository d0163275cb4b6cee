"""What a server does in a round: it chooses the workers, sums what they upload, and moves its model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact, first_grid
from hpcadmm.comm.exact.vectors import side_by_side
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.model.vector import spans
from hpcadmm.model.weighted import sum_of
from hpcadmm.solvers.workers.workers import Workers
from hpcadmm.subproblems.first_order import adam, sgd

KEY = 11  # of the draws of workers, among the random numbers of a seed
SQUARES = 2  # the vector of squares, after the models and the averages of gradients
BETA2, EPSILON = 0.99, 1e-3  # of FedAdam


class Uploads:
    """The exact sum over all workers of `vectors` vectors (d,) each, in one Allreduce.

    whole: sum each as one vector, as the exact steps of linear models need it; else layer by layer, where float32
        travels in one float64 word an entry, but Adam's averages of squares in two: what is lost of them, Adam divides
        by.
    scales: what the sum carries from round to round; a checkpoint keeps it
    """

    def __init__(self, p: Problem, workers: int, *, whole: bool, vectors: int = 1) -> None:
        by_layer = spans(p.network)
        self.spans = [slice(0, by_layer[-1].stop)] if whole else by_layer
        shapes = [(by_layer[-1].stop,)] if whole else [p.network.shape(l) for l in range(1, p.network.depth + 1)]
        made = [(shape, k < SQUARES and not whole) for k in range(vectors) for shape in shapes]
        self.sums = [Exact(shape, p.dtype, workers, first_grid(1), patient=patient) for shape, patient in made]
        self.message = None if whole else side_by_side(self.sums)
        self.scales: Any = self.sums[0].scales if whole else [None, *(one.scales for one in self.sums)]

    def sum(self, world: World, *vectors: Array) -> list[Array]:
        """Of each vector, given as the rows (k, d) of this rank's workers, the sum over all, (d,). Collective."""
        places = [(rows, t) for rows in vectors for t in self.spans]

        def add() -> None:
            for one, (rows, t) in zip(self.sums, places, strict=True):
                one.clear()
                for row in rows:
                    one.add(row[t].reshape(one.shape, order="F"))

        add()
        sum_exactly(world, self.sums, add, self.message)
        total = np.concatenate([one.total.reshape(-1, order="F") for one in self.sums])
        return np.split(total, len(vectors))


def weights_of(p: Problem) -> Array:
    """The summed weights of the samples of each of this rank's workers."""
    return np.array([sum_of(p.w(t), t.stop - t.start) for _, t in p.tiles], np.float64)


def taking_part(share: float, workers: int) -> int:
    """The number of workers in a round, at least one."""
    return max(1, round(share * workers))


@dataclass(frozen=True)
class Rounds:
    """Who takes part in round k = 0, 1, ...: this share of the workers, at least one, drawn by (seed, k).

    weight: (N,), the weights of each worker's samples, summed.
    """

    workers: Workers
    seed: int
    participate: float
    weight: Array

    def drawn(self, k: int) -> Array:
        """Does worker n take part, (N,)?"""
        N = self.workers.count
        some = np.random.default_rng([self.seed, KEY, k]).permutation(N)[: taking_part(self.participate, N)]
        return np.isin(np.arange(N), some)

    def rows(self, k: int) -> list[slice]:
        """The rows of this rank's workers that take part."""
        if self.participate == 1:
            return [slice(None)]
        drawn = self.drawn(k)[self.workers.mine]
        return [slice(row, row + 1) for row in np.flatnonzero(drawn).tolist()]

    def shares(self, k: int) -> Array:
        """What each of this rank's workers counts in the mean over all N of them, (rows, 1): N times its weight over
        that of all who take part; 0 for the others."""
        drawn = self.drawn(k)
        weight = self.weight * drawn
        if not weight.any():  # none of their samples counts
            weight = drawn.astype(np.float64)
        return (weight * self.workers.count / weight.sum())[self.workers.mine, None]


def nesterov(Theta: Array, mean: Array, outer: Array, rate: float, momentum: float) -> None:
    """D = Theta - mean,   u = momentum u + D,   Theta -= rate (D + momentum u);   outer: u, (1, d)."""
    real = Theta.dtype.type
    sgd(Theta, Theta - mean, outer[0], 0, 1.0, real(0), real(rate), real(momentum), real(1))


def fed_adam(Theta: Array, mean: Array, outer: Array, rate: float, momentum: float) -> None:
    """D = Theta - mean,   u = momentum u + (1 - momentum) D,   v = 0.99 v + 0.01 D^2,
    Theta -= rate u / (sqrt(v) + 0.001);   outer: u and v, (2, d)."""
    real = Theta.dtype.type
    scalars = 0.0, rate, momentum, 1 - momentum, BETA2, 1 - BETA2, 1.0, EPSILON
    adam(Theta, Theta - mean, *outer, 0, 1.0, *(real(x) for x in scalars))


MOVES = {"nesterov": nesterov, "adam": fed_adam}  # by the server's name: Theta from the mean of the uploads
RATES = {"nesterov": 0.7, "adam": 0.01}  # default of outer_rate
MEMORY = {"nesterov": 1, "adam": 2}  # vectors that the server keeps


class Work:
    """This rank's workers, Theta as a vector, and what `prepare` forms. Not saved."""

    def __init__(self, p: Problem, vectors: int) -> None:
        self.workers = Workers(p.tiles)
        self.Theta: Array = np.zeros(spans(p.network)[-1].stop, p.dtype)
        self.before = np.zeros_like(self.Theta)  # Theta before the last iteration
        self.zero = np.zeros((len(self.workers.mine), self.Theta.size), p.dtype)
        self.vectors = vectors  # that a worker uploads: theta_n, and shared moments
        self.dual_step = 1.0
        self.rounds: Any = None
        self.local: Any = None
        self.optimum: Any = None
