"""The line search of sweeps over all samples."""

from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.mpadmm.measures import mean_objective


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
