"""A rehearsal: a few iterations of the job's solver on a tiny problem, so that no kernel is compiled on the clock."""

import dataclasses
import time
import warnings
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import Exact, sum_exactly
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Part, Problem
from hpcadmm.model.tiles import Tiles
from hpcadmm.training.measure import measure

WIDTH = 8  # samples of a tile or part
ITERATIONS = 3
SOON = {"warm": 1, "refresh": 2, "period": 1, "restart": 2}  # so that these hold every kind of iteration


def rehearse(solver: Any, problem: Problem, world: World) -> float:
    """Have every kernel that a run will use compiled or loaded; returns the seconds, the slowest rank's. Collective.

    First each rank by itself, where whatever goes wrong is of no consequence; if it goes well on all of them, the ranks
    together, as the run will be. Nothing of it remains: no state, no random number, no count of messages.
    """
    start, traffic = time.perf_counter(), dataclasses.replace(world.traffic)
    with phase("preparing kernels"), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        well = _went_well(solver, problem)
        if world.min(float(well))[0] and world.size > 1:
            play(solver, problem, world)
    seconds = float(world.max(time.perf_counter() - start)[0])
    vars(world.traffic).update(vars(traffic))
    return seconds


def _went_well(solver: Any, problem: Problem) -> bool:
    """Did this rank get through it alone?"""
    try:
        play(solver, problem, World.alone())
    except Exception:  # noqa: BLE001 (should it matter, the run will say so)
        return False
    return True


def play(solver: Any, problem: Problem, world: World) -> None:
    """Every kind of iteration, and an evaluation; ends where the iterate is not finite. Collective."""
    solver, p = brief(solver), tiny(problem, world)
    state = solver.blank(p, world)
    solver.start(state, p, world)
    solver.prepare(state, p, world)
    for _ in range(ITERATIONS + len(getattr(solver, "stages", []))):
        solver.step(state, p, world)
        if world.max(float(not solver.finite(state)))[0]:
            return
    measure(solver, state, p, world)
    for symmetric in (False, True):
        for size in (2.0**60, 2.0**-60):
            strain(Exact((2, 2), p.dtype, 1, symmetric=symmetric), size, world)


def strain(total: Exact, size: float, world: World) -> None:
    """A sum whose bounds are far off, so that it is made more than once. Collective."""
    partial = np.asfortranarray(size * np.eye(2), total.dtype)

    def again() -> None:
        total.clear()
        if world.first:
            total.add(partial)

    again()
    sum_exactly(world, [total], again)


def brief(solver: Any) -> Any:
    """The solver with every kind of iteration among the first ones."""
    known = {field.name for field in dataclasses.fields(solver)}
    changes: dict[str, Any] = {k: v for k, v in SOON.items() if k in known and getattr(solver, k) is not None}
    if getattr(solver, "stages", None):
        changes["stages"] = [dataclasses.replace(stage, iterations=1) for stage in solver.stages]
    if getattr(solver, "censor", None):
        changes["censor"] = dataclasses.replace(solver.censor, threshold=np.finfo(float).tiny)
    return dataclasses.replace(solver, **changes)


def tiny(p: Problem, world: World) -> Problem:
    """The same depth, loss, activation and precision, on few units and samples. No rank has tiles that had none."""
    network = dataclasses.replace(p.network, n=narrow(p.network.n))
    outputs = network.n[-1]
    classes = max(outputs, 2) if p.classes else 0
    parts = [_part(p, part, network.n[0], outputs, classes, world.samples) for part in (p.train, p.test)]
    return Problem(network, p.loss, parts[0], parts[1], classes, p.seed, p.dtype)


def _part(p: Problem, part: Part, features: int, outputs: int, classes: int, world: World) -> Part:
    """Random columns of a tiny train or test part."""
    count = part.tiles.parts or min(part.tiles.count, 2 * world.size)
    tiles = Tiles(WIDTH * count, WIDTH, world.size, world.rank, part.tiles.parts)
    random, mine = np.random.default_rng(0), slice(tiles.lo, tiles.hi)
    x = np.ones((features + p.network.ones, tiles.hi - tiles.lo), p.dtype, order="F")
    x[:features] = random.standard_normal((features, tiles.n))[:, mine]
    shape = (outputs, tiles.n)[-part.labels.ndim :]
    labels = (random.integers(classes, size=shape) if classes else random.standard_normal(shape))[..., mine]
    return Part(x, p.loss.targets(labels, outputs, classes, p.dtype), labels, tiles)


def narrow(n: tuple[int, ...]) -> tuple[int, ...]:
    """Few units a layer: equal ones stay equal, narrower ones narrower, and one stays one.

    >>> narrow((784, 300, 300, 10)), narrow((8, 1))
    ((6, 4, 4, 2), (2, 1))
    """
    sizes = sorted(set(n) - {1})
    return tuple(2 * (sizes.index(units) + 1) if units > 1 else 1 for units in n)
