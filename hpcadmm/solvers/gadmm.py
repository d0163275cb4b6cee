"""Decentralized ADMM on a chain, or any bipartite graph, of workers: heads, then tails, then the duals at both ends.

Elgabli, Park, Bedi, Bennis, Aggarwal: GADMM: Fast and Communication Efficient Framework for Distributed Machine
Learning, JMLR 2020, Algorithm 1; censored as in Ben Issaid, Elgabli, Park, Bennis, Debbah: Communication Efficient
Decentralized Learning over Bipartite Graphs, IEEE Trans. Wireless Commun. 2022.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, replicated, sites
from hpcadmm.solvers import gadmm_measures
from hpcadmm.solvers.decentralized import Decentralized, Work
from hpcadmm.solvers.gadmm_wire import Censor, Vectors, speaking, whole
from hpcadmm.solvers.products import Product
from hpcadmm.solvers.workers import HEADS, TAILS

Positive = Annotated[float, Gt(0), Lt(np.inf)]


@dataclass
class State:
    """Lists are indexed by worker; a rank has the entries of its own. d is the length of all weights as one vector."""

    W: Arrays = replicated()  # W[1]: the mean over the workers, up to date where measured or saved
    theta: Arrays = sites()  # theta[n]: (d,)
    known: Arrays = sites()  # what the neighbours know of theta[n]: (d,)
    mu: Arrays = sites()  # the sum of the duals of worker n's edges, negative where n is the second end: (d,)
    marks: Arrays = sites()  # of worker n: payload bits and messages so far; bits an entry and R of the last message
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
    """

    name: ClassVar[str] = "gadmm"
    paper: ClassVar[str] = "Elgabli et al., JMLR 2020"

    workers: Annotated[int, Ge(1)] = 10
    topology: str | list[list[int]] = "chain"
    rho: Positive = 1.0
    censor: Censor | None = None

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration of Algorithm 1: heads minimise and tell their neighbours, then tails, then all duals move."""
        work: Work = s.work
        theta, mu, known, workers = work.theta, work.mu, work.known, work.workers
        np.copyto(work.before, known)
        for group in (HEADS, TAILS):
            some = workers.groups[group]
            work.local.solve(some, mu[some] - self.rho * workers.around(known, some), theta)
            self.publish(s, p, group)
        mu += self.rho * (workers.degree[:, None] * known[work.own] - workers.around(known, work.own))
        s.done += 1

    def publish(self, s: State, p: Problem, group: int) -> None:
        """The neighbours learn the new values of a group, as they are."""
        work, k = s.work, int(s.done[0])
        said = whole(work, speaking(self.censor, work, group, k))
        work.workers.tell(group, work.known, Vectors(said, self.censor is not None))

    def blank(self, p: Problem, world: World) -> State:
        """Every worker at 0, which all know."""
        work = Work(self.graph, p, world)
        return State(
            W=[None, np.zeros(p.network.shape(1), p.dtype, order="F")],
            theta=work.by_worker(work.theta),
            known=work.by_worker(work.known),
            mu=work.by_worker(work.mu),
            marks=work.by_worker(work.marks),
            done=np.zeros(1, dtype=np.int64),
            work=work,
        )

    def start(self, s: State, p: Problem, world: World) -> None:
        """At 0, as the paper."""

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """The local problems have the penalties rho/2 |theta|^2 of all edges at once; what is known of neighbours on
        other ranks comes from there."""
        work: Work = s.work
        self.pose(s, p, world, self.rho * work.workers.degree)
        own = {k: work.known[k].view(np.uint8) for k in range(len(work.theta))}
        for group in (HEADS, TAILS):
            work.workers.tell(group, work.known, Vectors(own, False))
        work.before[...] = work.known

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, Any]:
        return gadmm_measures.measure(self, s, p, world)

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        return gadmm_measures.floor(s, p)
