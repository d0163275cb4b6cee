"""The metrics of the minibatch methods."""

from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.shared.loss import norm
from hpcadmm.subproblems.norm import square


def measure(solver: Any, s: Any, p: Problem, world: World) -> dict[str, float]:
    """objective: the loss summed over all m training samples plus m decay/2 |W|^2
    primal_residual: the norm of the last batch's mean gradient, with the decay of the present W
    scale: |W|
    epochs, sums: passes over the data and Allreduces (one a step) so far
    rounds, payload_bits: what `solver.workers` around a server would have sent so far, gradients up and weights down,
        in the working precision
    """
    steps, several = s.steps, solver.workers > 1
    weights = sum(W.size for W in s.W[1:])
    return {
        "objective": solver.objective(s, p, world),
        "primal_residual": gradient_norm(s, p, solver.decay),
        "scale": norm(s.W),
        "epochs": steps / s.work.count,
        "sums": steps,
        "rounds": 2 * steps if several else 0,
        "payload_bits": steps * (solver.workers + 1) * weights * 8 * s.W[1].itemsize if several else 0,
    }


def gradient_norm(s: Any, p: Problem, decay: float) -> float:
    """|g / samples + decay W| with the sums g of the last step; before the first step of those that `prepare` made."""
    samples, squares = s.work.size(max(0, s.steps - 1)), 0.0
    for W, total, n in zip(s.iterate[1:], s.sums.gradient[1:], p.network.n, strict=False):
        d = total.total / samples
        d[:, :n] += decay * W[:, :n]
        squares += square(d)
    return float(np.sqrt(squares))
