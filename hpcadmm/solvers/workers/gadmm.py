"""Decentralized ADMM on a chain, or any bipartite graph, of workers: heads, then tails, then the duals at both ends.

Elgabli, Park, Bedi, Bennis, Aggarwal: GADMM: Fast and Communication Efficient Framework for Distributed Machine
Learning, JMLR 2020, Algorithm 1; networks and periods as in Elgabli, Park, Ahmed, Bennis: L-FGADMM, IEEE WCNC 2020;
censored as in Ben Issaid, Elgabli, Park, Bennis, Debbah: Communication Efficient
Decentralized Learning over Bipartite Graphs, IEEE Trans. Wireless Commun. 2022.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, replicated, sites
from hpcadmm.solvers.shared.products import Product
from hpcadmm.solvers.workers import measures as gadmm_measures
from hpcadmm.solvers.workers.decentralized import LOCAL, Decentralized, Work
from hpcadmm.solvers.workers.local_steps import local_adam
from hpcadmm.solvers.workers.messages import Censor, Due, Vectors, speaking, whole
from hpcadmm.solvers.workers.neighbours import HEADS, TAILS

Positive = Annotated[float, Gt(0), Lt(np.inf)]
DUAL_STEP = 0.5  # by default, of steps of Adam


@dataclass
class State:
    """Lists are indexed by worker; a rank has the entries of its own. d is the length of all weights as one vector."""

    W: Arrays = replicated()  # W[1..L]: the mean over the workers, up to date where measured or saved
    theta: Arrays = sites()  # theta[n]: (d,)
    known: Arrays = sites()  # what the neighbours know of theta[n]: (d,)
    mu: Arrays = sites()  # the sum of the duals of worker n's edges, negative where n is the second end: (d,)
    moments: Arrays = sites()  # of steps of Adam: its averages of worker n's gradient and of the square, (2, d)
    marks: Arrays = sites()  # of worker n: payload bits and messages so far; by layer bits an entry and R of the last
    done: Array = replicated()  # iterations
    work: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class Gadmm(Decentralized):
    """minimise sum_n f_n(theta_n) + sum_{edges (n, m)} <lam_nm, theta_n - theta_m> + rho/2 |theta_n - theta_m|^2,
    f_n the loss over the samples of worker n (half of it for "squared", as in the papers).

    Instead of lam every worker keeps mu_n = sum_m lam_nm - sum_l lam_ln, which is all that its own step needs.
    workers: N; a rank carries one or several. topology: "chain", "ring", "star", "grid" or a list of edges [n, m] of
    workers 0..N-1. rho: the penalty of an edge. censor: {threshold, decay}: in iteration k = 0, 1, ... a worker stays
    silent that is nowhere threshold decay^k away from what its neighbours know, which then goes on to count.

    local: "exact" solves the local problems of linear models, squared loss or cross entropy; "adam" takes `local_steps`
    steps of Adam with this `rate` on minibatches of `batch` samples of the worker or fewer, for any network and loss;
    by default exact where possible. For "adam" f_n is the worker's part of the mean loss over all samples, N times: so
    sum_n f_n / N, where all agree, is the mean loss, and rho is to be of the size of the curvature of a mean (the
    authors' code has rho = 20 for the loss summed over a batch of 100: 0.2 here).
    dual_step: the duals move by dual_step rho (known_n - known_m); by default 1, for "adam" DUAL_STEP.
    periods: of each layer; it is told, and its duals move, in iterations k = 0, 1, ... divisible by its period only
    (L-FGADMM); meanwhile the neighbours go on with what they know. wire: "float32" rounds what is told, and so what is
    known, to it; "same" is the precision of the iterates.

    Deviations from the paper. Any bipartite graph, not only a chain; several outputs; dual_step and periods from the
    papers on networks. The exact step of least squares goes by QR of the worker's samples with sqrt(rho d) I below them
    (d neighbours), which is the minimiser for any scales of the features, but rho is one number for all of them: the
    farther the features' scales are apart, the more iterations the workers need to agree (standardise, or data.scale).
    """

    name: ClassVar[str] = "gadmm"
    paper: ClassVar[str] = "Elgabli et al., JMLR 2020"
    most_layers: ClassVar[int | None] = None
    losses: ClassVar[tuple[str, ...] | None] = None

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

    def exact(self, L: int, loss: str) -> bool:
        """Are the local problems solved, not only improved?"""
        return self.local == "exact" or (self.local is None and L == 1 and loss in LOCAL)

    def knows_optimum(self, L: int, loss: str) -> bool:
        return self.exact(L, loss) and super().knows_optimum(L, loss)

    def check(self, L: int) -> None:
        """UsageError for a graph that will not do, periods that do not fit, and exact steps of a network."""
        super().check(L)
        if self.periods is not None and len(self.periods) != L:
            raise UsageError(f"solver.periods = {self.periods}: must be a list of {L} for this network, one a layer")
        if self.local == "exact" and L > 1:
            raise UsageError('solver.local = "exact" is for linear models, network.hidden = []: use "adam"')

    def check_problem(self, p: Problem, world: World) -> None:
        """UsageError for exact steps of a loss that has none."""
        if self.local == "exact" and p.loss.name not in LOCAL:
            raise UsageError(f'solver.local = "exact" is for loss.name = {" or ".join(LOCAL)}, not {p.loss.name}')

    def rehearsed(self) -> Self:
        """With a threshold so low that workers send."""
        censor = replace(self.censor, threshold=float(np.finfo(float).tiny)) if self.censor else None
        return replace(super().rehearsed(), censor=censor)

    def due(self, work: Work, k: int) -> Due:
        """The layers that are told in iteration k."""
        every = list(enumerate(work.layers, 1))
        return every if self.periods is None else [(l, t) for l, t in every if k % self.periods[l - 1] == 0]

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration of Algorithm 1: heads minimise and tell their neighbours, then tails, then all duals move."""
        work: Work = s.work
        theta, mu, known, workers = work.theta, work.mu, work.known, work.workers
        k, due = int(s.done[0]), self.due(work, int(s.done[0]))
        np.copyto(work.before, known)
        for group in (HEADS, TAILS):
            some = workers.groups[group]
            work.local.solve(some, mu[some] - self.rho * workers.around(known, some), theta, k)
            if due:
                self.publish(s, p, group, due)
        apart = workers.degree[:, None] * known[work.own] - workers.around(known, work.own)
        for _, t in due:
            mu[:, t] += work.dual_step * self.rho * apart[:, t]
        s.done += 1

    def publish(self, s: State, p: Problem, group: int, due: Due) -> None:
        """The neighbours learn the new values of a group, as they are."""
        work, k = s.work, int(s.done[0])
        wire = p.dtype if self.wire == "same" else np.float32
        rows = whole(work, speaking(self.censor, work, group, k, due), due, wire)
        work.workers.tell(group, work.known, Vectors(work.known, rows, due, wire, self.censor is not None))

    def blank(self, p: Problem, world: World) -> State:
        """Every worker at 0, which all know."""
        work, L = Work(self.graph, p, world), p.network.depth
        if not self.exact(L, p.loss.name):
            work.moments = np.zeros((len(work.theta), 2, work.theta.shape[1]), p.dtype)
        return State(
            W=[None, *(np.zeros(p.network.shape(l), p.dtype, order="F") for l in range(1, L + 1))],
            theta=work.by_worker(work.theta),
            known=work.by_worker(work.known),
            mu=work.by_worker(work.mu),
            moments=work.by_worker(work.moments),
            marks=work.by_worker(work.marks),
            done=np.zeros(1, dtype=np.int64),
            work=work,
        )

    def start(self, s: State, p: Problem, world: World) -> None:
        """Linear models at 0, as the paper; networks all at the same random weights, which every worker knows."""
        if p.network.depth > 1:
            self.set_weights(s, p.network.random_weights(p.seed, p.dtype), p, world)

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """The local problems have the penalties rho/2 |theta|^2 of all edges at once; what is known of neighbours on
        other ranks comes from there."""
        work: Work = s.work
        exact, c = self.exact(p.network.depth, p.loss.name), self.rho * work.workers.degree
        work.dual_step = self.dual_step or (1.0 if exact else DUAL_STEP)
        if exact:
            self.pose(s, p, world, c)
        else:
            work.local = local_adam(self, work, p, c)
        own = Vectors(work.known, range(len(work.theta)), list(enumerate(work.layers, 1)), p.dtype, False)
        for group in (HEADS, TAILS):
            work.workers.tell(group, work.known, own)
        work.before[...] = work.known

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, Any]:
        return gadmm_measures.measure(self, s, p, world)

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        return gadmm_measures.floor(s, p)
