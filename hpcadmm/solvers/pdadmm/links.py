"""The boundaries between layers of pdADMM: p_{l+1} goes down to layer l, and w_l = u_l - rho q_l up to layer l + 1.

The layer above needs of q_l and u_l only w_l, and u_l = nu (q_l - f(z_l)), so u never exists as an array. Between
ranks a message is under way while other layers are worked on. Where the wire loses digits, both sides of every
boundary, also inside a rank, use what was agreed on: `sent_p[l]` for p_l, `sent_w[l]` for w_l.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from hpcadmm.comm.wire.wire import Wire
from hpcadmm.comm.world import Pending, World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.pdadmm.work import PAYLOAD
from hpcadmm.subproblems.layer_split import force

P, W = 1, 2  # tags


class Links:
    """The boundaries of this rank's layers among `active`, the layers that train."""

    def __init__(self, s: Any, p: Problem, world: World, wire: Wire, active: list[int]) -> None:
        self.s, self.p, self.chain, self.wire, self.active = s, p, world.chain, wire, active
        self.layers = s.work.local(active)
        self.below = {above: below for below, above in pairwise(active)}
        self.above = dict(pairwise(active))
        self.lower, self.upper = self._remote(self.below, self.layers[:1]), self._remote(self.above, self.layers[-1:])
        n, m = p.network.n, p.x.shape[1]
        self.p_in = p.network.activations(self.layers[-1], m, p.dtype) if self.upper is not None else None
        self.w_in = np.zeros((n[self.layers[0] - 1], m), p.dtype, order="F") if self.lower is not None else None
        whole = self.upper is not None and wire.lossless
        self._w_out = np.zeros((n[self.layers[-1]], m), p.dtype, order="F") if whole else None
        self._packed: dict[str, Array] = {}
        self._arriving: Pending | None = None
        self._leaving: Pending | None = None

    def _remote(self, neighbour: dict[int, int], end: list[int]) -> int | None:
        """The rank of the neighbour of the last or first layer here, if it is another one."""
        ranks = [self.s.work.owner(neighbour[l]) for l in end if l in neighbour]
        return ranks[0] if ranks and ranks[0] != self.chain.rank else None

    # What a layer uses of its neighbours.

    def p_above(self, l: int) -> Array:
        """p of the layer above l, (n_l + ones, m), as agreed."""
        if l == self.layers[-1] and self.p_in is not None:
            return self.p_in
        return (self.s.p if self.wire.lossless else self.s.sent_p)[self.above[l]]

    def w_below(self, l: int, t: slice) -> Array:
        """A tile of u - rho q of the layer below l, (n_{l-1}, columns), as agreed."""
        if l == self.layers[0] and self.w_in is not None:
            return self.w_in[:, t]
        k = self.below[l]
        return self.form_w(k, t) if self.wire.lossless else self.s.sent_w[k][:, t]

    def form_w(self, l: int, t: slice, out: Array | None = None) -> Array:
        """A tile of w_l = u_l - rho q_l, into the columns of `out` or a scratch array."""
        s, (_, rho, dual) = self.s, self.s.penalties
        z, q = s.z[l][:, t], s.q[l][:, t]
        w = s.work.scratch("w", *z.shape) if out is None else out[:, t]
        force(z, q, self.p.network.activation, dual, rho, s.work.scratch, w)
        return w

    # The messages of an iteration.

    def receive_p(self) -> None:
        """Expect p from the rank above."""
        if self.upper is not None and self.p_in is not None:
            into = self.p_in if self.wire.lossless else self._buffer("p_in", self.p_in)
            self._arriving = self.chain.receive(into, self.upper, P)

    def send_p(self, l: int) -> None:
        """Agree on p_l with the layer below; if that is another rank's, the message leaves."""
        if l not in self.below:
            return
        self._count(l, self.p.network.n[l - 1] + self.p.network.ones)
        remote, out = l == self.layers[0] and self.lower is not None, self.s.p[l]
        if not self.wire.lossless:
            out = self._encode("p_out" if remote else "packed", lambda t: self.s.p[l][:, t], self.s.sent_p[l])
        if remote and self.lower is not None:
            self._leaving = self.chain.send(out, self.lower, P)

    def await_p(self) -> None:
        """p of the layer above has arrived."""
        if self._arriving is not None and self.p_in is not None:
            self._arriving.wait()
            self._decode("p_in", self.p_in)
            self._arriving = None

    def exchange_w(self) -> None:
        """Agree on all w_l with the layers above; ends when this iteration's messages have arrived."""
        arriving: Pending | None = None
        if self.lower is not None and self.w_in is not None:
            into = self.w_in if self.wire.lossless else self._buffer("w_in", self.w_in)
            arriving = self.chain.receive(into, self.lower, W)
        leaving = [self._send_w(l) for l in self.layers if l in self.above]
        for pending in (self._leaving, arriving, *leaving):
            if pending is not None:
                pending.wait()
        if arriving is not None and self.w_in is not None:
            self._decode("w_in", self.w_in)
        self._leaving = None

    def _send_w(self, l: int) -> Pending | None:
        self._count(l, self.p.network.n[l])
        remote = l == self.layers[-1] and self.upper is not None
        if not self.wire.lossless:
            out = self._encode("w_out" if remote else "packed", partial(self.form_w, l), self.s.sent_w[l])
        elif remote:
            out = self._whole_w(l)
        return self.chain.send(out, self.upper, W) if remote and self.upper is not None else None

    def _whole_w(self, l: int) -> Any:
        """All of w_l as it is; a coded one is known to both sides as `sent_w`."""
        if self._w_out is None:
            return self.s.sent_w[l]
        for _, t in self.p.tiles:
            self.form_w(l, t, self._w_out)
        return self._w_out

    def _count(self, l: int, rows: int) -> None:
        """The bytes of a message over all samples, whether or not it crosses ranks."""
        tiles = self.p.tiles.of(1, 0)
        self.s.marks[l, PAYLOAD] += sum(self.wire.tile_bytes(rows * (t.stop - t.start)) for _, t in tiles)

    # Packed messages.

    def _sizes(self, rows: int) -> list[int]:
        return [self.wire.tile_bytes(rows * (t.stop - t.start)) for _, t in self.p.tiles]

    def _buffer(self, name: str, like: Array) -> Array:
        size = sum(self._sizes(len(like)))
        if name not in self._packed or self._packed[name].size != size:
            self._packed[name] = np.zeros(size, np.uint8)
        return self._packed[name]

    def _encode(self, name: str, tile: Callable[[slice], Array], known: Array) -> Array:
        """What is given tile by tile, packed; `known` becomes what is agreed on."""
        packed, lo = self._buffer(name, known), 0
        for (_, t), size in zip(self.p.tiles, self._sizes(len(known)), strict=True):
            self.wire.encode(tile(t), known[:, t], packed[lo : lo + size])
            lo += size
        return packed

    def _decode(self, name: str, known: Array) -> None:
        if self.wire.lossless:
            return
        packed, lo = self._buffer(name, known), 0
        for (_, t), size in zip(self.p.tiles, self._sizes(len(known)), strict=True):
            self.wire.decode(packed[lo : lo + size], known[:, t])
            lo += size

    # The beginning.

    def connect(self) -> None:
        """Neighbours on other ranks tell each other what they know, in full: at the start, and when layers join."""
        waiting: list[Pending] = []
        if self.upper is not None and self.p_in is not None:
            waiting.append(self.chain.receive(self.p_in, self.upper, P))
            waiting.append(self.chain.send(self._whole_w(self.layers[-1]), self.upper, W))
        if self.lower is not None and self.w_in is not None:
            l = self.layers[0]
            waiting.append(self.chain.receive(self.w_in, self.lower, W))
            waiting.append(self.chain.send((self.s.p if self.wire.lossless else self.s.sent_p)[l], self.lower, P))
        for pending in waiting:
            pending.wait()

    def agree_anew(self, l: int) -> None:
        """What a layer's neighbours know of it is what it is: at the start, when it is known to all."""
        if not self.wire.lossless:
            if l > 1:
                self.s.sent_p[l][...] = self.s.p[l]
            if l < self.p.network.depth:
                for _, t in self.p.tiles:
                    self.form_w(l, t, self.s.sent_w[l])
