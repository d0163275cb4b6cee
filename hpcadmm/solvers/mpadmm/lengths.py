"""The length of a step: its schedule, its bound, and the line search of sweeps over all samples."""

import math
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.losses import Loss
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.mpadmm.measures import mean_objective
from hpcadmm.subproblems.matrix_penalty import usual_step


def rate(solver: Any, k: int, loss: Loss) -> float:
    """eta of iteration k = 0, 1, ..."""
    eta: float = solver.eta or usual_step(loss)
    if solver.schedule == "constant":
        return eta
    return eta * 0.5 * (1 + np.cos(np.pi * min(k / solver.period, 1.0)))


def bounded_step(solver: Any, k: int, slope: float, loss: Loss) -> float:
    """min(eta, sqrt(kappa / slope)), slope = <D, C>."""
    return min(rate(solver, k, loss), math.sqrt(solver.kappa / slope)) if slope > 0 else 0.0


def step_length(solver: Any, s: Any, p: Problem, world: World) -> float:
    """s: eta, less where kappa bounds it; with batch = 0 the result of the line search."""
    step = bounded_step(solver, s.sweeps, s.slope, p.loss)
    return step if solver.batch else armijo(solver, s, p, world, step)


def armijo(solver: Any, s: Any, p: Problem, world: World, step: float) -> float:
    """Halve the step until the objective falls by 1e-4 step slope; 0 if it never does. Collective."""
    trial = [None, *(np.zeros_like(W) for W in s.W[1:])]

    def objective(step: float) -> float:
        for l in s.work.layers:
            trial[l][...] = s.iterate[l] + p.dtype(step) * s.work.D[l]
        s.work.share(trial)
        s.sums_made += 1
        return mean_objective(solver, trial, p, world)

    before = objective(0.0)
    for _ in range(40):
        if objective(step) <= before - 1e-4 * step * s.slope:
            return step
        step /= 2
    return 0.0
