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
from hpcadmm.model.state import Array, scalar, sites
from hpcadmm.model.tiles import pieces
from hpcadmm.solvers.shared.convex import objective
from hpcadmm.solvers.shared.convex.rho import Residuals, balanced, look, spectral
from hpcadmm.solvers.shared.convex.start import of_loss, squared
from hpcadmm.solvers.workers.local import exact_local, samples
from hpcadmm.solvers.workers.workers import ByWorker, Workers

FIRST = 0.01  # error of the first local steps by Newton's method, per sample; that of round k is k^-2 of it


@dataclass
class Rho:
    """Fields of a state: the present penalty parameter, and what the spectral rule keeps of the last look."""

    rho: float = scalar(1.0)
    last: float = scalar(1.0)  # of the last round
    kept: ByWorker = sites()  # kept[n]: (2, d), Theta and lam_n


def weight(s: Any, p: Problem) -> float:
    """c of the local problems f_n + c/2 |theta - Theta + lam_n / c|^2: rho / workers of the whole weight."""
    return float(s.rho * p.total / s.work.workers.count)


def pose(solver: Any, s: Any, p: Problem, world: World) -> Any:
    """The local problems, factored; before the first round with a rho of the rule's own. Collective."""
    workers = s.work.workers
    if solver.adapt != "none" and not s.iterations:
        s.rho = s.last = of_loss(p, world) * (mean_square(p, workers, world) or 1.0)
    X, Y, w = samples(p, workers)
    found = exact_local(p)(X, Y, np.full(len(workers.mine), weight(s, p)), w)
    found.factor()
    return found


def mean_square(p: Problem, workers: Workers, world: World) -> float:
    """Of all features and samples. Collective."""
    n = p.network.n[0]
    sums = [sum(float(squared(p.x[:, t], p.w(t))[0, :n].sum()) for t in pieces(columns)) for _, columns in p.tiles]
    return float(workers.gathered(np.array(sums), world).sum()) / (p.total * max(n, 1))


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
    j = look(s.iterations, solver.adapt)
    if j:
        change_rho(solver, s, p, world, j)


def squares(s: Any, alpha: float) -> Array:
    """Of each of this rank's workers, (rows, 4): |theta_n - Theta|^2, |Theta - Theta' + (1 - alpha) (theta_n -
    Theta')|^2, |theta_n|^2, |lam_n|^2."""
    theta, lam = (rows.astype(np.float64) for rows in (s.theta.rows, s.lam.rows))
    Theta, before = s.work.Theta.astype(np.float64), s.work.before.astype(np.float64)
    parts = theta - Theta, Theta - before + (1 - alpha) * (theta - before), theta, lam
    return np.stack([np.square(part).sum(axis=1) for part in parts], axis=1)


def residuals(s: Any, p: Problem, found: Array) -> Residuals:
    """r = theta_n - Theta of all workers; s_n = rho / workers times (Theta - Theta' + (1 - alpha) (theta_n - Theta')),
    Theta' the last Theta: by how much theta_n misses its optimality with the new multipliers. found: the sums of
    `squares` over all workers."""
    primal, dual, size, multiplier = np.sqrt(found[:4]).tolist()
    count, Theta = s.work.workers.count, s.work.Theta.astype(np.float64)
    return Residuals(
        primal=primal,
        dual=s.last / count * dual,
        scale=max(size, math.sqrt(count) * float(np.linalg.norm(Theta))),
        dual_scale=multiplier / p.total,
    )


def moved(s: Any) -> Array:
    """Of each of this rank's workers, (rows, 2): the squares of how far Theta and lam_n are from those of the last
    look, which are renewed."""
    now = np.stack([np.broadcast_to(s.work.Theta, s.lam.rows.shape), s.lam.rows], axis=1)
    found = np.square(now.astype(np.float64) - s.kept.rows).sum(axis=2)
    s.kept.rows[...] = now
    return found


def change_rho(solver: Any, s: Any, p: Problem, world: World, j: int) -> None:
    """At look j. The multipliers lam_n stay as they are. Collective."""
    found = moved(s) if s.kept else squares(s, solver.alpha)
    total = s.work.workers.gathered(found, world).sum(axis=0)
    if s.kept:
        far, multiplier = (total * [1, (s.work.workers.count / p.total) ** 2]).tolist()
        rho = spectral(s.rho, far, multiplier, j)
    else:
        rho = balanced(s.rho, residuals(s, p, total), j)
    if rho != s.rho:
        s.rho = rho
        s.work.local.penalise(weight(s, p))


def measure(solver: Any, s: Any, p: Problem, world: World) -> dict[str, Any]:
    """`objective`: F(Theta) = (1/N) sum w l + P; `duality_gap`: (F - a lower bound of the minimum) / F, where a
    bound is known."""
    total = s.work.workers.gathered(squares(s, solver.alpha), world).sum(axis=0)
    found, W = residuals(s, p, total), s.W[1]
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
