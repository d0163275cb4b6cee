"""What decentralized solvers have in common: workers dealt to ranks, each with samples and weights of its own."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.graph import Graph
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.vector import flat, spans
from hpcadmm.solvers.workers.neighbours import Workers
from hpcadmm.solvers.workers.optimum import OPTIMA
from hpcadmm.solvers.workers.parted import Parted
from hpcadmm.subproblems.local_least_squares import LocalLeastSquares
from hpcadmm.subproblems.local_newton import LocalNewton

LOCAL = {"squared": LocalLeastSquares, "cross-entropy": LocalNewton}  # by loss, for linear models
MARKS = 2  # of a worker, payload bits and messages so far; then by layer bits an entry and R of the last message


class Work:
    """This rank's workers as stacks, a row each in the order of `workers.rows`; lists of the state are views of them.

    Not saved.
    """

    def __init__(self, graph: Graph, p: Problem, world: World) -> None:
        self.workers = Workers(graph, world)
        self.layers = spans(p.network)  # of theta
        k, d = len(self.workers.mine), self.layers[-1].stop
        self.own = slice(0, k)
        self.theta, self.mu = np.zeros((k, d), p.dtype), np.zeros((k, d), p.dtype)
        self.marks = np.zeros((k, MARKS + 2 * len(self.layers)))
        self.known = np.zeros((self.workers.zero + 1, d), p.dtype)
        self.before = np.zeros_like(self.known)  # known, before the last iteration
        self.moments: Any = None  # of steps of Adam, (k, 2, d)
        self.dual_step = 1.0
        self.local: Any = None
        self.optimum: Any = None
        self.drawn: tuple[int, Any] = -1, None  # an iteration, and its random numbers by row

    def count(self, some: Any, bits: Any) -> None:
        """A message of so many bits from each of these workers to all its neighbours; none where it has none."""
        told = self.workers.degree[some] > 0
        self.marks[some, 0] += bits * told
        self.marks[some, 1] += told

    def by_worker(self, stack: Array | None) -> Arrays:
        """The rows of this rank's workers as a list by worker."""
        if stack is None:
            return []
        rows, mine = self.workers.rows, set(self.workers.mine)
        return [stack[rows[n]] if n in mine else None for n in range(self.workers.graph.workers)]

    def gathered(self, stack: Array, world: World) -> Array:
        """The rows of all workers on all ranks, in the order of the workers, as float64."""
        every = np.zeros((self.workers.graph.workers, *stack.shape[1:]))
        every[self.workers.mine] = stack
        return world.sum_flat(every.reshape(-1)).reshape(every.shape)


class Decentralized(Parted):
    """Mixin of solvers whose `workers` have parts of the samples; `topology` says who talks to whom."""

    most_layers: ClassVar[int | None] = 1
    losses: ClassVar[tuple[str, ...] | None] = tuple(LOCAL)
    topology: str | list[list[int]]

    def knows_optimum(self, L: int, loss: str) -> bool:
        """Of linear models."""
        return L == 1 and loss in OPTIMA

    @property
    def graph(self) -> Graph:
        return Graph.named(self.topology, self.workers)

    def check(self, L: int) -> None:
        """Raise UsageError for a graph that is not connected and bipartite."""
        try:
            _ = self.graph
        except UsageError as error:
            raise UsageError(f"solver.topology: {error}") from None

    def set_weights(self, s: Any, weights: Arrays, p: Problem, world: World) -> None:
        """All workers begin from the same weights, known to all, with duals 0."""
        work: Work = s.work
        for own, given in zip(s.W[1:], weights[1:], strict=True):
            own[...] = given
        work.theta[...] = flat(weights)
        work.known[work.own] = work.theta

    def pose(self, s: Any, p: Problem, world: World, c: Array) -> None:
        """Factor the local problems with c/2 |theta|^2 (k,), and find the optimum of one model for all."""
        work: Work = s.work
        part = dict(p.tiles)
        tiles = [part[n] for n in work.workers.mine]
        work.local = LOCAL[p.loss.name]([p.x[:, t] for t in tiles], [p.y[:, t] for t in tiles], c)
        work.local.solve(slice(0), work.theta[:0], work.theta)  # no worker: forms the factors that all solves share
        work.optimum = OPTIMA[p.loss.name](work.local, work.workers.mine, p, world)

    def weights(self, s: Any, world: World) -> Arrays:
        """The mean of the workers' models."""
        every = s.work.gathered(s.work.theta, world)
        W: Arrays = s.W
        middle = mean(every)
        for w, t in zip(W[1:], s.work.layers, strict=True):
            w[...] = middle[t].reshape(w.shape, order="F")
        return W

    def finite(self, s: Any) -> bool:
        """What is known of a worker comes into the duals of its neighbours within an iteration."""
        stacks: Iterable[Array] = (s.work.theta, s.work.mu, *s.W[1:])
        return all(bool(np.isfinite(x).all()) for x in stacks)


def mean(every: Array) -> Array:
    """The mean of all rows, from the first one: of equal rows it is that row to the bit."""
    found: Array = every[0] + (every - every[0]).sum(axis=0) / len(every)
    return found
