"""Gradient tracking: workers also average estimates of the mean gradient, and so come to the optimum.

Nedic, Olshevsky, Shi: Achieving Geometric Convergence for Distributed Optimization over Time-Varying Graphs, SIAM J.
Optim. 27 (2017), Algorithm 1 (DIGing); with minibatches Pu, Nedic: Distributed Stochastic Gradient Tracking Methods,
Math. Programming 187 (2021).
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
    """What every method keeps, and the tracked gradients."""

    y: ByWorker = sites()  # y[n]: (d,), the estimate of the mean gradient
    g: ByWorker = sites()  # g[n]: (d,), the gradient of worker n that y is formed of


@dataclass(frozen=True)
class Diging(Gossip):
    """minimise sum_n f_n(theta_n), theta_n = theta_m for neighbours, by

        y_n = sum_m w_nm y_m + g_n(theta_n) - g_n(theta_n of the last iteration)
        theta_n = sum_m w_nm theta_m - rate y_n    at all workers at once

    with w and g_n as of `dpsgd`. The mean of all y_n is that of all g_n: the y_n track the gradient of the mean loss.

    workers, topology, rate, batch, optimum: as of `dpsgd`. A message holds theta_n and y_n: twice that of `dpsgd` or
        `extra`.

    Converges linearly to the optimum of smooth, strongly convex losses with a constant rate that is small enough; the
    longer the paths of the graph, the smaller.

    Deviations from the paper: none; graphs do not vary in time. This is the plain form; the one that adapts, then
    combines, theta_n = sum_m w_nm (theta_m - rate y_m), needs two messages one after the other in an iteration.
    """

    name: ClassVar[str] = "diging"
    paper: ClassVar[str] = "Nedic, Olshevsky, Shi, SIAM J. Optim. 2017"
    when: ClassVar[str] = "gradient tracking: as extra, also with minibatches, at twice the bits of a message"
    state_type: ClassVar[Any] = State
    vectors: ClassVar[int] = 2

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration of Algorithm 1, begun with y_n; in the first one y_n = g_n."""
        theta, y, last, work = s.theta.rows, s.y.rows, s.g.rows, s.work
        mixed = work.mixed(theta, y)
        g = work.gradients(theta, p, s.iterations)
        y[...] = mixed[:, work.d :] + (g - last)
        theta[...] = mixed[:, : work.d] - self.rate * y
        last[...] = g
        s.iterations += 1
