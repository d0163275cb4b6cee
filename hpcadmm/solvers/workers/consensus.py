"""Workers around a server: consensus ADMM, and its rivals for networks, which average models after local steps.

Boyd, Parikh, Chu, Peleato, Eckstein: Distributed Optimization and Statistical Learning via the Alternating Direction
Method of Multipliers, Foundations and Trends in Machine Learning 3 (2011), section 7.1; the benchmark of GADMM. With
local steps: Gong, Li, Freris: FedADMM: A Robust Federated Deep Learning Framework with Adaptivity to System
Heterogeneity, ICDE 2022. Averages: McMahan et al.: Communication-Efficient Learning of Deep Networks from Decentralized
Data, AISTATS 2017; Reddi et al.: Adaptive Federated Optimization, ICLR 2021; Douillard et al.: DiLoCo, 2023.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import WEIGHTS, Array, Arrays, exact_sums, replicated, scalar, sites
from hpcadmm.model.vector import flat, shaped
from hpcadmm.solvers.shared.convex.rho import Adapt
from hpcadmm.solvers.workers import checks, cost, measures, penalised
from hpcadmm.solvers.workers.local import LOCAL, by_steps, memory_of, pose
from hpcadmm.solvers.workers.server import MEMORY, MOVES, RATES, Rounds, Uploads, Work, weights_of
from hpcadmm.solvers.workers.workers import ByWorker, WorkerSolver

Positive = Annotated[float, Gt(0), Lt(np.inf)]
MOMENTUM = 0.9  # default of outer_momentum
DUAL_STEP = 0.5  # default where the local steps are not exact


@dataclass
class State:
    """Lists are indexed by worker n; a rank holds the entries of its own workers. d: entries of all W together."""

    W: Arrays = replicated(WEIGHTS)  # W[1..L]: the server's model Theta
    theta: ByWorker = sites()  # theta[n]: (d,)
    lam: ByWorker = sites()  # lam[n]: (d,), with server = "admm"
    moments: ByWorker = sites()  # moments[n]: (2, d), Adam's averages of the gradient and of its square; or A_l and B_l
    rounds: ByWorker = sites()  # rounds[n]: (1,), rounds in which n took part, with participate < 1
    outer: Array = replicated()  # (1 or 2, d), the memory of the servers "nesterov" and "adam"
    total: Any = exact_sums()  # of the uploads
    iterations: int = scalar(0, former="done")
    work: Any = field(default=None, repr=False)


@dataclass
class PenalisedState(penalised.Rho, State):
    """With a [penalty]."""


@dataclass(frozen=True)
class Consensus(WorkerSolver):
    """minimise sum_n f_n(theta_n) + <lam_n, theta_n - Theta> + rho/2 |theta_n - Theta|^2

    f_n is the loss over the samples of worker n (half of it for "squared", as in the papers). An iteration is a round:
    the workers move theta_n and upload it (with `server = "admm"` theta_n + lam_n / rho), the server moves Theta and
    broadcasts it. Both travel in one float64 sum over the ranks. Theta is the model that is saved and evaluated.

    workers: number of workers N, >= 1 (default 10); each rank holds one or more.
    server: "admm" (default): Theta = mean of theta_n + lam_n / rho, then the lam_n move. theta_n starts from the last
        theta_n. For the others theta_n starts from Theta, without lam_n; their mean weighs a worker by its samples:
        "average": Theta = mean of theta_n (local SGD, FedAvg).
        "nesterov": D = Theta - mean of theta_n, u = outer_momentum u + D, Theta -= outer_rate (D + outer_momentum u)
        (DiLoCo).
        "adam": u = outer_momentum u + (1 - outer_momentum) D, v = 0.99 v + 0.01 D^2,
        Theta -= outer_rate u / (sqrt(v) + 0.001) (FedAdam).
    rho: penalty of each worker, > 0 (default 1); one number for all features: standardise them.
    dual_step: lam_n += dual_step * rho * (theta_n - Theta), > 0 (default 1, of steps that are not exact 0.5; papers 1).
    local: "exact" solves the local problems (server "admm", linear models; squared loss or cross entropy), "adam" takes
        steps of Adam on minibatches (any network and loss), "mpadmm" steps of mpadmm: theta_n += s Q C P in each layer,
        with the P and Q of the worker's own samples, as of the first minibatch of a round, and the damping and kappa
        that `mpadmm` has by default. Default exact where possible, else "adam".
    local_steps: steps of a worker in a round, >= 1 (default 10).
    rate: learning rate of Adam, > 0 (default 1e-3).
    eta: the step s of mpadmm, > 0, unless kappa or rho bounds it (default 6, or 0.5 for the losses of real targets).
    batch: samples per minibatch of a worker, at most, >= 1 (default 100).
    outer_rate: learning rate of the server, > 0 (default 0.7 for "nesterov", 0.01 for "adam").
    outer_momentum: of the server, in [0, 1) (default 0.9).
    participate: share of the workers that take part in a round, at least one worker, in (0, 1] (default 1); drawn by
        seed and round. The others do nothing but hear Theta.
    moments: "own" (default): Adam's averages of the gradient and of its square stay with the worker from round to
        round. "shared": the server averages them with the models, at three times the payload, and theta_n starts from
        Theta with server "admm", too. Choose it where samples are unlike: Adam moves weights that a worker's samples
        hardly use as far as others, and each worker moves other ones.

    With a [penalty] of a linear model the objective is (1/N) sum_i w_i l(W x_i, y_i) + P(W), half the squares for
    "squared", and Theta = argmin P(Theta) + rho/2 |Theta - mean of (theta_n + lam_n / c)|^2. c = rho N / workers takes
    the place of rho, which so compares with the curvature of the mean loss. Newton's steps have summable errors.
    adapt: "none" keeps rho; "balanced" (default) and "spectral" are as in `unwrapped`, for theta_n and Theta. They
        begin, whatever rho is, from the curvature of the loss times the mean square of the features.
    alpha: theta_n enters the other steps as alpha theta_n + (1 - alpha) Theta, in [1, 1.8], default 1.6.

    With steps of Adam and mpadmm f_n is N times the worker's part of the mean loss over all samples: sum_n f_n / N of
    equal models is the mean loss, and rho compares with the curvature of a mean.

    With server "admm" Theta is the mean of all theta_n after an iteration, because the lam_n then sum to 0 (while all
    workers take part). Least squares of more than 1,000 sparse features go by conjugate gradients, as in gadmm.

    Deviations from the papers: none for exact steps. Workers come before the server, as in Boyd et al.; with the server
    first, as in the benchmark of GADMM and in FedADMM, the theta_n are the same while all workers take part. FedADMM
    has gradient steps, DiLoCo's workers AdamW.
    """

    name: ClassVar[str] = "consensus"
    paper: ClassVar[str] = "Boyd et al., Foundations and Trends in Machine Learning 2011, section 7.1"
    when: ClassVar[str] = "workers around a server that talk rarely, on a slow network or with unlike samples"
    state_type: ClassVar[Any] = State
    streamed: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    penalised: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = (*WorkerSolver.metrics, "dual_residual")

    workers: Annotated[int, Ge(1)] = 10
    server: Literal["admm", "average", "nesterov", "adam"] = "admm"
    rho: Positive = 1.0
    dual_step: Positive | None = None
    local: Literal["exact", "adam", "mpadmm"] | None = None
    local_steps: Annotated[int, Ge(1)] = 10
    rate: Positive = 1e-3
    eta: Positive | None = None
    batch: Annotated[int, Ge(1)] = 100
    outer_rate: Positive | None = None
    outer_momentum: Annotated[float, Ge(0), Lt(1)] | None = None
    participate: Annotated[float, Gt(0), Le(1)] = 1.0
    moments: Literal["own", "shared"] = "own"
    adapt: Adapt = "balanced"
    alpha: Annotated[float, Ge(1), Le(1.8)] = 1.6

    def exact(self, L: int, loss: str) -> bool:
        """Are the local problems solved exactly? Then the optimum is known as well."""
        return self.server == "admm" and L == 1 and loss in LOCAL and self.local in (None, "exact")

    knows_optimum = exact

    def vectors(self, exact: bool) -> int:
        """The vectors of the size of the weights that a worker uploads."""
        return 3 if self.moments == "shared" and not exact else 1

    def streams(self, L: int, loss: str) -> bool:
        """Local steps read minibatches; exact ones factor all samples."""
        return not self.exact(L, loss)

    def step(self, s: State, p: Problem, world: World) -> None:
        """A round: theta_n at the workers, Theta at the server; with "admm" lam_n at the workers."""
        if p.penalty:
            penalised.step(self, s, p, world)
            return
        theta, Theta, work, k = s.theta.rows, s.work.Theta, s.work, s.iterations
        np.copyto(work.before, Theta)
        rows = work.rounds.rows(k)
        if self.server == "admm":
            lam = s.lam.rows
            for n in rows:
                if work.vectors > 1:
                    theta[n] = Theta
                work.local.solve(n, lam[n] - self.rho * Theta, theta, k)
            Theta[...] = self.mean(s, theta + lam / self.rho, world)
            for n in rows:
                lam[n] += work.dual_step * self.rho * (theta[n] - Theta)
        else:
            for n in rows:
                theta[n] = Theta
                work.local.solve(n, work.zero[n], theta, k)
            self.move(s, self.mean(s, work.rounds.shares(k).astype(p.dtype) * theta, world))
        if s.rounds:
            for n in rows:
                s.rounds.rows[n] += 1
        s.iterations += 1

    def mean(self, s: State, uploads: Array, world: World) -> Array:
        """The mean of the workers' uploads (rows, d), float64 (d,); with `moments = "shared"` all workers take the mean
        of Adam's averages, too. Collective."""
        work = s.work
        if work.vectors == 1:
            return s.total.sum(world, uploads)[0] / self.workers
        moments, shares = s.moments.rows, work.rounds.shares(s.iterations).astype(uploads.dtype)
        total, *sums = s.total.sum(world, uploads, shares * moments[:, 0], shares * moments[:, 1])
        moments[...] = np.array(sums) / self.workers
        return total / self.workers

    def move(self, s: State, mean: Array) -> None:
        """Theta from the mean of the workers' models, float64 (d,)."""
        if self.server == "average":
            s.work.Theta[...] = mean
            return
        momentum = MOMENTUM if self.outer_momentum is None else self.outer_momentum
        MOVES[self.server](s.work.Theta, mean, s.outer, self.outer_rate or RATES[self.server], momentum)

    def blank(self, p: Problem, world: World) -> State:
        """Server and workers at 0."""
        exact = p.penalty is not None or self.exact(p.network.depth, p.loss.name)
        work = Work(p, self.vectors(exact))
        workers, d = work.workers, work.Theta.size

        def filled(kept: bool, *shape: int, dtype: Any = p.dtype) -> ByWorker:
            return workers.filled(0, *shape, dtype=dtype) if kept else ByWorker()

        theta, lam = filled(True, d), filled(self.server == "admm", d)
        moments = filled(not exact, *memory_of(self.local, p.network))
        rounds = filled(self.participate < 1, 1, dtype=np.int64)
        outer: Any = np.zeros((MEMORY[self.server], d), p.dtype) if self.server in MEMORY else []
        total = Uploads(p, workers.count, whole=exact, vectors=work.vectors)
        fields = shaped(work.Theta, p.network), theta, lam, moments, rounds, outer, total
        if p.penalty:
            kept = filled(self.adapt == "spectral", 2, d)  # of the last look
            return PenalisedState(*fields, work=work, rho=self.rho, last=self.rho, kept=kept)
        return State(*fields, work=work)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Server and workers start from the same weights, with duals 0."""
        super().set_weights(s, weights, p, world)
        s.theta.rows[...] = flat(weights)

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Pose the local problems: factor the exact ones and find the optimum."""
        work = s.work
        work.rounds = Rounds(work.workers, p.seed, self.participate, work.workers.gathered(weights_of(p), world))
        if p.penalty:
            work.local = penalised.pose(self, s, p, world)
            return
        exact = self.exact(p.network.depth, p.loss.name)
        work.dual_step = self.dual_step or (1.0 if exact else DUAL_STEP)
        if exact:
            work.local, work.optimum = pose(p, work.workers, self.rho, world)
            work.local.factor()
        else:
            c = np.full(len(s.theta.rows), self.rho if self.server == "admm" else 0.0)
            work.local = by_steps(self, work.workers, s.moments.rows, p, c)
            work.local.rounds = s.rounds.rows[:, 0] if s.rounds and work.vectors == 1 else None
        work.before[...] = work.Theta

    def finite(self, s: State) -> bool:
        lam = [s.lam.rows] if s.lam else []
        return all(bool(np.isfinite(x).all()) for x in (s.theta.rows, *lam, s.work.Theta))

    check, check_loss, check_problem = checks.check, checks.check_loss, checks.check_problem
    measure = measures.of_consensus
    bill = cost.consensus
    samples = cost.samples
    held_bytes = cost.memory
