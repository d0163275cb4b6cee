"""The first iterate of pdADMM, what neighbours tell each other before the first step, and layers that join later."""

from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import UNKNOWN
from hpcadmm.comm.wire.wire import Wire
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.solvers.pdadmm.blocks import PRODUCTS
from hpcadmm.solvers.pdadmm.growing import active, make_identity
from hpcadmm.solvers.pdadmm.links import Links
from hpcadmm.solvers.pdadmm.work import MARKS, Work
from hpcadmm.solvers.shared import start


def wire(solver: Any, p: Problem) -> Wire:
    """How messages are packed."""
    return Wire(solver.wire or np.dtype(p.dtype).name, p.dtype)


def blank(solver: Any, make: Any, p: Problem, world: World) -> Any:
    """Allocate a state: all W, and p, z, q, R of this rank's layers; p_1 is the data itself."""
    n, L, m, exact = p.network.n, p.network.depth, p.x.shape[1], solver.update == "exact"
    work = Work(p, world, PRODUCTS[solver.update], exact=exact, plain=solver.sums == "plain")
    lossy = not wire(solver, p).lossless

    def units(first: int, last: int, made: bool = True) -> Arrays:
        mine = [l for l in work.mine if made and first <= l <= last]
        return [np.zeros((n[l], m), p.dtype, order="F") if l in mine else None for l in range(L + 1)]

    def inputs(made: bool = True) -> Arrays:
        mine = [l for l in work.mine if made and l > 1]
        return [p.network.activations(l - 1, m, p.dtype) if l in mine else None for l in range(L + 1)]

    s = make(
        W=[None, *(np.zeros(p.network.shape(l), p.dtype, order="F") for l in range(1, L + 1))],
        p=inputs(),
        z=units(1, L),
        q=units(1, L - 1),
        R=units(1, L, not exact),
        sent_p=inputs(lossy),
        sent_w=units(1, L - 1, lossy),
        penalties=np.array([solver.nu, solver.rho, solver.nu]),
        marks=np.zeros((L + 1, len(MARKS))),
        scales=[None, *(np.full(lines(*p.network.shape(l), exact), UNKNOWN) for l in range(1, L + 1))],
        done=np.zeros(1, dtype=np.int64),
        work=work,
    )
    if 1 in work.mine:
        s.p[1] = p.x
    return s


def lines(rows: int, columns: int, exact: bool) -> int:
    """Scales of the exact sums of a layer: of z p^T, and for exact updates of p p^T."""
    return rows + columns * (2 if exact else 1)


def first_layer(solver: Any, p: Problem, l: int) -> Array:
    """W_l to begin with: random, or the identity where the layer joins later."""
    W = start.first_layer(p, solver.init, l)
    if l not in active(solver.stages, p.network.depth, 0):
        make_identity(W, p.network.n[l])
    return W


def set_weights(s: Any, weights: Arrays, p: Problem) -> None:
    """p, z and q of this rank's layers by a forward pass through the ones below, tile by tile; R = 0."""
    L, mine = p.network.depth, s.work.mine
    for l in range(1, L + 1):
        s.W[l][...] = weights[l]
    for l in mine:
        s.marks[l], s.scales[l][...] = [1.0, 1.0, 0.0], UNKNOWN
    for _, t in p.tiles:
        a = p.x[:, t]
        for l in range(1, mine[-1] + 1):
            z = np.asfortranarray(np.matmul(weights[l], a))
            a_next = p.network.activations(l, t.stop - t.start, p.dtype) if l < L else a
            if l < L:
                p.network.activation.value(z, out=a_next)
            if l in mine:
                _take(s, l, t, a, z, a_next)
            a = a_next


def _take(s: Any, l: int, t: slice, a: Array, z: Array, above: Array) -> None:
    """A tile of layer l: its input, its output before and after the activation."""
    s.z[l][:, t] = z
    if l > 1:
        s.p[l][:, t] = a
    if s.q[l] is not None:
        s.q[l][:, t] = above[: len(z)]


def connect(solver: Any, s: Any, p: Problem, world: World) -> None:
    """The boundaries as they are now; the first time also what is agreed on."""
    layers = active(solver.stages, p.network.depth, int(s.done[0]))
    s.work.links = Links(s, p, world, wire(solver, p), layers)
    if s.done[0] == 0:
        for l in s.work.links.layers:
            s.work.links.agree_anew(l)
    s.work.links.connect()


def grow(solver: Any, s: Any, p: Problem, world: World) -> None:
    """Where a stage ends, the layers that join: identities whose p is the q below them, so that nothing changes."""
    L, done = p.network.depth, int(s.done[0])
    before, now = active(solver.stages, L, done - 1), active(solver.stages, L, done)
    if done == 0 or before == now:
        return
    for l in sorted(set(now) - set(before)):
        q = _from_below(s, l, p, world)
        if l in s.work.mine:
            _join(s, l, q, p)
    connect(solver, s, p, world)


def _from_below(s: Any, l: int, p: Problem, world: World) -> Array | None:
    """q_{l-1} on the rank of layer l; only that rank and the one below take part."""
    here, below = s.work.owner(l), s.work.owner(l - 1)
    q: Array | None = s.q[l - 1] if below == world.chain.rank else None
    if below == here:
        return q
    if q is not None:
        world.chain.send(q, here, l).wait()
    elif here == world.chain.rank:
        q = np.zeros((p.network.n[l - 1], p.x.shape[1]), p.dtype, order="F")
        world.chain.receive(q, below, l).wait()
    return q


def _join(s: Any, l: int, q: Any, p: Problem) -> None:
    make_identity(s.W[l], p.network.n[l])
    s.p[l][: len(q)] = q
    s.z[l][...] = q
    if s.q[l] is not None:
        p.network.activation.value(s.z[l], out=s.q[l])
    if s.R[l] is not None:
        s.R[l][...] = 0
    s.work.links.agree_anew(l)
