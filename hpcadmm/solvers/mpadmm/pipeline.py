"""The passes of a batch through layers that lie on a chain of ranks, part after part: all forward, then all back.

Huang et al.: GPipe, NeurIPS 2019. A part's multipliers go on to the rank below before the products that only this rank
needs are formed, which fills the time that it would wait for the first of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hpcadmm.comm.world import Pending, World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.solvers.shared.gradient_sums import GradientSums, OuterSum, Parts
from hpcadmm.subproblems.passes import Passes

FORWARD, BACK = 11, 12  # tags


class PipelineSums(GradientSums):
    """The sums of `GradientSums` for this rank's `layers`; the others are on the ranks of `world.chain`, in order."""

    def __init__(self, p: Problem, count: int, world: World, layers: Sequence[int], **options: Any) -> None:
        super().__init__(p, count, layers=layers, **options)
        self.p, self.chain = p, world.chain
        self.lowest, self.highest = layers[0], layers[-1]
        self.below = self.chain.rank - 1 if self.chain.rank > 0 else None
        self.above = self.chain.rank + 1 if self.chain.rank + 1 < self.chain.size else None
        self._passes: list[Passes] = []
        self._ran = 0  # parts
        self._arrived: dict[tuple[int, int, int], Array] = {}

    def run(self, W: Arrays, parts: Parts, sums: Sequence[OuterSum]) -> None:
        """All parts forward, then back, in the other order; each is added to the sums as it comes back."""
        leaving: list[Pending] = []
        targets = []
        for j, (x, y) in enumerate(parts()):
            if j == len(self._passes):
                self._passes.append(Passes(self.p.network, self.p.loss, self.p.dtype, self.layers))
            targets.append(y.copy(order="F"))
            leaving.extend(self._forward(W, j, x))
        for j in reversed(range(len(targets))):
            leaving.extend(self._back(W, j, targets[j]))
            self.passes = self._passes[j]
            for outer in sums:
                outer.add()
        for pending in leaving:
            pending.wait()
        self._ran = len(targets)

    def add_again(self, parts: Parts, W: Arrays, sums: Sequence[OuterSum]) -> None:
        """The products of the parts that went through last, once more; no messages."""
        for passes in self._passes[: self._ran]:
            self.passes = passes
            for outer in sums:
                outer.add()

    def _forward(self, W: Arrays, j: int, x: Array) -> list[Pending]:
        """Part j through this rank's layers, its a_0 or what comes from below; on to the rank above."""
        passes, network = self._passes[j], self.p.network
        if self.below is None:
            passes.forward(W, x.copy(order="F"))
        else:
            a = self._buffer(FORWARD, j, network.n[self.lowest - 1] + network.ones, x.shape[1])
            self.chain.receive(a, self.below, FORWARD).wait()
            passes.forward(W, a)
        return [] if self.above is None else [self.chain.send(passes.a[self.highest], self.above, FORWARD)]

    def _back(self, W: Arrays, j: int, y: Array) -> list[Pending]:
        """Part j back through them; what its lam pull on goes on to the rank below."""
        passes = self._passes[j]
        if self.above is None:
            passes.backward(W, y)
        else:
            pull = self._buffer(BACK, j, self.p.network.n[self.highest], y.shape[1])
            self.chain.receive(pull, self.above, BACK).wait()
            passes.backward(W, pull)
        return [] if self.below is None else [self.chain.send(passes.pull(W), self.below, BACK)]

    def _buffer(self, tag: int, j: int, rows: int, columns: int) -> Array:
        key = tag, j, columns
        if key not in self._arrived:
            self._arrived[key] = np.empty((rows, columns), self.p.dtype, order="F")
        return self._arrived[key]
