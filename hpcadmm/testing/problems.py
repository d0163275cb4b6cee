"""Small problems made by hand: a noisy teacher's classes, or its outputs, dealt to any number of ranks."""

from dataclasses import fields
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.network import Network
from hpcadmm.model.penalties import L1
from hpcadmm.model.problem import Part, Problem
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles
from hpcadmm.products import engine_of
from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.shared.case import place_here
from hpcadmm.solvers.shared.floor import Floor


def problem(
    world: World,
    hidden: tuple[int, ...] = (7, 5),
    loss: str = "hinge",
    activation: str = "relu",
    *,
    features: int = 6,
    classes: int = 3,
    samples: int = 150,
    width: int = 64,
    bias: bool = True,
    dtype: Any = np.float64,
    seed: int = 0,
    spread: int = 0,
    parts: int = 0,
    scale: float = 1.0,
    weight: Any = None,
    repeat: Any = None,
    dropout: tuple[float, ...] = (),
    training: Any = None,
    precision: str = "",
    penalty: Any = None,
) -> Problem:
    """The columns of `world.samples`. classes = 0: a regression on two targets. spread: tiles differ in size by up to
    2^(2 spread). parts: so many of the training samples, instead of tiles. scale: of the first feature. weight: of each
    training sample. repeat: take each training sample so many times. dropout: of each a_l, l < L. training: other
    fields of the network that only training knows.
    precision: of the products; default: dtype. penalty: of the coefficients of a linear model.
    A loss for real targets, or for two classes, gets them."""
    chosen = LOSSES[loss]()
    classes = 0 if chosen.real else 2 if loss == "logistic" else classes
    random = np.random.default_rng([seed, 99])
    teacher = random.standard_normal((classes or 2, features))
    made: list[Part] = []
    for n, cut in ((samples, parts), (samples // 2 + 1, 0)):
        x, scores = drawn(random, teacher, n, width, spread)
        labels = np.argmax(scores, axis=0) if classes else np.floor(np.exp(scores / 2)) if chosen.raw else scores
        outputs = chosen.outputs(classes) if classes else 2
        x[0] *= scale
        if repeat is not None and not made:
            x, labels = np.repeat(x, repeat, axis=1), np.repeat(labels, repeat, axis=-1)
        tiles = Tiles(x.shape[1], width, world.samples.size, world.samples.rank, cut)
        mine = slice(tiles.lo, tiles.hi)
        columns = np.vstack([x, np.ones((int(bias), x.shape[1]))])[:, mine]
        y = chosen.targets(labels[..., mine], outputs, classes, dtype)
        w = None if weight is None or made else np.asarray(weight, dtype)
        counted: dict[str, Any] = {} if w is None else {"weight": w[mine], "sum": float(w.sum(dtype=np.float64))}
        made.append(Part(np.asfortranarray(columns, dtype), y, labels[..., mine], tiles, **counted))
    network = Network((features, *hidden, outputs), ACTIVATIONS[activation](), bias, dropout, **training or {})
    products = engine_of(precision or np.dtype(dtype).name)
    bound = penalty and penalty.bound([f"x{j}" for j in range(features)])
    return Problem(network, chosen, made[0], made[1], classes, seed, dtype, products, bound)


def drawn(random: np.random.Generator, teacher: Array, n: int, width: int, spread: int) -> tuple[Array, Array]:
    """n samples, and the noisy outputs of the teacher for them."""
    size = np.repeat(2.0 ** random.integers(-spread, spread + 1, -(-n // width)), width)[:n]
    x = random.standard_normal((teacher.shape[1], n)) * size
    return x, teacher @ np.tanh(x) + 0.1 * random.standard_normal((len(teacher), n))


def fitting(solver: Any, hidden: tuple[int, ...]) -> tuple[int, ...]:
    """As many of the hidden layers as the solver can train."""
    return hidden if solver.most_layers is None else hidden[: solver.most_layers - 1]


def shared(name: str) -> Any:
    """The solver of this name with its defaults, except that up to six ranks can share its work."""
    solver = SOLVERS[name]
    return solver(cut=6) if any(field.name == "cut" for field in fields(solver)) else solver()


def minimises(solver: Any, loss: str) -> bool:
    """Can the solver train with this loss?"""
    return solver.losses is None or loss in solver.losses


def pairs() -> list[tuple[str, str]]:
    """Each solver with each of the losses that the papers have, and some of each kind with the others."""
    some = ("taylor", "pdadmm", "mpadmm", "unwrapped", "gadmm", "adam", "lbfgs")
    usual = ("hinge", "squared", "cross-entropy")
    every = [(name, loss) for name in SOLVERS for loss in LOSSES if loss in usual or name in some]
    return [(name, loss) for name, loss in every if minimises(SOLVERS[name], loss)]


def posed(solver: Any, world: World, hidden: tuple[int, ...] = (7, 5), **options: Any) -> tuple[Problem, World]:
    """A problem and the ranks as the solver wants them; UsageError where it refuses them."""
    world = world.arranged(*solver.grid_of(len(fitting(solver, hidden)) + 1, world.size))
    options.setdefault("loss", "hinge" if minimises(solver, "hinge") else solver.losses[0])
    options.setdefault("penalty", L1(1e-3) if solver.convex else None)
    p = problem(world, fitting(solver, hidden), parts=solver.parts, **options)
    solver.check_problem(p, world)
    return p, world


def started(solver: Any, p: Problem, world: World) -> Any:
    """The state before the first step."""
    state = solver.blank(p, world)
    solver.start(state, p, world)
    solver.prepare(state, p, world)
    return state


def stepped(solver: Any, p: Problem, world: World, steps: int) -> Any:
    """The state after so many steps."""
    state = started(solver, p, world)
    for _ in range(steps):
        solver.step(state, p, world)
    return state


def floor_of(solver: Any, p: Problem, world: World, k: int = 0, state: Any = None) -> dict[str, Any]:
    """The necessary products of iteration k on this rank, by name."""
    return Floor(p.tiles, p.dtype, p.products).of(solver.bill(place_here(solver, p, world, state), k))
