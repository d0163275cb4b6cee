"""The passes of a batch through layers on a chain of ranks, part by part.

A rank takes a part backward as soon as it can, else the next part forward (Narayanan et al.: one forward, one backward,
SOSP 2019; here W changes after the last part). It forms the products for the sums while no message is there (Osawa et
al.: PipeFisher, MLSys 2023): it waits only for its first part, and where it has nothing left to multiply. The sums are
exact, so that their order changes nothing.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hpcadmm.comm.world import Pending, World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.weighted import Weight
from hpcadmm.products.scratch import Scratch
from hpcadmm.solvers.shared.buckets import Bucket, OuterSum
from hpcadmm.solvers.shared.dealing import Block
from hpcadmm.solvers.shared.gradient_sums import GradientSums, Parts
from hpcadmm.subproblems.passes import Passes

FORWARD, BACKWARD, WEIGHTS = 11, 12, 13  # tags


@dataclass
class Part:
    """A part of the batch on this rank, and the messages that it needs: `below` to go forward, `above` to go back."""

    passes: Passes
    a: Any  # of the layer below this rank's
    y: Any  # of the data; below layer L the W^T lam, or the lam that is to be pulled, of the layer above
    w: Weight
    keys: Array | None = None
    below: list[Pending] = field(default_factory=list)
    above: list[Pending] = field(default_factory=list)


class PipelineSums(GradientSums):
    """`GradientSums` of this rank's block of layers; the ranks of `chain` hold the other layers, in order.

    W_l^T lam_l of the lowest layer l of a rank travels down. Where it is a pull of the rank below (`Block`), lam_l
    travels, and W_l once in a sweep.
    """

    cuts: ClassVar[bool] = False

    def __init__(self, p: Problem, count: int, chain: World, block: Block, **options: Any) -> None:
        super().__init__(p, count, layers=block.layers, **options)
        self.chain = chain
        self.below, self.above = chain.rank - 1, chain.rank + 1
        self.lowest, self.highest = chain.rank == 0, chain.rank == chain.size - 1
        self.bottom, self.next = block.layers.start, block.layers.stop
        self.lends = not self.lowest and self.bottom not in block.pulls
        self.borrowed = np.empty(p.network.shape(self.next), p.dtype, order="F") if self.next in block.pulls else None
        self._scratch = Scratch(p.dtype)

    def run(self, W: Arrays, parts: Parts, buckets: Sequence[Bucket], world: World) -> None:
        """All parts forward and backward; add their products to the buckets. If there are several, start each as soon
        as it has its last product."""
        sent, weights, W = self._lend(W)
        outers = [outer for bucket in buckets for outer in bucket.outers]
        early = [outer for outer in outers if outer is self._inputs.get(outer.layer)]  # need no lam
        late = [outer for outer in outers if outer not in early]
        self._every = []
        coming = self._coming(parts)
        part, passed, products = next(coming, None), deque[Part](), deque[tuple[OuterSum, Passes]]()
        while part or passed:
            if passed and arrived(weights) and arrived(passed[0].above):
                done = passed.popleft()
                sent += self._backward(W, done)
                products.extend((outer, done.passes) for outer in late)
            elif part and arrived(part.below):
                sent += self._forward(W, part)
                products.extend((outer, part.passes) for outer in early)
                passed.append(part)
                part = next(coming, None)
            elif products:
                outer, passes = products.popleft()
                outer.add(passes)
            else:
                wait(part.below if part else [*weights, *passed[0].above])
        self._add_last(products, buckets, world)
        wait(sent)

    def _add_last(self, products: Iterable[tuple[OuterSum, Passes]], buckets: Sequence[Bucket], world: World) -> None:
        """The products that are left, bucket by bucket."""
        for bucket in buckets:
            for outer, passes in products:
                if outer in bucket.outers:
                    outer.add(passes)
                    world.progress()
            if len(buckets) > 1:
                bucket.depart([], world)

    def _lend(self, W: Arrays) -> tuple[list[Pending], list[Pending], Arrays]:
        """Send W of the lowest layer to the rank that pulls through it; receive the next layer's, if this rank does.
        Returns both messages, and the operands of W."""
        sent, received = [], []
        if self.lends:
            sent.append(self.chain.send(W[self.bottom], self.below, WEIGHTS))
        if self.borrowed is not None:
            received.append(self.chain.receive(self.borrowed, self.above, WEIGHTS))
            W = [*W[: self.next], self.borrowed, *W[self.next + 1 :]]
        return sent, received, self.passes.weights(W)

    def _coming(self, parts: Parts) -> Iterator[Part]:
        """The parts of the batch. On the lowest rank each is drawn when it is its turn; elsewhere all are at once, and
        their messages are expected."""
        every = (self._part(j, *given) for j, given in enumerate(parts()))
        return every if self.lowest else iter(list(every))

    def _part(self, j: int, x: Any, y: Array, w: Weight, keys: Array | None = None) -> Part:
        p, n, m = self.p, self.p.network.n, x.shape[1]
        if j == len(self._passes):
            self._passes.append(self._new_passes(keep=self.lowest))
        part = Part(self._passes[j], x, y, w, keys)
        self._every.append(part.passes)
        if not self.lowest:
            part.a, part.below = self._expected(j, self.bottom, n[self.bottom - 1] + p.network.ones, m, self.below)
        if self.highest:
            part.y = y.copy(order="F")
        elif self.borrowed is not None:
            part.y, part.above = self._expected(j, self.next, n[self.next], m, self.above)
        else:
            part.y = self._scratch(f"from above {j}", n[self.next - 1], m)
            part.above = [self.chain.receive(part.y, self.above, BACKWARD)]
        return part

    def _expected(self, j: int, l: int, rows: int, columns: int, source: int) -> tuple[Any, list[Pending]]:
        """An operand of layer l for part j, and its message."""
        passes = self._passes[j]
        made = passes.operands[l].incoming(f"from {source}", rows, columns)
        tag = FORWARD if source == self.below else BACKWARD
        return made, [self.chain.receive(passes.products[l].message(made), source, tag)]

    def _forward(self, W: Arrays, part: Part) -> list[Pending]:
        """Through this rank's layers; send a of the last one to the rank above."""
        passes = part.passes
        passes.weigh(part.w)
        passes.forward(W, part.a, part.keys)
        if self.highest:
            return []
        return [self.chain.send(passes.products[self.next].message(passes.a[self.next - 1]), self.above, FORWARD)]

    def _backward(self, W: Arrays, part: Part) -> list[Pending]:
        """Back through them; send W^T lam of the lowest one, or its lam, to the rank below."""
        passes, l = part.passes, self.bottom
        passes.backward(W, part.y if self.borrowed is None else passes.pull(W, self.next, part.y), part.w)
        if self.lowest:
            return []
        message = passes.products[l].message(passes.lam[l]) if self.lends else passes.pull(W, l)
        return [self.chain.send(message, self.below, BACKWARD)]


def arrived(messages: Sequence[Pending]) -> bool:
    """Are these complete?"""
    return all(message.progress() for message in messages)


def wait(messages: Sequence[Pending]) -> None:
    """Until these are complete."""
    for message in messages:
        message.wait()
