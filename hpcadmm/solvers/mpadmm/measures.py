"""The metrics of mpadmm."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Arrays
from hpcadmm.solvers.shared.loss import summed_loss
from hpcadmm.subproblems.norm import square


def size_of(W: Arrays, network: Network) -> float:
    """sum_l |W_l|^2 without biases."""
    return sum(square(W[l][:, : network.n[l - 1]]) for l in range(1, network.depth + 1))


def mean_objective(solver: Any, W: Arrays, p: Problem, world: World) -> float:
    """The weighted mean of the loss over all samples plus decay/2 |W|^2. Collective."""
    return summed_loss(W, p, world) / (p.total or 1) + 0.5 * solver.decay * size_of(W, p.network)


def measure(solver: Any, s: Any, p: Problem, world: World) -> Mapping[str, Any]:
    """objective: m times the mean objective, m the sum of all weights
    primal_residual: |C|, the norm of the gradient of the last batch's mean (z = W a holds exactly); with `late`, C_1 is
        of the batch before
    scale: |W|
    step, slope: s and <D, C> of the last sweep. After a round these three are of the workers' last steps: means over
        the workers, of the residual the root of the mean square
    epochs, sums, refreshes: passes over the data, sums over the ranks and refreshes of the penalties so far"""
    return {
        "objective": solver.objective(s, p, world),
        "primal_residual": s.residual,
        "scale": float(np.sqrt(size_of(s.W, p.network))),
        "step": s.step,
        "slope": s.slope,
        "epochs": s.rounds.epochs(s.sweeps, s.work.count) if s.rounds else s.sweeps / s.work.count,
        "sums": s.sums_made,
        "refreshes": s.refreshes,
    }
