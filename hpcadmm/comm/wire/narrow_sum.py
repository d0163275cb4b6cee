"""Sums over the ranks in which an entry travels in 2 bytes or 1, with error feedback.

Each node of the network owns a share of the vectors and adds the others' parts of it:

    c_n = sum of v_r + e_r over the ranks r of node n     their parts, and what they have not sent so far; in float64
    node n sends each other node the code of that node's share of c_n
    t = sum_n c_n                                         on the owner of a share: its own, then the decoded others
    the owner sends the code of t to all, and every rank takes the decoded one for the total
    e = c_n - decoded c_n, on n's own share t - decoded t;    the first rank of the node keeps it, e_r = 0 on the others

So sum_r (v_r + e_r before) = total + sum_r (e_r after), up to rounding: nothing is lost, it only comes later [Seide et
al.: 1-Bit Stochastic Gradient Descent, Interspeech 2014; Karimireddy et al.: Error Feedback Fixes SignSGD, ICML 2019].
Ranks that are all on one node send one another codes, as if each were a node.

The total has the same bits on all ranks, and whenever as many ranks on the same nodes repeat the sum; on other ranks it
differs by what was rounded. On one rank nothing travels, and nothing is rounded: the total is v + e, and e becomes 0.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from hpcadmm.comm.traffic import Pending
from hpcadmm.comm.wire.narrow import Narrow, Packed, empty, encoded, split
from hpcadmm.comm.world import World

FIRST_TAG, SUMS = 100, 1000  # the tag of the first message; the number of sums whose tags differ


class NarrowSum:
    """A sum of vectors over the ranks, which has begun; until it has finished, nobody may touch them. Collective.

    number: of the sum, the same on all ranks; sums in flight at the same time differ in it. On one rank the sum
    finishes at once. It counts as one message of its codes, as an Allreduce does.
    """

    def __init__(self, world: World, vectors: Sequence[Narrow], number: int = 0) -> None:
        with world.counted("sum", sum(v.packed_bytes for v in vectors) or None):
            pass
        self._steps, self._sums = _steps(world, vectors, FIRST_TAG + 3 * (number % SUMS)), world.traffic.sums
        self._awaited: list[Pending] | None = []
        self._sums.append(self)
        self._advance()

    def progress(self) -> bool:
        """Go on as far as the messages have come; has the sum finished?"""
        while self._awaited is not None and all(message.progress() for message in self._awaited):
            self._advance()
        return self._awaited is None

    def finish(self) -> None:
        """Wait for the sum."""
        while self._awaited is not None:
            for message in self._awaited:
                message.wait()
            self._advance()

    def _advance(self) -> None:
        """Go on to the next messages to wait for."""
        self._awaited = next(self._steps, None)
        if self._awaited is None:
            self._sums.remove(self)


def _steps(world: World, vectors: Sequence[Narrow], tag: int) -> Iterator[list[Pending]]:
    """The sum; yields the messages for which it waits."""
    for v in vectors:
        v.take_error()
    if world.size < 3 or not world.layout.mixed:
        yield from _between(world, None, vectors, tag)
        return
    nodes = world.layout
    yield [nodes.here.start_sum_at_first(v.x) for v in vectors]
    if nodes.between:
        yield from _between(nodes.between, nodes.here, vectors, tag)
    else:
        whole, totals = _room(shares := _shares(vectors, nodes.count))
        yield [nodes.here.receive(whole, 0, tag + 2)]
        _take(shares, totals)


def _between(world: World, here: World | None, vectors: Sequence[Narrow], tag: int) -> Iterator[list[Pending]]:
    """The sum over the first ranks of the nodes; here: the ranks of this node, which get the codes of the totals."""
    shares, others = _shares(vectors, world.size), [n for n in range(world.size) if n != world.rank]
    if not others:
        return
    mine, (whole, totals) = shares[world.rank], _room(shares)
    parts = [empty(mine) for _ in others]
    parts_come = [world.receive(part, n, tag) for part, n in zip(parts, others, strict=True)]
    totals_come = [world.receive(totals[n], n, tag + 1) for n in others]
    sent = [world.send(encoded(shares[n]), n, tag, counts=False) for n in others]
    yield parts_come
    for part in parts:
        for v, packed in split(mine, part):
            v.add(packed)
    totals[world.rank][...] = encoded(mine)
    sent += [world.send(totals[world.rank], n, tag + 1, counts=False) for n in others]
    yield totals_come
    sent += [here.send(whole, rank, tag + 2, counts=False) for rank in range(1, here.size)] if here else []
    _take(shares, totals)
    yield sent


def _shares(vectors: Sequence[Narrow], nodes: int) -> list[list[Narrow]]:
    """The share of each node."""
    return [[v.share(nodes, n) for v in vectors] for n in range(nodes)]


def _room(shares: Sequence[Sequence[Narrow]]) -> tuple[Packed, list[Packed]]:
    """Memory for the codes of all shares, whole and by share."""
    lengths = [sum(v.packed_bytes for v in share) for share in shares]
    whole = np.empty(sum(lengths), np.uint8)
    return whole, np.split(whole, np.cumsum(lengths)[:-1])


def _take(shares: Sequence[Sequence[Narrow]], totals: Sequence[Packed]) -> None:
    """Decode the totals."""
    for share, total in zip(shares, totals, strict=True):
        for v, packed in split(share, total):
            v.take(packed)
