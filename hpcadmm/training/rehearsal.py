"""A rehearsal: a few iterations on a tiny problem, which compile or load every kernel before the clock runs."""

import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.model.penalties import NoPenalty
from hpcadmm.model.problem import Part, Problem
from hpcadmm.model.tiles import Tiles
from hpcadmm.training.measure import measure

WIDTH = 8  # samples of a tile or part
ITERATIONS = 3


def rehearse(solver: Any, problem: Problem, world: World) -> float:
    """Compile or load every kernel that a run will use; returns the seconds of the slowest rank. Collective.

    Each rank first runs alone, where a failure has no consequence. If all succeed, the ranks run together, as in the
    real run. No state, random number or message count remains.
    """
    start, traffic = time.perf_counter(), replace(world.traffic)
    with phase("preparing kernels"), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        well = _succeeds_alone(solver, problem)
        if world.min(float(well))[0] and world.size > 1:
            play(solver, problem, world)
    seconds = float(world.max(time.perf_counter() - start)[0])
    vars(world.traffic).update(vars(traffic))
    return seconds


def _succeeds_alone(solver: Any, problem: Problem) -> bool:
    try:
        play(solver, problem, World.alone())
    except Exception:  # noqa: BLE001 (if it matters, the run itself will raise it)
        return False
    return True


def play(solver: Any, problem: Problem, world: World) -> None:
    """Every kind of iteration and an evaluation; ends early if the iterate is not finite. Collective."""
    solver, p = solver.rehearsed(), tiny(problem, world)
    state = solver.blank(p, world)
    solver.start(state, p, world)
    solver.prepare(state, p, world)
    for _ in range(ITERATIONS):
        solver.step(state, p, world)
        solver.complete(state, world)
        if world.max(float(not solver.finite(state)))[0]:
            return
    measure(solver, state, p, world)
    for symmetric in (False, True):
        for size in (2.0**60, 2.0**-60):
            strain(Exact((2, 2), p.dtype, 1, symmetric=symmetric), size, world)


def strain(total: Exact, size: float, world: World) -> None:
    """An exact sum whose first bounds are far off, so that it is repeated. Collective."""
    partial = np.asfortranarray(size * np.eye(2), total.dtype)

    def again() -> None:
        total.clear()
        if world.first:
            total.add(partial)

    again()
    sum_exactly(world, [total], again)


def tiny(p: Problem, world: World) -> Problem:
    """A problem of the same depth, loss, activation and precision with few units and samples. A rank without tiles has
    none here either."""
    network = replace(p.network, n=narrow(p.network.n))
    outputs = network.n[-1]
    classes = max(outputs, 2) if p.classes else 0
    parts = [_part(p, part, network.n[0], outputs, classes, world.samples) for part in (p.train, p.test)]
    shapes = {network.shape(l): p.network.shape(l) for l in range(1, network.depth + 1)}
    sizes = list(zip(network.n, p.network.n, strict=True))
    shapes |= {(rows, inner): (units, below) for rows, units in sizes for inner, below in sizes}
    penalty, products = NoPenalty() if p.penalty else None, p.products.rehearsed(shapes)
    return Problem(network, p.loss, parts[0], parts[1], classes, p.seed, p.dtype, products, penalty)


def _part(p: Problem, part: Part, features: int, outputs: int, classes: int, world: World) -> Part:
    """Random columns of a tiny train or test part."""
    count = part.tiles.parts or min(part.tiles.count, 2 * world.size)
    tiles = Tiles(WIDTH * count, WIDTH, world.size, world.rank, part.tiles.parts)
    random, mine = np.random.default_rng(0), slice(tiles.lo, tiles.hi)
    x = np.ones((features + p.network.ones, tiles.hi - tiles.lo), p.dtype, order="F")
    x[:features] = random.standard_normal((features, tiles.n))[:, mine]
    shape = (outputs, tiles.n)[-part.labels.ndim :]
    labels = (random.integers(classes, size=shape) if classes else random.exponential(size=shape))[..., mine]
    weight = None if part.weight is None else np.ones(tiles.hi - tiles.lo, p.dtype)
    return Part(x, p.loss.targets(labels, outputs, classes, p.dtype), labels, tiles, weight, float(tiles.n))


def narrow(n: tuple[int, ...]) -> tuple[int, ...]:
    """Few units a layer, in the same order of size; a layer of one unit keeps it.

    >>> narrow((784, 300, 300, 10)), narrow((8, 1))
    ((6, 4, 4, 2), (2, 1))
    """
    sizes = sorted(set(n) - {1})
    return tuple(2 * (sizes.index(units) + 1) if units > 1 else 1 for units in n)
