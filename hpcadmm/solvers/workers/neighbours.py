"""Workers of a decentralized method dealt to ranks: whose values a rank needs, and how they travel.

Workers are dealt to ranks in contiguous blocks, like tiles. A rank has one row for each of its workers, heads before
tails, so that a group is a slice; then one for each worker elsewhere that is a neighbour of one of them; and at last a
row of zeros, which stands for a neighbour that does not exist.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hpcadmm.comm.world import Pending, World
from hpcadmm.model.graph import Graph
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import block

TAG = 7
HEADS, TAILS = 0, 1
Routes = dict[int, list[int]]  # by rank: workers, increasing


class Codec(Protocol):
    """How a worker's news become bytes, and what they make of the row that a neighbour keeps."""

    masked: bool  # a bit of each worker, whether it says anything, comes before the messages

    def write(self, row: int) -> Array | None:
        """The message of the worker in this row; None if it stays silent."""
        ...

    def read(self, data: Array, known: Array) -> int:
        """Take the message that `data` begins with; its bytes."""
        ...

    def most(self, known: Array) -> int:
        """The most bytes that a message about this row can have."""
        ...


class Workers:
    """This rank's workers, lo to hi, of a graph."""

    def __init__(self, graph: Graph, world: World) -> None:
        self.graph, self.world = graph, world
        self.lo, self.hi = block(graph.workers, world.size, world.rank)
        mine = range(self.lo, self.hi)
        heads, tails = ([n for n in mine if graph.is_head(n) is head] for head in (True, False))
        self.mine = [*heads, *tails]
        self.groups = slice(0, len(heads)), slice(len(heads), len(mine))
        elsewhere = sorted({m for n in mine for m in graph.neighbours(n)} - set(mine))
        self.rows = {n: k for k, n in enumerate([*self.mine, *elsewhere])}
        self.zero = len(self.rows)
        most = max(graph.degree(n) for n in range(graph.workers))  # of all, else padding tells ranks apart by -0
        self.near = np.full((most, len(mine)), self.zero)
        for k, n in enumerate(self.mine):
            self.near[: graph.degree(n), k] = [self.rows[m] for m in graph.neighbours(n)]
        self.degree = np.array([graph.degree(n) for n in self.mine], dtype=np.int64)
        routes = [self._routes(group) for group in (HEADS, TAILS)]
        self._send, self._receive = [send for send, _ in routes], [receive for _, receive in routes]

    def rank_of(self, n: int) -> int:
        """The rank that holds worker n."""
        return next(r for r in range(self.world.size) if n < block(self.graph.workers, self.world.size, r)[1])

    def _routes(self, group: int) -> tuple[Routes, Routes]:
        """Of a group, by rank: the workers of mine that it needs, and those of its own that I need."""
        send: dict[int, set[int]] = {}
        receive: dict[int, set[int]] = {}
        for n in self.mine:
            for m in self.graph.neighbours(n):
                if not self.lo <= m < self.hi:
                    told, who = (send, n) if self.graph.is_head(n) is (group == HEADS) else (receive, m)
                    told.setdefault(self.rank_of(m), set()).add(who)
        return in_order(send), in_order(receive)

    def around(self, known: Array, some: slice) -> Array:
        """The sums over the neighbours of the workers in these rows of what is known of them, (k, d).

        Added in the order of the neighbours' numbers, on any number of ranks.
        """
        if not len(self.near):
            return np.zeros_like(known[some])
        total: Array = known.take(self.near[0, some], axis=0)
        for near in self.near[1:, some]:
            total += known.take(near, axis=0)
        return total

    def tell(self, group: int, known: Array, codec: Codec) -> None:
        """Tell other ranks the news of a group, heads or tails, and take theirs into the rows of `known`."""
        waiting: list[Pending] = []
        incoming: list[tuple[Array, list[int]]] = []
        for rank, some in self._receive[group].items():
            buffer = np.zeros(codec.masked * bytes_of_mask(some) + len(some) * codec.most(known[0]), np.uint8)
            waiting.append(self.world.receive(buffer, rank, TAG))
            incoming.append((buffer, some))
        for rank, some in self._send[group].items():
            waiting.append(self.world.send(self._packed(some, codec), rank, TAG))
        for pending in waiting:
            pending.wait()
        for buffer, some in incoming:
            self._unpack(buffer, some, known, codec)

    def _packed(self, some: Sequence[int], codec: Codec) -> Array:
        """The mask, if there is one, and the messages of these workers."""
        messages = [codec.write(self.rows[n]) for n in some]
        mask = [np.packbits([said is not None for said in messages])] if codec.masked else []
        return np.concatenate([*mask, *(said for said in messages if said is not None)])

    def _unpack(self, data: Array, some: Sequence[int], known: Array, codec: Codec) -> None:
        at, spoke = 0, np.ones(len(some), bool)
        if codec.masked:
            at = bytes_of_mask(some)
            spoke = np.unpackbits(data[:at], count=len(some)).astype(bool)
        for n, said in zip(some, spoke, strict=True):
            if said:
                at += codec.read(data[at:], known[self.rows[n]])


def in_order(told: dict[int, set[int]]) -> Routes:
    """By rank, workers increasing."""
    return {rank: sorted(some) for rank, some in sorted(told.items())}


def bytes_of_mask(some: Sequence[Any]) -> int:
    """A bit for each, in whole bytes."""
    return -(-len(some) // 8)
