"""Rounds of consensus ADMM for a linear model with a [penalty]: the server's step is the prox of the penalty.

Boyd et al. 2011, sections 3.4, 7.1 and 8.2; inexact local steps with summable errors: Eckstein, Bertsekas, Math.
Programming 55 (1992), Theorem 8.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, scalar
from hpcadmm.solvers.shared.convex import objective
from hpcadmm.solvers.shared.convex.rho import Residuals, balanced, due
from hpcadmm.solvers.workers.local import exact_local, samples

FIRST = 0.01  # error of the first local steps by Newton's method, per sample; that of round k is k^-2 of it


@dataclass
class Rho:
    """Fields of a state: the present penalty parameter."""

    rho: float = scalar(1.0)
    last: float = scalar(1.0)  # of the last round


def weight(s: Any, p: Problem) -> float:
    """c of the local problems f_n + c/2 |theta - Theta + lam_n / c|^2: rho / workers of the whole weight."""
    return float(s.rho * p.total / s.work.workers.count)


def pose(s: Any, p: Problem) -> Any:
    """The local problems."""
    workers = s.work.workers
    c = np.full(len(workers.mine), weight(s, p))
    X, Y, w = samples(p, workers)
    return exact_local(p)(X, Y, c, w)


def step(solver: Any, s: Any, p: Problem, world: World) -> None:
    """A round: theta_n at the workers, Theta = argmin P(Theta) + rho/2 |Theta - mean of theta_n - lam_n / c|^2, which
    leaves the intercepts at the mean, then lam_n += c (theta_n - Theta)."""
    theta, lam, Theta, work, c = s.theta.rows, s.lam.rows, s.work.Theta, s.work, weight(s, p)
    np.copyto(work.before, Theta)
    s.last = s.rho
    work.local.error = FIRST / (s.iterations + 1) ** 2
    for n in range(len(theta)):
        work.local.solve(slice(n, n + 1), (lam[n] - c * Theta)[None], theta)
    copy = solver.alpha * theta + (1 - solver.alpha) * Theta
    Theta[...] = solver.mean(s, copy + lam / c, world)
    W = objective.coefficients(s.W[1], p)
    W[...] = p.penalty.prox(W, 1 / s.rho)
    lam += c * (copy - Theta)
    s.iterations += 1
    if due(s.iterations, solver.adapt):
        change_rho(solver, s, p, world)


def residuals(solver: Any, s: Any, p: Problem, world: World) -> Residuals:
    """r = theta_n - Theta of all workers; s_n = rho / workers times (Theta - Theta' + (1 - alpha) (theta_n - Theta')),
    Theta' the last Theta: by how much theta_n misses its optimality with the new multipliers. Collective."""
    work, count = s.work, s.work.workers.count
    theta, lam = (work.workers.gathered(rows, world) for rows in (s.theta.rows, s.lam.rows))
    Theta, before, c = work.Theta.astype(np.float64), work.before.astype(np.float64), s.last / count
    return Residuals(
        primal=norm(theta - Theta),
        dual=c * norm(Theta - before + (1 - solver.alpha) * (theta - before)),
        scale=max(norm(theta), math.sqrt(count) * norm(Theta)),
        dual_scale=norm(lam) / p.total,
    )


def change_rho(solver: Any, s: Any, p: Problem, world: World) -> None:
    """Bring the residuals to the same size; the multipliers lam_n stay as they are. Collective."""
    rho = balanced(s.rho, residuals(solver, s, p, world))
    if rho != s.rho:
        s.rho = rho
        s.work.local.penalise(weight(s, p))


def norm(x: Array) -> float:
    return float(np.sqrt(np.square(x).sum()))


def measure(solver: Any, s: Any, p: Problem, world: World) -> dict[str, Any]:
    """`objective`: F(Theta) = (1/N) sum w l + P; `duality_gap`: (F - a lower bound of the minimum) / F, where a
    bound is known."""
    found, W = residuals(solver, s, p, world), s.W[1]
    value = objective.objective(W, p, world)
    return {
        "objective": value,
        "primal_residual": found.primal,
        "scale": found.scale,
        "dual_residual": found.dual,
        "dual_scale": found.dual_scale,
        **objective.gap(value, objective.bound(lambda t: objective.slope(W, p, t), p, world)),
        "rho": s.rho,
    }
