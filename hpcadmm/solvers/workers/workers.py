"""What the solvers of this folder share: workers, each with its own part of the samples, dealt to ranks in blocks."""

from typing import Any, ClassVar

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles
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

    def reference(self, state: Any) -> Any:
        return state.work.optimum
