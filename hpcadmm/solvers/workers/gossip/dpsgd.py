"""Decentralized gradient descent: every worker averages with its neighbours and steps down its own gradient.

Lian, Zhang, Zhang, Hsieh, Zhang, Liu: Can Decentralized Algorithms Outperform Centralized Algorithms? A Case Study for
Decentralized Parallel Stochastic Gradient Descent, NeurIPS 2017, Algorithm 1; with all samples the method of Nedic,
Ozdaglar: Distributed Subgradient Methods for Multi-Agent Optimization, IEEE Trans. Autom. Control 54 (2009).
"""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.workers.gossip.gossip import Gossip, State


@dataclass(frozen=True)
class DPsgd(Gossip):
    """minimise sum_n f_n(theta_n), theta_n = theta_m for neighbours, by

        theta_n = sum_m w_nm theta_m - rate g_n(theta_n)    at all workers at once

    w_nm = 1 / (1 + max(degree of n, of m)) for neighbours, w_nn = 1 - sum_m w_nm (Metropolis weights). g_n is N/m times
    the gradient of f_n, the loss over the samples of worker n (half of it for "squared", as in `gadmm`), m the number
    of samples. So the mean of all g_n is the gradient of the mean loss, and rate compares with that of `gd`.

    workers, topology, rate, batch, optimum: as of `Gossip`.

    With a constant rate the workers end at a distance from the optimum that shrinks with the rate, and grows with the
    paths of the graph and with how unlike the samples of the workers are. `extra` and `diging` come to the optimum.

    Linear models start at 0, networks all at the same weights, as in He et al. The mean of the workers' models is the
    model that is saved and evaluated.

    Deviations from the paper: none. It leaves the weights w open.
    """

    name: ClassVar[str] = "dpsgd"
    paper: ClassVar[str] = "Lian et al., NeurIPS 2017; Nedic, Ozdaglar, IEEE Trans. Autom. Control 2009"
    when: ClassVar[str] = "the plainest baseline of gadmm on a graph: neighbours average and step down their gradients"

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration of Algorithm 1."""
        theta = s.theta.rows
        mixed = s.work.mixed(theta)
        theta[...] = mixed - self.rate * s.work.gradients(theta, p, s.iterations)
        s.iterations += 1
