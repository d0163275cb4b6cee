"""What mpadmm derives from the job and the grid: which layers are this rank's, who inverts what, batches, sums,
buffers. Not saved."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.mpadmm.pipeline import PipelineSums
from hpcadmm.solvers.shared.batches import Drawn
from hpcadmm.solvers.shared.dealing import deal, owner
from hpcadmm.solvers.shared.gradient_sums import GradientSums


def costs(solver: Any, n: Network, tiles: Tiles) -> list[float]:
    """Multiply-adds a sweep of each layer, by which layers are dealt to ranks."""
    m = float(solver.batch or tiles.n)
    found = []
    for l in range(1, n.depth + 1):
        rows, columns = n.shape(l)
        once = m * columns * columns / 2 + columns**3 / 2 if l > 1 else 0.0
        again = m * rows * rows / 2 + rows**3 / 2 + once
        found.append(rows * columns * (m * (2 + (l > 1)) + rows + columns) + again / solver.refresh)
    return found


Key = tuple[str, int]  # ("P", l) or ("Q", l)
INVERSE_FLOPS, BYTES, WORTH = 40e9, 4e9, 0.01  # a second of a core and of a message; seconds that must be saved


def spread(sizes: Mapping[Key, int], ranks: int) -> dict[Key, int]:
    """A rank for each matrix of so many rows, the largest first, each to the rank that has least to invert so far.

    >>> spread({("P", 1): 785, ("P", 2): 301, ("Q", 1): 300}, 2)
    {('P', 1): 0, ('P', 2): 1, ('Q', 1): 1}
    """
    loads, found = [0] * ranks, {}
    for key in sorted(sizes, key=lambda key: -sizes[key]):
        found[key] = loads.index(min(loads))
        loads[found[key]] += sizes[key] ** 3
    return found


def seconds_saved(sizes: Mapping[Key, int], owners: Mapping[Key, int], itemsize: int) -> float:
    """What a refresh is estimated to gain if every matrix is inverted on one rank only, and sent to the others."""
    loads: dict[int, int] = {}
    for key, rank in owners.items():
        loads[rank] = loads.get(rank, 0) + sizes[key] ** 3
    spared = (sum(loads.values()) - max(loads.values(), default=0)) / INVERSE_FLOPS
    return spared - sum(n * n for n in sizes.values()) * itemsize / BYTES


class Work(Drawn):
    """Of one rank; `chain` are those with the other layers, `peers` those with the same layers and other samples."""

    def __init__(self, solver: Any, p: Problem, world: World) -> None:
        super().__init__(p, solver.batch)
        self.chain, self.peers, self.how = world.chain, world.samples, solver.inverses
        self.blocks = deal(costs(solver, p.network, p.tiles), world.chain.size)
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
        self.inverters = {inputs: self._inverters(inputs) for inputs in (False, True)}

    def by_layer(self, make: Callable[[int], Array]) -> Arrays:
        """An array for each of this rank's layers."""
        return [make(l) if l in self.mine else None for l in range(self.problem.network.depth + 1)]

    def _inverters(self, inputs: bool) -> dict[Key, int]:
        """Which of the peers inverts which matrix of a refresh, of P[1] only with `inputs`; empty: all do, all."""
        n = self.problem.network
        sizes: dict[Key, int] = {("P", l): n.shape(l)[1] for l in self.mine if l > 1 or inputs}
        sizes |= {("Q", l): n.n[l] for l in self.mine}
        owners = spread(sizes, self.peers.size)
        saved = seconds_saved(sizes, owners, np.dtype(self.problem.dtype).itemsize)
        return owners if self.how == "dealt" or (self.how == "auto" and saved >= WORTH) else {}

    def inverts(self, key: Key, inputs: bool) -> bool:
        """Is this matrix, in a refresh with or without `inputs`, this rank's to invert?"""
        return self.inverters[inputs].get(key, self.peers.rank) == self.peers.rank

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
