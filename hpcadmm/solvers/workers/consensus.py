"""Consensus ADMM around a server: workers minimise, the server takes the mean, the duals move.

Boyd, Parikh, Chu, Peleato, Eckstein: Distributed Optimization and Statistical Learning via the Alternating Direction
Method of Multipliers, Foundations and Trends in Machine Learning 3 (2011), section 7.1; the benchmark of GADMM.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.exact.sums import Exact, first_grid, sum_exactly
from hpcadmm.comm.exact.vectors import carried
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, replicated, sites
from hpcadmm.solvers.shared.products import Product
from hpcadmm.solvers.workers import measures as gadmm_measures
from hpcadmm.solvers.workers.decentralized import LOCAL
from hpcadmm.solvers.workers.measures import norm
from hpcadmm.solvers.workers.parted import Parted
from hpcadmm.solvers.workers.server import Crew, answer_bits, payload, pose

ALL = slice(None)


@dataclass
class State:
    """Lists are indexed by worker; a rank has the entries of its own. d is the length of all weights as one vector."""

    W: Arrays = replicated()  # W[1]: the server's model Theta
    theta: Arrays = sites()  # theta[n]: (d,)
    lam: Arrays = sites()  # lam[n]: (d,)
    scales: Array = replicated()  # of the exact sum
    done: Array = replicated()  # iterations
    work: Any = field(default=None, repr=False)


class Work:
    """This rank's workers as stacks (k, d), of which the lists of the state are views. Not saved."""

    def __init__(self, p: Problem) -> None:
        self.workers = Crew(p.tiles)
        shape = len(self.workers.mine), int(np.prod(p.network.shape(1)))
        self.theta, self.lam = np.zeros(shape, p.dtype), np.zeros(shape, p.dtype)
        self.before = np.zeros(shape[1], p.dtype)  # Theta, before the last iteration
        self.total = Exact(shape[1:], p.dtype, self.workers.count, first_grid(1))
        self.local: Any = None
        self.optimum: Any = None

    def sum(self, uploads: Array, world: World) -> Array:
        """The sum of the rows of all workers on all ranks, float64 (d,). Collective."""

        def again() -> None:
            self.total.clear()
            for row in uploads:
                self.total.add(row)

        again()
        sum_exactly(world, [self.total], again)
        return self.total.total


@dataclass(frozen=True)
class Consensus(Parted):
    """minimise sum_n f_n(theta_n) + <lam_n, theta_n - Theta> + rho/2 |theta_n - Theta|^2, f_n the loss over the samples
    of worker n (half of it for "squared", as in the papers), for linear models.

    workers: N; a rank carries one or several. rho: the penalty of each worker. A worker uploads theta_n + lam_n / rho,
    the server broadcasts Theta, which is the model that is saved and evaluated; after each iteration it is the mean of
    the theta_n, since the lam_n then sum to 0. Both travel in one sum over the ranks, of float64 numbers.

    The workers come first in an iteration, then the server, as in Boyd et al.; with the server first, as in the
    benchmark of GADMM, the theta_n are the same. rho is one number for all features: see `gadmm`.
    """

    name: ClassVar[str] = "consensus"
    paper: ClassVar[str] = "Boyd et al., Foundations and Trends in Machine Learning 2011, section 7.1"
    most_layers: ClassVar[int | None] = 1
    losses: ClassVar[tuple[str, ...] | None] = tuple(LOCAL)

    workers: Annotated[int, Ge(1)] = 10
    rho: Annotated[float, Gt(0), Lt(np.inf)] = 1.0

    def check(self, L: int) -> None:
        """Any number of workers will do."""

    def knows_optimum(self, L: int, loss: str) -> bool:
        return True

    def step(self, s: State, p: Problem, world: World) -> None:
        """theta_n at the workers, Theta at the server, lam_n at the workers."""
        work: Work = s.work
        theta, lam, Theta = work.theta, work.lam, flat(s.W)
        np.copyto(work.before, Theta)
        work.local.solve(ALL, lam - self.rho * Theta, theta)
        Theta[...] = work.sum(theta + lam / self.rho, world) / self.workers
        lam += self.rho * (theta - Theta)
        s.done += 1

    def blank(self, p: Problem, world: World) -> State:
        """Server and workers at 0."""
        work = Work(p)
        return State(
            W=[None, np.zeros(p.network.shape(1), p.dtype, order="F")],
            theta=work.workers.by_worker(work.theta),
            lam=work.workers.by_worker(work.lam),
            scales=carried([work.total]),
            done=np.zeros(1, dtype=np.int64),
            work=work,
        )

    def start(self, s: State, p: Problem, world: World) -> None:
        """At 0."""

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Server and workers begin from the same weights, with duals 0."""
        s.W[1][...] = weights[1]
        s.work.theta[...] = flat(weights)

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Factor the local problems, and find the optimum."""
        s.work.local, s.work.optimum = pose(p, s.work.workers, self.rho, world)
        s.work.local.solve(slice(0), s.work.theta[:0], s.work.theta)  # no worker: forms the factors
        s.work.before[...] = flat(s.W)

    def weights(self, s: State, world: World) -> Arrays:
        return s.W

    def finite(self, s: State) -> bool:
        return all(bool(np.isfinite(x).all()) for x in (s.work.theta, s.work.lam, s.W[1]))

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, Any]:
        """As of `gadmm`, but `primal_residual`: the norm of all theta_n - Theta together; `dual_residual`: of rho times
        the change of Theta, once for each worker; `mean_error`: f(Theta) - f*; and `broadcast_bits`, which are part of
        `payload_bits`, as the server's."""
        work: Work = s.work
        theta, Theta = work.workers.gathered(work.theta, world), flat(s.W).astype(np.float64)
        objective = float(work.workers.gathered(work.local.values(work.theta), world).sum())
        k, bits = int(s.done[0]), answer_bits(s.W)
        return {
            "objective": objective,
            "primal_residual": norm(theta - Theta),
            "scale": norm(theta),
            "objective_error": work.optimum.error(work.theta),
            "mean_error": work.optimum.excess(Theta),
            "dual_residual": self.rho * np.sqrt(self.workers) * norm(Theta - work.before),
            "consensus_distance": norm(theta - theta.mean(axis=0)),
            **payload([k * bits] * self.workers, k, bits),
        }

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        return gadmm_measures.floor(s, p)


def flat(W: Arrays) -> Array:
    """W[1] as a vector, by columns: a view."""
    found: Array = W[1].reshape(-1, order="F")
    return found
