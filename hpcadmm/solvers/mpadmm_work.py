"""What mpadmm derives from the job and the grid: which layers are this rank's, batches, sums, buffers. Not saved."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.solvers.batches import Drawn
from hpcadmm.solvers.dealing import deal, owner
from hpcadmm.solvers.gradient_sums import GradientSums
from hpcadmm.solvers.pipeline import PipelineSums


def costs(solver: Any, p: Problem) -> list[float]:
    """Multiply-adds a sweep of each layer, by which layers are dealt to ranks."""
    n, m = p.network, float(solver.batch or p.tiles.n)
    found = []
    for l in range(1, n.depth + 1):
        rows, columns = n.shape(l)
        once = m * columns * columns / 2 + columns**3 / 2 if l > 1 else 0.0
        again = m * rows * rows / 2 + rows**3 / 2 + once
        found.append(rows * columns * (m * (2 + (l > 1)) + rows + columns) + again / solver.refresh)
    return found


class Work(Drawn):
    """Of one rank; `chain` are those with the other layers."""

    def __init__(self, solver: Any, p: Problem, world: World) -> None:
        super().__init__(p, solver.batch)
        self.chain = world.chain
        self.blocks = deal(costs(solver, p), world.chain.size)
        lo, hi = self.blocks[world.chain.rank]
        self.mine = range(lo + 1, hi + 1)
        plain, count = solver.sums == "plain", p.tiles.count
        if world.chain.size == 1:
            self.sums = GradientSums(p, count, curvature=True, plain=plain)
        else:
            self.sums = PipelineSums(p, count, world, self.mine, curvature=True, plain=plain)
        self.iterate: Arrays = []
        self.C: Arrays = self.by_layer(lambda l: np.zeros(p.network.shape(l), order="F"))
        self.D: Arrays = self.by_layer(lambda l: np.zeros(p.network.shape(l), p.dtype, order="F"))

    def by_layer(self, make: Callable[[int], Array]) -> Arrays:
        """An array for each of this rank's layers."""
        return [make(l) if l in self.mine else None for l in range(self.problem.network.depth + 1)]

    def owner(self, l: int) -> int:
        """The rank of the chain that has layer l."""
        return owner(self.blocks, l)

    def share(self, arrays: Arrays) -> None:
        """Give an array of each layer from its owner to all ranks of the chain. Collective."""
        for l in range(1, len(arrays)) if self.chain.size > 1 else ():
            self.chain.broadcast(arrays[l], self.owner(l))

    def total(self, value: Callable[[int], float]) -> float:
        """The sum of a number of each layer over all layers, the same on all ranks of the chain. Collective."""
        found = np.zeros(self.problem.network.depth + 1)
        found[list(self.mine)] = [value(l) for l in self.mine]
        return float((self.chain.sum_flat(found) if self.chain.size > 1 else found).sum())
