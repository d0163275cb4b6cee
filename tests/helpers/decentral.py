"""Decentralized solvers stepped on small convex problems, and what their theory says of the iterates."""

from typing import Any, NamedTuple

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers import Gadmm, QGadmm
from hpcadmm.solvers.workers.neighbours import Censor
from hpcadmm.testing.problems import posed, started
from hpcadmm.testing.runs import held, together
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.measure import Clock
from tests.helpers.seen import Counting


class Textbook(NamedTuple):
    """min sum_n 1/2 |X_n' theta - Y_n|^2 in float64: f_n by worker, and the optimum by lstsq."""

    X: list[Array]
    Y: list[Array]
    best: Array  # (features, outputs)

    def value(self, n: int, T: Array) -> float:
        return 0.5 * float(np.square(T.T @ self.X[n] - self.Y[n]).sum())

    def gradient(self, n: int, T: Array) -> Array:
        return self.X[n] @ (T.T @ self.X[n] - self.Y[n]).T

    def total(self, Ts: list[Array]) -> float:
        return sum(self.value(n, T) for n, T in enumerate(Ts))

    @property
    def least(self) -> float:
        return self.total([self.best] * len(self.X))

    @property
    def duals(self) -> list[Array]:
        """lam*_n of a chain's edges n - (n + 1): 0 = gradient f_n + lam_n - lam_{n-1}."""
        return list(np.cumsum([-self.gradient(n, self.best) for n in range(len(self.X))], axis=0)[:-1])


def textbook(p: Problem) -> Textbook:
    """Of a problem that lies on one rank."""
    tiles = [t for _, t in p.tiles]
    best = np.linalg.lstsq(p.x.T, p.y.T, rcond=None)[0]
    return Textbook([p.x[:, t] for t in tiles], [p.y[:, t] for t in tiles], best)


def models(s: Any, p: Problem) -> list[Array]:
    """theta_n as (features, outputs), by worker; all on this rank."""
    return [theta.reshape(p.network.shape(1)[::-1]) for theta in s.theta]


def chain_duals(s: Any, p: Problem) -> list[Array]:
    """lam_n = mu_1 + ... + mu_n of the edges of a chain."""
    return list(np.cumsum([mu.reshape(p.network.shape(1)[::-1]) for mu in s.mu], axis=0)[:-1])


def alone(solver: Any, **options: Any) -> tuple[Any, Problem, World]:
    """The state before the first step, on one rank; a regression in least squares unless told otherwise."""
    p, world = posed(solver, World.alone(), **{"hidden": (), "loss": "squared", "classes": 0, **options})
    return started(solver, p, world), p, world


def check_optimum(solver: Any, steps: int, near: float, small: float) -> None:
    """After so many steps all models are within `near` of least squares, and residuals have fallen to `small`."""
    s, p, world = alone(solver)
    solver.step(s, p, world)
    first = solver.measure(s, p, world)
    for _ in range(steps):
        solver.step(s, p, world)
    last, book = solver.measure(s, p, world), textbook(p)
    np.testing.assert_allclose(models(s, p), [book.best] * solver.workers, atol=near)
    for key in ("primal_residual", "dual_residual", "objective_error", "mean_error", "consensus_distance"):
        assert last[key] <= small * max(first[key], 1.0), key
    assert abs(last["objective"] / book.least - 1) <= 1e-9


def rows(size: int, solver: Any, steps: int, **options: Any) -> Any:
    """The global arrays and what is measured after so many steps on `size` ranks, with the traffic of all of them."""

    def work(world: World) -> Any:
        p, world = posed(solver, world, (), **{"loss": "squared", "classes": 0, **options})
        s = started(solver, p, world)
        before = world.traffic.bytes
        for _ in range(steps):
            solver.step(s, p, world)
        sent = world.traffic.bytes - before
        measured = dict(solver.measure(s, p, world))
        solver.weights(s, world)
        return held(s, p), measured, sent

    found = on_ranks(size, work)
    return *together([(part, measured) for part, measured, _ in found]), sum(sent for _, _, sent in found)


def counted(size: int, solver: Any, steps: int, **options: Any) -> Any:
    """Of each rank: what its communicator saw in each iteration, and what the metrics said; then what was measured."""

    def work(world: World) -> Any:
        world.mpi = Counting(world.mpi)  # type: ignore[assignment]
        p, world = posed(solver, world, **{"hidden": (), "loss": "squared", "classes": 0, **options})
        s, clock, seen = started(solver, p, world), Clock(world), world.mpi
        begun, each = (seen.bytes, seen.calls), []
        for _ in range(steps):
            before = seen.bytes
            with clock.solver():
                solver.step(s, p, world)
            each.append(seen.bytes - before)
        sent = seen.bytes - begun[0], seen.calls - begun[1]
        return each, sent, clock.row(), solver.measure(s, p, world)

    return on_ranks(size, work)


HIDDEN = (5, 4)
LAYERS = 5 * 7, 4 * 6, 3 * 5  # entries, of 6 features and 3 classes
SHORT: dict[str, Any] = {"workers": 5, "local_steps": 3, "batch": 12, "rate": 0.01}  # of local problems of networks


def network(solver: Any, hidden: tuple[int, ...] = HIDDEN, **options: Any) -> tuple[Any, Problem, World]:
    """The state before the first step, on one rank; a network, in cross entropy unless told otherwise."""
    return alone(solver, **{"hidden": hidden, "loss": "cross-entropy", "classes": 3, **options})


EDGES = [[0, 3], [1, 3], [1, 4], [2, 4], [5, 0], [4, 6]]  # a tree
GRAPHS = [("chain", 7), ("ring", 6), ("star", 7), ("grid", 7), (EDGES, 7), ("chain", 2), ("chain", 1)]
CENSOR = Censor(0.05, 0.9)
TOLD: dict[str, tuple[Any, dict[str, Any]]] = {  # what workers send
    "fixed": (QGadmm, {"bits": 3}),
    "adaptive": (QGadmm, {"bits": 2, "adaptive": "adaptive"}),
    "censored": (Gadmm, {"censor": CENSOR}),
    "all": (QGadmm, {"bits": 1, "adaptive": "adaptive", "censor": CENSOR}),
}
LAYERED: dict[str, tuple[Any, dict[str, Any]]] = {  # what workers send of networks
    "whole": (Gadmm, {}),
    "periods": (Gadmm, {"periods": [3, 2, 2]}),
    "float32": (Gadmm, {"wire": "float32", "periods": [2, 1, 3]}),
    "censored": (Gadmm, {"censor": CENSOR, "periods": [2, 1, 1]}),
    "fixed": (QGadmm, {"bits": 3}),
    "adaptive": (QGadmm, {"bits": 2, "adaptive": "adaptive", "periods": [2, 1, 1]}),
    "all": (QGadmm, {"bits": 1, "adaptive": "adaptive", "censor": CENSOR, "periods": [1, 3, 2], "topology": "star"}),
}
