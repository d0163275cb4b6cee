"""Which local problem each worker of a decentralized solver solves, and the minibatches of those that take steps."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.shared.batches import Batches, gathered
from hpcadmm.subproblems.local_adam import LocalAdam
from hpcadmm.subproblems.scratch import Scratch


class LocalBatches:
    """Of a worker's samples `batch` or fewer a step, by its own permutation for (seed, worker, epoch); an epoch is as
    long for every worker. Steps go on from one iteration to the next.
    """

    def __init__(self, p: Problem, mine: list[int], batch: int, steps: int) -> None:
        self.batches, self.part, self.steps = Batches(p.tiles, batch * p.tiles.count, p.seed), p.train, steps
        self.places = [n - p.tiles.held[0] for n in mine]
        self.scratch = Scratch(p.dtype)
        self._drawn: tuple[int, list[list[Array]]] = -1, []

    def __call__(self, k: int, row: int) -> Iterator[tuple[Array, Array]]:
        """x (n_0 + ones, columns) and y (n_L, columns) of each local step of iteration k, in memory that is reused."""
        if self._drawn[0] != k:
            self._drawn = k, [self.batches.columns(k * self.steps + j) for j in range(self.steps)]
        for every in self._drawn[1]:
            columns = every[self.places[row]]
            yield gathered(self.part.x, columns, self.scratch, "x"), gathered(self.part.y, columns, self.scratch, "y")


def local_adam(solver: Any, work: Any, p: Problem, c: Array) -> LocalAdam:
    """Steps on F_n with c/2 |theta|^2 (k,), f_n the mean loss over all samples of which the worker adds up its own, N
    times: so sum_n f_n / N is the mean loss, and c is to be compared with the curvature of a mean.
    """
    part, mine = dict(p.tiles), work.workers.mine
    samples = [p.x[:, part[n]] for n in mine], [p.y[:, part[n]] for n in mine]
    batches = LocalBatches(p, mine, solver.batch, solver.local_steps)
    weight = work.workers.graph.workers / max(p.tiles.n, 1)
    steps, rate = solver.local_steps, solver.rate
    return LocalAdam(
        p.network, p.loss, samples, batches, work.moments, np.asarray(c), weight=weight, steps=steps, rate=rate
    )
