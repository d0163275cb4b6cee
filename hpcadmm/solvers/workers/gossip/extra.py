"""Decentralized gradient descent with a correction that brings the workers to the optimum.

Shi, Ling, Wu, Yin: EXTRA: An Exact First-Order Algorithm for Decentralized Consensus Optimization, SIAM J. Optim. 25
(2015), Algorithm 1 with the matrix (I + w) / 2 that the paper suggests, as a sum over all earlier iterations.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import sites
from hpcadmm.solvers.workers.gossip import gossip
from hpcadmm.solvers.workers.gossip.gossip import Gossip
from hpcadmm.solvers.workers.workers import ByWorker


@dataclass
class State(gossip.State):
    """What every method keeps, and the corrections."""

    c: ByWorker = sites()  # c[n]: (d,), half of what mixing has moved theta[n] by in all earlier iterations


@dataclass(frozen=True)
class Extra(Gossip):
    """minimise sum_n f_n(theta_n), theta_n = theta_m for neighbours, by

        theta_n = sum_m w_nm theta_m - rate g_n(theta_n) + c_n    at all workers at once
        c_n += (sum_m w_nm theta_m - theta_n) / 2    with the theta from before the step

    with w and g_n as of `dpsgd`. All c_n sum to 0. Where nothing moves, neighbours agree, and so do all workers; c_n is
    then rate g_n, and the g_n sum to 0: that is the optimum.

    workers, topology, rate, batch, optimum: as of `dpsgd`. A message is as long as there.

    Converges linearly to the optimum of smooth, strongly convex losses with a constant rate below
    (1 + least eigenvalue of w) / (largest curvature of an f_n, times N/m).

    Deviations from the paper: it has no minibatches. What it keeps as two iterates is theta_n and c_n here.
    """

    name: ClassVar[str] = "extra"
    paper: ClassVar[str] = "Shi, Ling, Wu, Yin, SIAM J. Optim. 2015"
    when: ClassVar[str] = "the exact gradient method on a graph: as dpsgd, with a correction, at the same bits"
    state_type: ClassVar[Any] = State

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration of Algorithm 1."""
        theta, c = s.theta.rows, s.c.rows
        mixed = s.work.mixed(theta)
        new = mixed - self.rate * s.work.gradients(theta, p, s.iterations) + c
        c += 0.5 * (mixed - theta)
        theta[...] = new
        s.iterations += 1
