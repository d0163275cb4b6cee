"""What travels between the layers of pdADMM, and when.

In every iteration, at the boundary of layers l and l + 1:

    p_{l+1} goes down as soon as it is new: `downwards` expects it, `send_p` sends it, `ends` waits for it;
    w_l = u_l - rho q_l goes up at the end, with the rho of the next iteration: `exchange_w`.

The layer above needs q_l and u_l only in w_l, and u_l = nu (q_l - f(z_l)), so u is never an array. A message between
ranks travels while both work on other layers. If the wire loses digits, both sides of every boundary, also within a
rank, use the decoded values: `sent_p[l]` of p_l, `sent_w[l]` of w_l.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from hpcadmm.comm.wire.wire import Wire
from hpcadmm.comm.traffic import Pending
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.products.scratch import Scratch
from hpcadmm.subproblems.layer_split import force

P, W = 1, 2  # message tags


class Links:
    """The boundaries of this rank's layers among `active`, the layers that train."""

    def __init__(self, s: Any, problem: Problem, world: World, wire: Wire, active: Sequence[int]) -> None:
        self.s, self.problem, self.chain, self.wire = s, problem, world.chain, wire
        self.layers = [l for l in active if l in s.mine]
        self.inner = self.layers[1:-1]
        self.above = dict(pairwise(active))
        self.below = {above: below for below, above in self.above.items()}
        self.lower = self._other_rank(self.layers[:1], self.below)
        self.upper = self._other_rank(self.layers[-1:], self.above)
        n, m, dtype = problem.network.n, problem.x.shape[1], problem.dtype
        self.p_in: Any = None  # p of the lowest layer of the rank above
        self.w_in: Any = None  # w of the highest layer of the rank below
        self._w_out: Any = None
        if self.lower is not None:
            self.w_in = np.zeros((n[self.layers[0] - 1], m), dtype, order="F")
        if self.upper is not None:
            self.p_in = problem.network.activations(self.layers[-1], m, dtype)
            self._w_out = np.zeros((n[self.layers[-1]], m), dtype, order="F") if wire.lossless else None
        self._agreed_p = s.p if wire.lossless else s.sent_p
        self._packed = Scratch(np.uint8)
        self._arriving: Any = None  # Pending messages of p
        self._leaving: Any = None

    def _other_rank(self, end: Sequence[int], neighbour: dict[int, int]) -> int | None:
        """The rank of the neighbour of the lowest or highest layer; None if this rank has it, or there is none."""
        ranks = [self.s.owner[neighbour[l]] for l in end if l in neighbour]
        return ranks[0] if ranks and ranks[0] != self.chain.rank else None

    # The order of the layers in an iteration.

    def downwards(self) -> Iterator[int]:
        """The lowest layer, whose p must travel; then the others from the highest down, each after the one above."""
        if self.upper is not None:
            self._arriving = self._receive(self.p_in, self.upper, P)
        yield from self._timed([*self.layers[:1], *self.layers[:0:-1]])

    def ends(self) -> Iterator[int]:
        """The lowest layer, and when p from the rank above has arrived, the highest."""
        yield from self._timed(self.layers[:-1][:1])
        if self.upper is not None:
            self._arriving.wait()
            self._decode(self.p_in, P)
        yield from self._timed(self.layers[-1:])

    def _timed(self, layers: Sequence[int]) -> Iterator[int]:
        """Add the seconds that the caller's loop spends on each layer to `layer_seconds`."""
        for l in layers:
            start = time.perf_counter()
            yield l
            self.s.layer_seconds[l] += time.perf_counter() - start

    # What a layer uses of its neighbours.

    def p_above(self, l: int) -> Array:
        """p_{l+1} as agreed: (n_l + ones, m)."""
        remote = l == self.layers[-1] and self.upper is not None
        p: Array = self.p_in if remote else self._agreed_p[self.above[l]]
        return p

    def w_below(self, l: int, t: slice) -> Array:
        """The columns t of w_{l-1} as agreed: (n_{l-1}, columns)."""
        remote, below = l == self.layers[0] and self.lower is not None, self.below[l]
        if self.wire.lossless and not remote:
            return self.form_w(below, t)
        w: Array = self.w_in if remote else self.s.sent_w[below]
        return w[:, t]

    def form_w(self, l: int, t: slice, out: Array | None = None) -> Array:
        """The columns t of w_l = u_l - rho q_l, in those of `out` or in a buffer."""
        s, z, q = self.s, self.s.z[l][:, t], self.s.q[l][:, t]
        w: Array = s.work.scratch("w", *z.shape) if out is None else out[:, t]
        force(z, q, self.problem.network.activation, s.nu_of_u, s.rho, s.work.scratch, w)
        return w

    # Messages.

    def send_p(self, l: int) -> None:
        """Agree on p_l with the layer below; send it if that is on another rank."""
        to, message = self.lower if l == self.layers[0] else None, self.s.p[l]
        self._count(l, message)
        if not self.wire.lossless:
            message = self._encode(lambda t: self.s.p[l][:, t], self.s.sent_p[l], to, P)
        if to is not None:
            self._leaving = self.chain.send(message, to, P)

    def exchange_w(self) -> None:
        """Agree on all w_l with the layers above; return when all messages of this iteration have arrived."""
        arriving = None if self.lower is None else self._receive(self.w_in, self.lower, W)
        leaving = [self._send_w(l) for l in self.layers if l in self.above]
        for pending in (self._leaving, arriving, *leaving):
            if pending is not None:
                pending.wait()
        if arriving is not None:
            self._decode(self.w_in, W)
        self._leaving = None

    def _send_w(self, l: int) -> Pending | None:
        to = self.upper if l == self.layers[-1] else None
        self._count(l, self.s.z[l])
        if not self.wire.lossless:
            message = self._encode(partial(self.form_w, l), self.s.sent_w[l], to, W)
        elif to is not None:
            message = self._whole_w(l)
        return None if to is None else self.chain.send(message, to, W)

    def _whole_w(self, l: int) -> Any:
        """w_l as agreed, all columns."""
        if not self.wire.lossless:
            return self.s.sent_w[l]
        for _, t in self.problem.tiles:
            self.form_w(l, t, self._w_out)
        return self._w_out

    def connect(self) -> None:
        """Send the neighbours on other ranks what they must know, uncoded: at the start and when layers join."""
        waiting: list[Pending] = []
        if self.upper is not None:
            waiting.append(self.chain.receive(self.p_in, self.upper, P))
            waiting.append(self.chain.send(self._whole_w(self.layers[-1]), self.upper, W))
        if self.lower is not None:
            waiting.append(self.chain.receive(self.w_in, self.lower, W))
            waiting.append(self.chain.send(self._agreed_p[self.layers[0]], self.lower, P))
        for pending in waiting:
            pending.wait()

    def agree_anew(self, l: int) -> None:
        """Set what the neighbours know of layer l to its exact values: at the start, when all ranks know them."""
        if self.wire.lossless:
            return
        if l > 1:
            self.s.sent_p[l][...] = self.s.p[l]
        if l < self.problem.network.depth:
            for _, t in self.problem.tiles:
                self.form_w(l, t, self.s.sent_w[l])

    # Packed messages.

    def _count(self, l: int, array: Array) -> None:
        """Add the bytes of a message over all samples, whether or not it leaves the rank."""
        tiles = self.problem.tiles
        self.s.payload[l] += self.wire.packed_bytes(len(array) * tiles.n, tiles.count)

    def _receive(self, array: Array, source: int, tag: int) -> Pending:
        return self.chain.receive(array if self.wire.lossless else self._buffer(array, "in", tag), source, tag)

    def _buffer(self, array: Array, way: str, tag: int) -> Array:
        size = self.wire.packed_bytes(array.size, len(self.problem.tiles))
        return self._packed(f"{way} {tag}", size, 1).reshape(-1)

    def _parts(self, packed: Array, rows: int) -> Iterator[tuple[slice, Array]]:
        """The columns of each tile, and its part of a packed message."""
        lo = 0
        for _, t in self.problem.tiles:
            hi = lo + self.wire.packed_bytes(rows * (t.stop - t.start))
            yield t, packed[lo:hi]
            lo = hi

    def _encode(self, tile: Callable[[slice], Array], known: Array, to: int | None, tag: int) -> Array:
        """Pack an array given tile by tile; `known` becomes what is agreed."""
        packed = self._buffer(known, "within" if to is None else "out", tag)
        for t, part in self._parts(packed, len(known)):
            self.wire.encode(tile(t), known[:, t], part)
        return packed

    def _decode(self, known: Array, tag: int) -> None:
        if not self.wire.lossless:
            for t, part in self._parts(self._buffer(known, "in", tag), len(known)):
                self.wire.decode(part, known[:, t])
