"""What the layers cost in a sweep of mpadmm, counted or measured, and how a chain of ranks shares them."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.mpadmm.inverses import INVERSE_FLOPS, helped
from hpcadmm.solvers.shared.dealing import Block, Flow, deal_flow
from hpcadmm.solvers.shared.gradient_sums import GradientSums
from hpcadmm.subproblems.matrix_penalty import direction, input_penalty, output_penalty

PART, LEAST = 250, 8  # samples of a part, and parts, with cut = "auto"
FLOPS = 100e9  # a second of a core, where nothing was measured
REPEATS = 4  # as many partials as a sum adds in one pass over its memory


def parts_of(solver: Any) -> int:
    """The parts of a batch: `cut`."""
    found: int = max(LEAST, round(solver.batch / PART)) if solver.cut == "auto" else solver.cut
    return found


class Costs(NamedTuple):
    """Seconds of each layer l = 1, 2, ... for a whole batch: W_l^T lam_l; all other work of a sweep without a refresh;
    the forward pass, which is part of it; a a^T and lam lam^T of a refresh; the inverses P and Q."""

    pull: list[float]
    own: list[float]
    forward: list[float]
    aa: list[float]
    ll: list[float]
    P: list[float]
    Q: list[float]

    def flow(self, refresh: float) -> Flow:
        """Of a sweep with this share of a refresh; 1: with P_1, which is not refreshed later."""
        again = np.add(self.ll, self.Q) + np.add(self.aa, self.P) * [refresh == 1, *[True] * (len(self.own) - 1)]
        return Flow((self.own + refresh * again).tolist(), self.pull, self.forward)


def deal(
    solver: Any,
    network: Network,
    tiles: Tiles,
    chain: int,
    samples: int,
    costs: Costs | None = None,
    near: bool = True,
) -> list[Block]:
    """The layers of each rank of a chain, on a grid of chain x samples ranks, and who inverts for whom. The layers
    balance the mean sweep after the first `warm`, the inverses those. costs: default `counted`; near: on one node."""
    costs, parts = costs or counted(solver, network, tiles), tiles.count / samples
    blocks = deal_flow(costs.flow(1 / solver.refresh), chain, parts)
    always = solver.inverses == "dealt"
    if chain == 1 or samples > 1 or solver.late or not (always or (solver.inverses == "auto" and near)):
        return blocks
    inverses = [
        {("P", l): (network.shape(l)[1], costs.P[l - 1]) for l in block.layers if l > 1}
        | {("Q", l): (network.n[l], costs.Q[l - 1]) for l in block.layers}
        for block in blocks
    ]
    loads = [costs.flow(1).of(block, parts) for block in blocks]
    helpers = helped(loads, inverses, always=always)
    return [
        replace(
            block,
            lent=tuple(key for key in mine if key in helpers),
            helps=tuple(key for key in helpers if helpers[key] == rank),
        )
        for rank, (block, mine) in enumerate(zip(blocks, inverses, strict=True))
    ]


def dealt(solver: Any, state: Any) -> list[Block]:
    """The same in a run, by measured costs."""
    found: list[Block] = state.work.blocks
    return found


def counted(solver: Any, n: Network, tiles: Tiles) -> Costs:
    """By the number of operations."""
    m, found = float(solver.batch or tiles.n), []
    for l in range(1, n.depth + 1):
        rows, columns = n.shape(l)
        once = 2 * rows * columns * m
        seconds = [(l > 1) * once, 2 * once + 2 * rows * columns * (rows + columns), once]
        seconds += [m * columns * columns, m * rows * rows]
        scaled = [s / FLOPS for s in seconds] + [columns**3 / INVERSE_FLOPS, rows**3 / INVERSE_FLOPS]
        found.append(scaled)
    return Costs(*map(list, zip(*found, strict=True)))


def measured(solver: Any, p: Problem, part: tuple[Any, ...]) -> Costs:
    """On this rank, for as many parts as a batch has, each like `part`: x, y, w, ...

    Layers of the same shape are measured once, with random weights and neighbours.
    """
    L, known, found = p.network.depth, {}, []
    for l in range(1, L + 1):
        kind = p.network.shape(l), l == 1, l == L
        if kind not in known:
            known[kind] = _layer(solver, p, l, *part[:3])
        found.append(known[kind])
    return Costs(*map(list, zip(*found, strict=True)))


def _layer(solver: Any, p: Problem, l: int, x: Any, y: Array, w: Any) -> list[float]:
    """The fields of `Costs`."""
    (rows, columns), count = p.network.shape(l), p.tiles.count
    sums = GradientSums(p, count, curvature=True, layers=[l])
    passes, m = sums.passes, x.shape[1]
    W = passes.weights([*[None] * l, _noise(p, rows, columns)])
    below, above = x if l == 1 else _noise(p, columns, m), y if l == p.network.depth else _noise(p, rows, m)
    forward = count * seconds(lambda: passes.forward(W, below))
    back = count * seconds(lambda: passes.backward(W, above, w))
    pull = count * seconds(lambda: passes.pull(W, l)) if l > 1 else 0.0

    def product(total: Any, of: Callable[[int, Array], Array]) -> float:
        return count * seconds(lambda: total.add(of(l, total.partial)))

    own = forward + back + product(sums.gradient[l], passes.gradient) + _direction(p, l)
    curvature = product(sums.aaT[l], passes.inputs), product(sums.llT[l], passes.outputs)
    P, Q = _inverse(p, columns, input_penalty, solver.delta), _inverse(p, rows, output_penalty, solver.g)
    return [pull, own, forward, *curvature, P, Q]


def _inverse(p: Problem, size: int, penalty: Callable[[Array, float, Array], None], damping: float) -> float:
    M, out = np.eye(size, order="F"), np.empty((size, size), p.dtype, order="F")
    return seconds(lambda: penalty(M, damping, out), 1)


def _direction(p: Problem, l: int) -> float:
    engine, (rows, columns) = p.engines[l], p.network.shape(l)
    operands, C = engine.operands(), _noise(p, rows, columns)
    Q, P = (operands.rounded(name, _noise(p, size, size)) for name, size in (("Q", rows), ("P", columns)))
    return seconds(lambda: direction(Q, C, P, np.empty_like(C), engine, operands), 1)


def _noise(p: Problem, rows: int, columns: int) -> Array:
    return np.asfortranarray(np.random.default_rng(0).standard_normal((columns, rows)).T, p.dtype)


def seconds(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Of a call, after one that does not count."""
    call()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
