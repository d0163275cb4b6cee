"""The neighbours of this rank's workers, and how messages to neighbours travel between ranks.

Rows of an array of what is known: this rank's workers, heads before tails, so that each group is a slice; then the
workers of other ranks that are neighbours of these; then a row of zeros, for neighbours that do not exist.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import numpy as np
from annotated_types import Gt, Lt

from hpcadmm.comm.traffic import Pending
from hpcadmm.comm.wire import quantizer
from hpcadmm.comm.world import World
from hpcadmm.model.graph import Graph
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles, block
from hpcadmm.solvers.workers.workers import Workers

TAG = 7
HEADS, TAILS, ALL = 0, 1, 2
Due = list[tuple[int, slice]]  # the layers l = 1..L that are sent now, and their entries of theta
Routes = dict[int, list[int]]  # workers, increasing, by rank


@dataclass(frozen=True)
class Censor:
    """A worker sends nothing in iteration k = 0, 1, ... if max |theta - known| < threshold * decay^k."""

    threshold: Annotated[float, Gt(0), Lt(np.inf)]
    decay: Annotated[float, Gt(0), Lt(1)]


class Codec(Protocol):
    """Turns a worker's update into bytes, and applies it to the row that a neighbour keeps."""

    masked: bool  # the messages follow a mask: one bit per worker, 0 if it sends nothing
    most: int  # bytes of the longest message

    def write(self, row: int) -> Array | None:
        """The message of the worker in this row; None if it sends nothing."""
        ...

    def read(self, data: Array, known: Array) -> int:
        """Apply the message at the start of `data` to `known`; returns its bytes."""
        ...


class Vectors:
    """Messages with the entries due of `known`, in the precision of the wire, from the workers in `rows`."""

    def __init__(self, known: Array, rows: Collection[int], due: Due, wire: Any, masked: bool) -> None:
        self.known, self.rows, self.spans, self.masked = known, rows, [t for _, t in due], masked
        self.wire = np.dtype(wire)
        self.most = self.wire.itemsize * sum(t.stop - t.start for t in self.spans)

    def write(self, row: int) -> Array | None:
        if row not in self.rows:
            return None
        return np.concatenate([self.known[row, t] for t in self.spans]).astype(self.wire, copy=False).view(np.uint8)

    def read(self, data: Array, known: Array) -> int:
        values, at = data[: self.most].view(self.wire), 0
        for t in self.spans:
            known[t] = values[at : at + t.stop - t.start]
            at += t.stop - t.start
        return self.most


class Codes:
    """Quantized messages, by row; of each layer due one after the other, with at most `bits` bits an entry."""

    def __init__(self, messages: dict[int, Array], due: Due, masked: bool, bits: int) -> None:
        self.messages, self.spans, self.masked = messages, [t for _, t in due], masked
        self.most = sum(int(quantizer.message_bytes(bits, t.stop - t.start)) for t in self.spans)

    def write(self, row: int) -> Array | None:
        return self.messages.get(row)

    def read(self, data: Array, known: Array) -> int:
        at = 0
        for t in self.spans:
            size = int(quantizer.message_bytes(quantizer.bits_of(data[at:]), t.stop - t.start))
            quantizer.decode(data[at : at + size], known[t])
            at += size
        return at


class Neighbours(Workers):
    """This rank's workers of a graph, and their neighbours."""

    def __init__(self, graph: Graph, tiles: Tiles, world: World) -> None:
        held = range(*tiles.held)
        heads, tails = ([n for n in held if graph.is_head(n) is head] for head in (True, False))
        super().__init__(tiles, [*heads, *tails])
        self.world, self.groups = world, (slice(0, len(heads)), slice(len(heads), len(held)))
        elsewhere = sorted({m for n in held for m in graph.neighbours(n)} - set(held))
        self.row = {n: k for k, n in enumerate([*self.mine, *elsewhere])}
        most = max(graph.degree(n) for n in range(graph.workers))  # of all: else -0 depends on the number of ranks
        self.near = np.full((most, len(held)), len(self.row))
        for k, n in enumerate(self.mine):
            self.near[: graph.degree(n), k] = [self.row[m] for m in graph.neighbours(n)]
        self.degree = np.array([graph.degree(n) for n in self.mine], dtype=np.int64)
        self.routes = [routes(graph, world.size, world.rank, group) for group in (HEADS, TAILS, ALL)]

    def around(self, known: Array, some: slice) -> Array:
        """For each worker in these rows, the sum of its neighbours' rows of `known`: (k, d).

        Added in the order of the neighbours' numbers, on any number of ranks.
        """
        if not len(self.near):
            return np.zeros_like(known[some])
        total: Array = known.take(self.near[0, some], axis=0)
        for near in self.near[1:, some]:
            total += known.take(near, axis=0)
        return total

    def exchange(self, group: int, known: Array, codec: Codec) -> None:
        """Send the messages of this rank's heads, tails or all workers to other ranks, and apply theirs to `known`."""
        send, receive = self.routes[group]
        waiting: list[Pending] = []
        incoming: list[tuple[Array, list[int]]] = []
        for rank, some in receive.items():
            buffer = np.zeros(codec.masked * mask_bytes(some) + len(some) * codec.most, np.uint8)
            waiting.append(self.world.receive(buffer, rank, TAG))
            incoming.append((buffer, some))
        for rank, some in send.items():
            waiting.append(self.world.send(self._packed(some, codec), rank, TAG))
        for pending in waiting:
            pending.wait()
        for buffer, some in incoming:
            self._unpack(buffer, some, known, codec)

    def _packed(self, some: Sequence[int], codec: Codec) -> Array:
        """The mask, if there is one, and the messages of these workers."""
        messages = [codec.write(self.row[n]) for n in some]
        mask = [np.packbits([message is not None for message in messages])] if codec.masked else []
        return np.concatenate([*mask, *(message for message in messages if message is not None)])

    def _unpack(self, data: Array, some: Sequence[int], known: Array, codec: Codec) -> None:
        at, sent = 0, np.ones(len(some), bool)
        if codec.masked:
            at = mask_bytes(some)
            sent = np.unpackbits(data[:at], count=len(some)).astype(bool)
        for n, spoke in zip(some, sent, strict=True):
            if spoke:
                at += codec.read(data[at:], known[self.row[n]])


def routes(graph: Graph, ranks: int, rank: int, group: int) -> tuple[Routes, Routes]:
    """By other rank: the workers in the group of this rank that it needs, and those of its own that this rank needs.

    >>> routes(Graph.chain(6), 3, 1, HEADS), routes(Graph.chain(6), 3, 1, TAILS)
    (({0: [2]}, {2: [4]}), ({2: [3]}, {0: [1]}))
    """
    lo, hi = block(graph.workers, ranks, rank)
    send: dict[int, set[int]] = defaultdict(set)
    receive: dict[int, set[int]] = defaultdict(set)
    for n in range(lo, hi):
        for m in graph.neighbours(n):
            if not lo <= m < hi:
                other = ((m + 1) * ranks - 1) // graph.workers  # the rank whose block holds m
                for to, worker in ((send, n), (receive, m)):
                    if group == ALL or graph.is_head(worker) is (group == HEADS):
                        to[other].add(worker)
    return in_order(send), in_order(receive)


def in_order(found: dict[int, set[int]]) -> Routes:
    """By rank, and workers increasing."""
    return {rank: sorted(some) for rank, some in sorted(found.items())}


def mask_bytes(some: Sequence[Any]) -> int:
    """Bytes of a mask of one bit per worker."""
    return -(-len(some) // 8)
