"""The metrics of unwrapped ADMM."""

from typing import Any

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.convex import path
from hpcadmm.solvers.shared.convex import objective


def measure(solver: Any, s: Any, p: Problem, world: World) -> dict[str, float | None]:
    """objective: F(W) = (1/N) sum w l(W x, y) + P(W)
    primal_residual, dual_residual: |r| and |s| of the last iteration
    scale, dual_scale: what they are relative to
    duality_gap: (F(W) - a lower bound of the minimum) / F(W), where a bound is known
    rho: the penalty parameter
    strength, fold: of a path: the penalty's, and the samples left out, 1, 2, ...; 0: none
    """
    p = s.work.p
    value = objective.objective(s.W[1], p, world)
    return {
        "objective": value,
        **solver.formed(s),
        **objective.gap(value, objective.bound(lambda t: slope(s, p, t), p, world)),
        "rho": s.rho,
        **path.shown(solver, s),
    }


def slope(s: Any, p: Problem, t: slice) -> Array:
    """A gradient of the loss by z for the samples t: rho u, which is one at z; half the squares' at W x."""
    if s.work.split:
        found: Array = p.dtype(s.rho) * s.u[:, t]
        return found
    return objective.slope(s.W[1], p, t)
