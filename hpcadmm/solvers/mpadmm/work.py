"""The batches, layers, dealt inverses and buffers of a rank: derived from the job and the grid, never saved."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.solvers.mpadmm.costs import Costs, measured
from hpcadmm.solvers.mpadmm.inverses import Inverses
from hpcadmm.solvers.mpadmm.pipeline import PipelineSums
from hpcadmm.solvers.shared.batches import Drawn
from hpcadmm.solvers.shared.dealing import Block, owner
from hpcadmm.solvers.shared.gradient_sums import GradientSums


class Work(Drawn):
    """layers: this rank's. chain: the ranks with the other layers of the same samples. peers: the ranks with the same
    layers and other samples."""

    def __init__(self, solver: Any, p: Problem, world: World) -> None:
        super().__init__(p, solver.batch)
        self.chain, self.peers = world.chain, world.samples
        self.blocks = self._dealt(solver, world)
        self.layers = self.blocks[self.chain.rank].layers
        self.C: Arrays = self.by_layer(lambda l: np.zeros(p.network.shape(l), order="F"))
        self.D: Arrays = self.by_layer(lambda l: np.zeros(p.network.shape(l), p.dtype, order="F"))
        self.operands = [engine.operands() for engine in p.engines]
        self.P: Arrays = [None] * (p.network.depth + 1)  # operands of the penalties
        self.Q = self.P.copy()
        self.inverses = Inverses(solver, p, self.blocks, self.chain, self.peers)

    def _dealt(self, solver: Any, world: World) -> list[Block]:
        """The layers of each rank of a chain, by what they cost on the first rank. Collective."""
        p, costs = self.problem, None
        if self.chain.size > 1:
            with world.together("measuring the layers"):
                part = next(iter(self.parts(0)), None) if world.first else None
                if part is not None:
                    costs = measured(solver, p, part)
            costs = world.share(costs)
        near = len(set(self.chain.gather(world.host))) == 1
        given = Costs(*costs) if costs else None, bool(world.min(float(near))[0])
        found: list[Block] = solver.deal(p.network, p.tiles, self.chain.size, self.peers.size, *given)
        return found

    def sums(self, **options: Any) -> GradientSums:
        """The sums of this rank's layers."""
        p, count = self.problem, self.problem.tiles.count
        if self.chain.size == 1:
            return GradientSums(p, count, curvature=True, **options)
        return PipelineSums(p, count, self.chain, self.blocks[self.chain.rank], curvature=True, **options)

    def by_layer(self, make: Callable[[int], Array | None]) -> Arrays:
        """An array for each of this rank's layers."""
        return [make(l) if l in self.layers else None for l in range(self.problem.network.depth + 1)]

    def renew(self, s: Any, layers: tuple[int, ...], inputs: bool) -> None:
        """New P and Q of these layers from A and B, P_1 only with `inputs`. Collective where they are shared."""
        self.inverses.renew(s, layers, inputs)
        self.take_penalties(s, layers, inputs)

    def take_penalties(self, s: Any, layers: Iterable[int], inputs: bool = True) -> None:
        """P and Q of these layers have changed, P_1 only with `inputs`."""
        for l in layers:
            if l > 1 or inputs:
                self.P[l] = self.operands[l].rounded("P", s.P[l])
            self.Q[l] = self.operands[l].rounded("Q", s.Q[l])

    def share(self, arrays: Arrays) -> None:
        """Send the array of each layer from its owner to all ranks of the chain. Collective."""
        for l in range(1, len(arrays)) if self.chain.size > 1 else ():
            self.chain.broadcast(arrays[l], owner(self.blocks, l))

    def total(self, value: Callable[[int], float]) -> float:
        """The sum of value(l) over all layers, the same on all ranks of the chain. Collective."""
        found = np.zeros(self.problem.network.depth + 1)
        found[list(self.layers)] = [value(l) for l in self.layers]
        return float((self.chain.sum_flat(found) if self.chain.size > 1 else found).sum())
