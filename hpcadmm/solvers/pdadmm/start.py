"""The first iterate of pdADMM, and networks that grow: the first layers and the last one train, others join later.

A layer that joins begins as an identity with zero bias, so that the network's output stays as it was. [Wang et al.,
ICDM 2020, section on training deep networks]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from hpcadmm.comm.wire.wire import Wire
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.inputs import product
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.solvers.pdadmm.cost import layer_costs
from hpcadmm.solvers.pdadmm.links import Links
from hpcadmm.solvers.pdadmm.updates import Sums, Work
from hpcadmm.solvers.shared import start
from hpcadmm.solvers.shared.dealing import deal

Count = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class Stage:
    """Train `layers` layers of weights for this many `iterations`; the last stage lasts until the run ends."""

    layers: Count
    iterations: Count


def check_stages(stages: Sequence[Stage], L: int) -> None:
    """Raise UsageError unless the stages grow, up to all L layers."""
    layers = [stage.layers for stage in stages]
    if layers != sorted(set(layers)) or (layers and (layers[-1] != L or (layers[0] < 2 <= L))):
        raise UsageError(
            f"solver.stages have {layers} layers; they must increase, start with at least 2 and end with all {L} layers"
        )


def check_identities(stages: Sequence[Stage], network: Network) -> None:
    """Raise UsageError if a layer that joins later cannot begin as an identity: it is not square, or f(f(z)) is not
    f(z), so that it would change the network's output."""
    later = sorted(set(range(1, network.depth)) - set(active(stages, network.depth, 0)))
    for l in later:
        if network.n[l] != network.n[l - 1]:
            raise UsageError(
                f"solver.stages: layer {l} joins later as an identity, but has {network.n[l]} units on "
                f"{network.n[l - 1]}; give network.hidden equal widths from there on, or begin with more layers"
            )
    z = np.linspace(-3, 3, 13)[None].copy(order="F")
    once = network.activation.value(z, out=np.empty_like(z))
    if later and not np.allclose(network.activation.value(once, out=np.empty_like(z)), once):
        raise UsageError(
            f"solver.stages: layers {later} join later as identities, but {network.activation.name} changes its own "
            f'values; use network.activation = "relu"'
        )


def active(stages: Sequence[Stage], L: int, iterations: int) -> list[int]:
    """The layers that train after this many iterations.

    >>> stages = [Stage(2, 10), Stage(4, 10)]
    >>> active(stages, 4, 9), active(stages, 4, 10), active([], 3, 0)
    ([1, 4], [1, 2, 3, 4], [1, 2, 3])
    """
    for stage in stages:
        if iterations < stage.iterations:
            return [*range(1, stage.layers), L]
        iterations -= stage.iterations
    return list(range(1, L + 1))


def wire(solver: Any, problem: Problem) -> Wire:
    """The code of the messages."""
    return Wire(solver.wire or np.dtype(problem.dtype).name, problem.dtype)


def fields(solver: Any, problem: Problem, world: World) -> dict[str, Any]:
    """The fields of a blank state, except W; p_1 is the data itself."""
    network, L, exact = problem.network, problem.network.depth, solver.update == "exact"
    blocks = deal(layer_costs(solver, network, problem.tiles), world.chain.size)
    lo, hi = blocks[world.chain.rank]
    mine, lossy = range(lo + 1, hi + 1), not wire(solver, problem).lossless
    hidden, later = [l for l in mine if l < L], [l for l in mine if l > 1]
    p = inputs(problem, later)
    p[1] = problem.x if 1 in mine else None
    return {
        "p": p,
        "z": outputs(problem, mine),
        "q": outputs(problem, hidden),
        "R": outputs(problem, [] if exact else mine),
        "sent_p": inputs(problem, later if lossy else []),
        "sent_w": outputs(problem, hidden if lossy else []),
        "theta_W": np.ones(L + 1),
        "theta_p": np.ones(L + 1),
        "payload": np.zeros(L + 1, np.int64),
        "nu": float(solver.nu),
        "rho": float(solver.rho),
        "nu_of_u": float(solver.nu),
        "sums": Sums(problem, mine, gram=exact, plain=solver.sums == "plain"),
        "mine": mine,
        "owner": [-1, *(rank for rank, (lo, hi) in enumerate(blocks) for _ in range(lo, hi))],
        "layer_seconds": dict.fromkeys(mine, 0.0),
        "work": Work(problem, mine, exact=exact),
    }


def outputs(problem: Problem, layers: Sequence[int]) -> Arrays:
    """(n_l, m) for each of these layers, None for the others."""
    n, m, dtype = problem.network.n, problem.x.shape[1], problem.dtype
    return [np.zeros((n[l], m), dtype, order="F") if l in layers else None for l in range(len(n))]


def inputs(problem: Problem, layers: Sequence[int]) -> Arrays:
    """(n_{l-1} + ones, m) for each of these layers, None for the others."""
    network, m, dtype = problem.network, problem.x.shape[1], problem.dtype
    return [network.activations(l - 1, m, dtype) if l in layers else None for l in range(network.depth + 1)]


def first_weights(solver: Any, problem: Problem, l: int) -> Array:
    """The first W_l: random, or the identity if the layer joins later."""
    if l in active(solver.stages, problem.network.depth, 0):
        return start.first_layer(problem, solver.init, l)
    return np.eye(*problem.network.shape(l), dtype=problem.dtype, order="F")


def set_weights(s: Any, weights: Arrays, problem: Problem) -> None:
    """W of all layers; p, z and q of this rank's layers by a forward pass through those below, tile by tile; R = 0."""
    network, L = problem.network, problem.network.depth
    for l in range(1, L + 1):
        s.W[l][...] = weights[l]
    for _, t in problem.tiles:
        a = problem.x[:, t]
        for l in range(1, s.mine[-1] + 1):
            z = np.asfortranarray(product(weights[l], a, np.empty((network.n[l], t.stop - t.start), problem.dtype)))
            if l in s.mine:
                s.z[l][:, t] = z
            if l in s.mine and l > 1:
                s.p[l][:, t] = a
            if l < L:
                a = network.activations(l, t.stop - t.start, problem.dtype)
                network.activation.value(z, out=a)
            if s.q[l] is not None:
                s.q[l][:, t] = a[: len(z)]


def connect(solver: Any, s: Any, problem: Problem, world: World) -> None:
    """Link the layers that train now; before the first iteration they also agree on p and w."""
    layers = active(solver.stages, problem.network.depth, s.iterations)
    s.links = Links(s, problem, world, wire(solver, problem), layers)
    if s.iterations == 0:
        for l in s.links.layers:
            s.links.agree_anew(l)
    s.links.connect()
    s.work.hold(s, problem)


def grow(solver: Any, s: Any, problem: Problem, world: World) -> None:
    """If a stage has ended, add the layers that join: identities with p = q of the layer below."""
    L = problem.network.depth
    before, now = active(solver.stages, L, s.iterations - 1), active(solver.stages, L, s.iterations)
    if s.iterations == 0 or before == now:
        return
    for l in sorted(set(now) - set(before)):
        q = _from_below(s, l, problem, world)
        if l in s.mine:
            _join(s, l, q, problem)
    connect(solver, s, problem, world)


def _from_below(s: Any, l: int, problem: Problem, world: World) -> Array | None:
    """q_{l-1} on the rank of layer l; only that rank and the one below take part."""
    here, below = s.owner[l], s.owner[l - 1]
    q: Array | None = s.q[l - 1] if below == world.chain.rank else None
    if below == here:
        return q
    if q is not None:
        world.chain.send(q, here, l).wait()
    elif here == world.chain.rank:
        q = np.zeros((problem.network.n[l - 1], problem.x.shape[1]), problem.dtype, order="F")
        world.chain.receive(q, below, l).wait()
    return q


def _join(s: Any, l: int, q: Any, problem: Problem) -> None:
    s.W[l][...] = np.eye(*s.W[l].shape)
    s.p[l][: len(q)] = q
    s.z[l][...] = q
    if s.q[l] is not None:
        problem.network.activation.value(s.z[l], out=s.q[l])
    if s.R[l] is not None:
        s.R[l][...] = 0
    s.links.agree_anew(l)
