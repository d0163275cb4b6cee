"""Consensus ADMM with a server: workers minimise, the server averages, the duals move.

Boyd, Parikh, Chu, Peleato, Eckstein: Distributed Optimization and Statistical Learning via the Alternating Direction
Method of Multipliers, Foundations and Trends in Machine Learning 3 (2011), section 7.1; the benchmark of GADMM.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact, first_grid
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import WEIGHTS, Array, Arrays, exact_sums, replicated, scalar, sites
from hpcadmm.model.vector import flat
from hpcadmm.solvers.workers import cost, measures
from hpcadmm.solvers.workers.local import LOCAL, check_memory, pose
from hpcadmm.solvers.workers.workers import ByWorker, Workers, WorkerSolver

ALL = slice(None)


@dataclass
class State:
    """Lists are indexed by worker n; a rank holds the entries of its own workers. d: entries of W."""

    W: Arrays = replicated(WEIGHTS)  # W[1]: the server's model Theta
    theta: ByWorker = sites()  # theta[n]: (d,)
    lam: ByWorker = sites()  # lam[n]: (d,)
    total: Any = exact_sums()  # sum_n theta_n + lam_n / rho
    iterations: int = scalar(0, former="done")
    work: Any = field(default=None, repr=False)


class Work:
    """This rank's workers, Theta as a vector, and what `prepare` forms. Not saved."""

    def __init__(self, W: Arrays, workers: Workers) -> None:
        self.workers = workers
        self.Theta: Array = W[1].reshape(-1, order="F")  # a view
        self.before = np.zeros_like(self.Theta)  # Theta before the last iteration
        self.local: Any = None
        self.optimum: Any = None


@dataclass(frozen=True)
class Consensus(WorkerSolver):
    """minimise sum_n f_n(theta_n) + <lam_n, theta_n - Theta> + rho/2 |theta_n - Theta|^2

    for linear models; f_n is the loss over the samples of worker n (half of it for "squared", as in the papers).

    workers: number of workers N, >= 1 (default 10); each rank holds one or more.
    rho: penalty of each worker, > 0 (default 1); one number for all features: standardise them.

    Least squares of more than 1,000 sparse features go by conjugate gradients, as in gadmm.

    A worker uploads theta_n + lam_n / rho and the server broadcasts Theta; both travel in one float64 sum over the
    ranks. Theta is the model that is saved and evaluated. After an iteration it is the mean of all theta_n, because the
    lam_n then sum to 0.

    Deviations from the paper: none. Workers come before the server, as in Boyd et al.; with the server first, as in the
    benchmark of GADMM, the theta_n are the same.
    """

    name: ClassVar[str] = "consensus"
    paper: ClassVar[str] = "Boyd et al., Foundations and Trends in Machine Learning 2011, section 7.1"
    state_type: ClassVar[Any] = State
    most_layers: ClassVar[int | None] = 1
    sparse: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = (*WorkerSolver.metrics, "dual_residual")
    losses: ClassVar[tuple[str, ...] | None] = tuple(LOCAL)

    workers: Annotated[int, Ge(1)] = 10
    rho: Annotated[float, Gt(0), Lt(np.inf)] = 1.0

    def check_problem(self, p: Problem, world: World) -> None:
        """UsageError if the workers' factors do not fit the memory."""
        check_memory(p, world)

    def knows_optimum(self, L: int, loss: str) -> bool:
        return True

    def step(self, s: State, p: Problem, world: World) -> None:
        """theta_n at the workers, Theta at the server, lam_n at the workers."""
        theta, lam, Theta = s.theta.rows, s.lam.rows, s.work.Theta
        np.copyto(s.work.before, Theta)
        s.work.local.solve(ALL, lam - self.rho * Theta, theta)
        Theta[...] = self.sum(s.total, theta + lam / self.rho, world) / self.workers
        lam += self.rho * (theta - Theta)
        s.iterations += 1

    def sum(self, total: Exact, uploads: Array, world: World) -> Array:
        """The sum of the rows of all workers, float64 (d,). Collective."""

        def add() -> None:
            total.clear()
            for row in uploads:
                total.add(row)

        add()
        sum_exactly(world, [total], add)
        return total.total

    def blank(self, p: Problem, world: World) -> State:
        """Server and workers at 0."""
        s = super().blank(p, world)
        workers, d = Workers(p.tiles), s.W[1].size
        theta, lam = (workers.filled(0, d, dtype=p.dtype) for _ in range(2))
        total = Exact((d,), p.dtype, workers.count, first_grid(1))
        return State(s.W, theta, lam, total, work=Work(s.W, workers))

    def start(self, s: State, p: Problem, world: World) -> None:
        """At 0."""

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Server and workers start from the same weights, with duals 0."""
        super().set_weights(s, weights, p, world)
        s.theta.rows[...] = flat(weights)

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Factor the local problems and find the optimum."""
        s.work.local, s.work.optimum = pose(p, s.work.workers, self.rho, world)
        s.work.local.factor()
        s.work.before[...] = s.work.Theta

    def finite(self, s: State) -> bool:
        return all(bool(np.isfinite(x).all()) for x in (s.theta.rows, s.lam.rows, s.W[1]))

    measure = measures.of_consensus
    bill = cost.consensus
    held_bytes = cost.memory
