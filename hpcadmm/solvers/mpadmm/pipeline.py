"""The passes of a batch through layers on a chain of ranks, part by part: first all forward, then all backward.

Huang et al.: GPipe, NeurIPS 2019. A rank sends a part's multipliers to the rank below before it forms its own products,
so that the rank below need not wait for them.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from hpcadmm.comm.traffic import Pending
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.weighted import Weight
from hpcadmm.solvers.shared.buckets import Bucket
from hpcadmm.solvers.shared.gradient_sums import GradientSums, Parts

FORWARD, BACKWARD = 11, 12  # tags


class PipelineSums(GradientSums):
    """`GradientSums` of this rank's `layers`; the ranks of `chain` hold the other layers, in order."""

    cuts: ClassVar[bool] = False

    def __init__(self, p: Problem, count: int, chain: World, layers: Sequence[int], **options: Any) -> None:
        super().__init__(p, count, layers=layers, **options)
        self.chain = chain
        self.below = self.chain.rank - 1 if self.chain.rank > 0 else None
        self.above = self.chain.rank + 1 if self.chain.rank + 1 < self.chain.size else None
        self._received: dict[tuple[int, int], Array] = {}

    def run(self, W: Arrays, parts: Parts, buckets: Sequence[Bucket], world: World) -> None:
        """All parts forward, then backward in reverse order; add each to the sums on its way back, and after the last
        start the sums."""
        sent: list[Pending] = []
        targets, W = [], self.passes.weights(W)
        for j, (x, y, w, *keys) in enumerate(parts()):
            if j == len(self._passes):
                self._passes.append(self._new_passes(keep=self.below is None))
            targets.append((y.copy(order="F"), w))
            sent.extend(self._forward(W, j, x, *keys))
        self._every = self._passes[: len(targets)]
        for j in reversed(range(len(targets))):
            sent.extend(self._backward(W, j, *targets[j]))
            for bucket in buckets if j else ():
                bucket.add([self._passes[j]], world)
        for bucket in buckets:
            if len(buckets) > 1:
                bucket.depart(self._every[:1], world)
            else:
                bucket.add(self._every[:1], world)
        for pending in sent:
            pending.wait()

    def _forward(self, W: Arrays, j: int, x: Any, keys: Array | None = None) -> list[Pending]:
        """Part j through this rank's layers, from its a_0 or from the rank below; send the result to the rank above."""
        passes, n, l = self._passes[j], self.p.network.n, self.layers[0]
        if self.below is not None:
            a = passes.operands[l].incoming("from below", n[l - 1] + self.p.network.ones, x.shape[1])
            self.chain.receive(passes.products[l].message(a), self.below, FORWARD).wait()
            x = a
        passes.forward(W, x, keys)
        if self.above is None:
            return []
        l = self.layers[-1]
        return [self.chain.send(passes.products[l + 1].message(passes.a[l]), self.above, FORWARD)]

    def _backward(self, W: Arrays, j: int, y: Array, w: Weight) -> list[Pending]:
        """Part j back through them, from its y or from the rank above; send W^T lam to the rank below."""
        passes = self._passes[j]
        if self.above is not None:
            y = self._receive(self.above, j, self.p.network.n[self.layers[-1]], y.shape[1])
        passes.backward(W, y, w)
        return [] if self.below is None else [self.chain.send(passes.pull(W), self.below, BACKWARD)]

    def _receive(self, source: int, j: int, rows: int, columns: int) -> Array:
        """W^T lam of part j."""
        key = j, columns
        if key not in self._received:
            self._received[key] = np.empty((rows, columns), self.p.dtype, order="F")
        self.chain.receive(self._received[key], source, BACKWARD).wait()
        return self._received[key]
