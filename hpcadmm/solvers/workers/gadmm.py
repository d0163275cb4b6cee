"""Decentralized ADMM on a chain or any bipartite graph of workers: heads, then tails, then the duals at both ends.

Elgabli, Park, Bedi, Bennis, Aggarwal: GADMM: Fast and Communication Efficient Framework for Distributed Machine
Learning, JMLR 2020, Algorithm 1; networks and periods as in Elgabli, Park, Ahmed, Bennis: L-FGADMM, IEEE WCNC 2020;
censoring as in Ben Issaid, Elgabli, Park, Bennis, Debbah: Communication Efficient Decentralized Learning over
Bipartite Graphs, IEEE Trans. Wireless Commun. 2022.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.graph import Graph
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import WEIGHTS, Arrays, replicated, scalar, sites
from hpcadmm.model.vector import spans
from hpcadmm.solvers.workers import cost, measures
from hpcadmm.solvers.workers.local import LOCAL, by_steps, check_exact, check_memory, pose
from hpcadmm.solvers.workers.neighbours import HEADS, TAILS, Censor, Due, Neighbours, Vectors
from hpcadmm.solvers.workers.workers import ByWorker, GraphSolver

Positive = Annotated[float, Gt(0), Lt(np.inf)]
DUAL_STEP = 0.5  # default with local = "adam"


@dataclass
class State:
    """Lists are indexed by worker n; a rank holds the entries of its own workers. d: entries of all W together."""

    W: Arrays = replicated(WEIGHTS)  # W[1..L]: the mean over the workers, formed by `weights`
    theta: ByWorker = sites()  # theta[n]: (d,)
    known: ByWorker = sites()  # known[n]: (d,), the neighbours' copy of theta[n]
    mu: ByWorker = sites()  # mu[n]: (d,), the sum of the duals of n's edges, negative where n is the second end
    moments: ByWorker = sites()  # moments[n]: (2, d), Adam's averages of the gradient and of its square
    payload_bits: ByWorker = sites()  # payload_bits[n]: (1,), sent so far
    messages: ByWorker = sites()  # messages[n]: (1,), sent so far
    iterations: int = scalar(0)
    work: Any = field(default=None, repr=False)


class Work:
    """This rank's workers and neighbours, and what `prepare` forms. Not saved."""

    def __init__(self, graph: Graph, p: Problem, world: World) -> None:
        self.workers = Neighbours(graph, p.tiles, world)
        self.layers = spans(p.network)  # entries of each W_l in theta
        self.before: Any = None  # `known` before the last iteration
        self.dual_step = 1.0
        self.local: Any = None
        self.optimum: Any = None


@dataclass(frozen=True)
class Gadmm(GraphSolver):
    """minimise sum_n f_n(theta_n) + sum_{edges (n, m)} <lam_nm, theta_n - theta_m> + rho/2 |theta_n - theta_m|^2

    f_n is the loss over the samples of worker n (half of it for "squared", as in the papers). A worker keeps
    mu_n = sum_m lam_nm - sum_l lam_ln instead of the lam: its own step needs no more.

    workers: number of workers N, >= 1 (default 10; paper 10 to 24); each rank holds one or more.
    topology: "chain" (default, paper), "ring", "star", "grid", or a list of edges [n, m] of workers 0..N-1; bipartite.
    rho: penalty of an edge, > 0 (default 1; paper 24 for linear regression, 20 for networks), see below.
    censor: {threshold > 0, 0 < decay < 1}, default none: in iteration k a worker sends nothing if every entry is within
        threshold * decay^k of its neighbours' copy; they keep using that copy.
    local: "exact" solves the local problems (linear models; squared loss or cross entropy), "adam" takes steps of Adam
        on minibatches (any network and loss); default exact where possible.
    local_steps: steps of Adam per iteration, >= 1 (default 10).
    rate: learning rate of Adam, > 0 (default 1e-3).
    batch: samples per minibatch of a worker, at most, >= 1 (default 100, as in the authors' code).
    dual_step: the duals move by dual_step * rho * (known_n - known_m), > 0 (default 1, for "adam" 0.5; paper 1).
    periods: one per layer, >= 1 (default all 1): a layer is sent, and its duals move, only in iterations k = 0, 1, ...
        divisible by its period (L-FGADMM); neighbours keep using their copy meanwhile.
    wire: "same" (default) sends the precision of the job, "float32" rounds what is sent, and so `known`, to float32.

    With "adam" f_n is N times the worker's part of the mean loss over all samples: sum_n f_n / N of equal models is the
    mean loss, and rho compares with the curvature of a mean. (The authors' rho = 20 for sums over 100 samples is 0.2.)

    Deviations from the paper: any bipartite graph, not only a chain; several outputs; dual_step and periods from the
    papers on networks. Exact least squares go by QR of the worker's samples with sqrt(rho * degree) I below them,
    accurate for any scales of the features; with more than 1,000 sparse features by conjugate gradients. But rho is one
    number: the more the scales differ, the more iterations the workers need to agree (use data.scale).
    """

    name: ClassVar[str] = "gadmm"
    paper: ClassVar[str] = "Elgabli et al., JMLR 2020"
    when: ClassVar[str] = "workers that keep their own samples and talk to neighbours only"
    state_type: ClassVar[Any] = State
    streamed: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = (*GraphSolver.metrics, "dual_residual")

    workers: Annotated[int, Ge(1)] = 10
    topology: str | list[list[int]] = "chain"
    rho: Positive = 1.0
    censor: Censor | None = None
    local: Literal["exact", "adam"] | None = None
    local_steps: Annotated[int, Ge(1)] = 10
    rate: Positive = 1e-3
    batch: Annotated[int, Ge(1)] = 100
    dual_step: Positive | None = None
    periods: list[Annotated[int, Ge(1)]] | None = None
    wire: Literal["same", "float32"] = "same"

    def layer_bytes(self, entries: int, item: int) -> int:
        """The bytes of a message about a layer, for jobs whose numbers have `item` bytes."""
        return entries * (item if self.wire == "same" else 4)

    def exact(self, L: int, loss: str) -> bool:
        """Are the local problems solved exactly? Then the optimum is known as well."""
        return L == 1 and loss in LOCAL and self.local != "adam"

    knows_optimum = exact

    def streams(self, L: int, loss: str) -> bool:
        """Steps of Adam read minibatches; exact ones factor all samples."""
        return not self.exact(L, loss)

    def check(self, L: int) -> None:
        """UsageError also for wrong periods and exact steps of a network."""
        super().check(L)
        if self.periods is not None and len(self.periods) != L:
            raise UsageError(f"solver.periods = {self.periods}: must be a list of {L}, one for each layer")
        if self.local == "exact" and L > 1:
            raise UsageError('solver.local = "exact" needs a linear model, network.hidden = []: use "adam"')

    def check_loss(self, loss: Any, penalised: bool) -> None:
        check_exact(self, loss)

    def check_problem(self, p: Problem, world: World) -> None:
        """UsageError for exact steps whose factors do not fit the memory."""
        check_memory(p, world, exact=self.exact(p.network.depth, p.loss.name))

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration of Algorithm 1: heads minimise and send, then tails, then the duals move."""
        theta, mu, known, workers, k = s.theta.rows, s.mu.rows, s.known.rows, s.work.workers, s.iterations
        due = self.due(s.work, k)
        np.copyto(s.work.before, known)
        for group in (HEADS, TAILS):
            some = workers.groups[group]
            s.work.local.solve(some, mu[some] - self.rho * workers.around(known, some), theta, k)
            if due:
                self.publish(s, p, group, due)
        own = slice(len(theta))
        apart = workers.degree[:, None] * known[own] - workers.around(known, own)
        for _, t in due:
            mu[:, t] += s.work.dual_step * self.rho * apart[:, t]
        s.iterations += 1

    def rehearsed(self) -> Self:
        """With a threshold so low that workers send."""
        censor = replace(self.censor, threshold=float(np.finfo(float).tiny)) if self.censor else None
        return replace(super().rehearsed(), censor=censor)

    def due(self, work: Work, k: int) -> Due:
        """The layers that are sent in iteration k."""
        every = list(enumerate(work.layers, 1))
        return every if self.periods is None else [(l, t) for l, t in every if k % self.periods[l - 1] == 0]

    def publish(self, s: State, p: Problem, group: int, due: Due) -> None:
        """Send the new theta of a group to its neighbours."""
        theta, known = s.theta.rows, s.known.rows
        wire = np.dtype(p.dtype if self.wire == "same" else np.float32)
        rows = self.speaking(s, group, due)
        for _, t in due:
            known[rows, t] = theta[rows, t].astype(wire, copy=False)
        self.count(s, rows, 8 * wire.itemsize * sum(t.stop - t.start for _, t in due))
        who = set(np.arange(len(theta))[rows].tolist())
        s.work.workers.exchange(group, known, Vectors(known, who, due, wire, self.censor is not None))

    def speaking(self, s: State, group: int, due: Due) -> Any:
        """The rows of a group that send now: all, or those that are not censored. Workers that diverged do send."""
        some = s.work.workers.groups[group]
        if self.censor is None:
            return some
        theta, known = s.theta.rows, s.known.rows
        changes = [np.abs(theta[some, t] - known[some, t]).max(axis=1, initial=0.0) for _, t in due]
        threshold = self.censor.threshold * self.censor.decay**s.iterations
        return some.start + np.flatnonzero(~(np.max(changes, axis=0) < threshold))

    def count(self, s: State, rows: Any, bits: Any) -> None:
        """Count one message of this many bits from each of these workers that has neighbours."""
        sent = s.work.workers.degree[rows] > 0
        s.payload_bits.rows[rows, 0] += bits * sent
        s.messages.rows[rows, 0] += sent

    def blank(self, p: Problem, world: World) -> State:
        """Every worker at 0, and known to be."""
        work, dtype = Work(self.graph, p, world), p.dtype
        workers, d = work.workers, work.layers[-1].stop
        theta, mu = (workers.filled(0, d, dtype=dtype) for _ in range(2))
        known = workers.filled(0, d, dtype=dtype, more=len(workers.row) + 1 - len(workers.mine))
        adam = not self.exact(p.network.depth, p.loss.name)
        moments = workers.filled(0, 2, d, dtype=dtype) if adam else ByWorker()
        payload_bits, messages = (workers.filled(0, 1, dtype=np.int64) for _ in range(2))
        work.before = np.zeros_like(known.rows)
        W = super().blank(p, world).W
        return State(W, theta, known, mu, moments, payload_bits, messages, work=work)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """All workers start from the same weights, known to all, with duals 0."""
        super().set_weights(s, weights, p, world)
        s.known.rows[: len(s.theta.rows)] = s.theta.rows

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Pose the local problems, with rho/2 |theta|^2 of all edges at once, and fetch what other ranks' workers are
        known to have."""
        work, known = s.work, s.known.rows
        exact, c = self.exact(p.network.depth, p.loss.name), self.rho * work.workers.degree
        work.dual_step = self.dual_step or (1.0 if exact else DUAL_STEP)
        if exact:
            work.local, work.optimum = pose(p, work.workers, c, world)
            work.local.factor()
        else:
            work.local = by_steps(self, work.workers, s.moments.rows, p, c)
        own = Vectors(known, range(len(s.theta.rows)), list(enumerate(work.layers, 1)), p.dtype, False)
        for group in (HEADS, TAILS):
            work.workers.exchange(group, known, own)
        work.before[...] = known

    def finite(self, s: State) -> bool:
        """What is known of a worker enters its neighbours' duals within one iteration."""
        return all(bool(np.isfinite(x).all()) for x in (s.theta.rows, s.mu.rows, *s.W[1:]))

    measure = measures.of_gadmm
    bill = cost.gadmm
    samples = cost.samples
    held_bytes = cost.memory
