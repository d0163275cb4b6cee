"""What the solvers of this folder share: workers, each with its own part of the samples, dealt to ranks in blocks."""

from typing import Any, ClassVar

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.graph import Graph
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.tiles import Tiles
from hpcadmm.model.vector import flat
from hpcadmm.solvers.base import Solver


class ByWorker(list[Any]):
    """A state field indexed by worker: views of the rows of one array, `rows`; None for a worker of another rank."""

    rows: Array


class Workers:
    """This rank's workers. An array by worker has one row for each entry of `mine`, in that order."""

    def __init__(self, tiles: Tiles, mine: list[int] | None = None) -> None:
        self.tiles, self.count = tiles, tiles.count
        self.mine = list(range(*tiles.held)) if mine is None else mine

    def by_worker(self, rows: Array) -> ByWorker:
        """A state field whose entries are these rows."""
        found = ByWorker([None] * self.count)
        found.rows = rows
        for row, n in enumerate(self.mine):
            found[n] = rows[row]
        return found

    def filled(self, value: float, *shape: int, dtype: Any, more: int = 0) -> ByWorker:
        """A state field with an array of this shape for each worker, and `more` rows. All pages are written here, or
        iteration 1 would wait for the system to map them."""
        return self.by_worker(np.full((len(self.mine) + more, *shape), value, dtype))

    def gathered(self, rows: Array, world: World) -> Array:
        """The rows of all workers, ordered by worker, float64. Collective."""
        every = np.zeros((self.count, *rows.shape[1:]))
        every[self.mine] = rows[: len(self.mine)]
        return world.sum_flat(every.reshape(-1)).reshape(every.shape)


class WorkerSolver(Solver):
    """Base class of solvers that divide the samples among `workers` workers; each rank holds whole workers."""

    weighted: ClassVar[bool] = True

    workers: int

    @property
    def parts(self) -> int:
        return self.workers

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        if ranks > self.workers:
            raise UsageError(
                f"{ranks} ranks, but solver.workers = {self.workers}, and each rank needs at least one: "
                f"start at most {self.workers} ranks"
            )
        return 1, ranks

    def start(self, s: Any, p: Problem, world: World) -> None:
        """Linear models at 0, as in the papers; networks all at the same random weights, known to all."""
        if p.network.depth > 1:
            super().start(s, p, world)

    def reference(self, state: Any) -> Any:
        return state.work.optimum


class GraphSolver(WorkerSolver):
    """Base class of solvers whose workers talk to their neighbours on a graph. Their states have `theta`, and a `work`
    with `workers` and `layers`, the entries of each W_l in theta."""

    bipartite: ClassVar[bool] = True  # must the graph have heads and tails?

    topology: str | list[list[int]]

    @property
    def graph(self) -> Graph:
        return Graph.named(self.topology, self.workers, self.bipartite)

    def check(self, L: int) -> None:
        """UsageError for a graph that is not connected, or not bipartite if it must be."""
        try:
            _ = self.graph
        except UsageError as error:
            raise UsageError(f"solver.topology: {error}") from None

    def set_weights(self, s: Any, weights: Arrays, p: Problem, world: World) -> None:
        """All workers start from the same weights."""
        super().set_weights(s, weights, p, world)
        s.theta.rows[...] = flat(weights)

    def weights(self, s: Any, world: World) -> Arrays:
        """The mean of the workers' models. Collective."""
        middle = mean(s.work.workers.gathered(s.theta.rows, world))
        for w, t in zip(s.W[1:], s.work.layers, strict=True):
            w[...] = middle[t].reshape(w.shape, order="F")
        found: Arrays = s.W
        return found


def mean(every: Array) -> Array:
    """The mean of all rows, relative to the first: equal rows have that row as their mean, to the bit."""
    found: Array = every[0] + (every - every[0]).sum(axis=0) / len(every)
    return found
