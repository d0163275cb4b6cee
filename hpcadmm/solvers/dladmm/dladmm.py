"""Backward-forward ADMM with quadratic bounds instead of inverses, data-parallel.

Wang, Yu, Chen, Zhao: ADMM for Efficient Deep Learning with Global Convergence, KDD 2019, Algorithm 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, columns, replicated
from hpcadmm.solvers.base import DataParallel
from hpcadmm.solvers.dladmm import cost
from hpcadmm.solvers.dladmm import measures as dladmm_measures
from hpcadmm.solvers.dladmm.blocks import Blocks, Work
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.idle import check_penalty, check_schedule, may_grow
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.shared.products import Product
from hpcadmm.solvers.shared.start import first_layer, forward

Positive = Annotated[float, Gt(0)]


@dataclass
class State:
    """Lists are indexed by layer, as in the paper; W[l] holds b_l as its last column, a_l ones as its last row."""

    W: Arrays = replicated()  # W[l]: (n[l], n[l-1] + ones), l = 1..L
    a: Arrays = columns(first=1)  # a[l]: (n[l] + ones, m), l = 0..L-1; a[0] is the data
    z: Arrays = columns()  # z[l]: (n[l], m), l = 1..L
    r: Arrays = columns()  # r[l] = z_l - W_l a_{l-1} - b_l: (n[l], m), l = 1..L
    u: Array = columns()  # (n[L], m)
    penalties: Array = replicated()  # [nu, rho], as they are now
    theta: Array = replicated()  # (2, L + 1): of the last W and a steps, for backtracking
    cost: Array = replicated()  # [iterations done, last objective, how often it rose in a row]
    scales: Array = replicated()  # of the exact sums
    work: Any = None


@dataclass(frozen=True)
class DlAdmm(DataParallel):
    """minimise R(z_L; y) + sum_l Omega(W_l) + nu/2 sum_{l<L} |z_l - W_l a_{l-1} - b_l|^2 + |a_l - f(z_l)|^2
    + <u, r_L> + rho/2 |r_L|^2,    r_L = z_L - W_L a_{L-1} - b_L,    R summed over the samples.

    penalty, decay: Omega = decay |W|_F^2 ("l2") or decay sum |W_ij| ("l1"). update: how the curvature theta of the
    bound of a W or a step is found: "quadratic" takes the least that satisfies the paper's condition phi <= P, in
    closed form; "backtracking" is the paper's doubling, begun at half the last theta. schedule: "every" multiplies
    nu and rho by `factor` each `period` iterations [paper], "adaptive" when the objective rose three times running
    [authors' code], both up to `limit` of rho. init: He's random weights, or N(0, 0.1) [paper]; z_L starts at +1 for
    the true class and -1 for the others [paper]. sums: "plain" gives up the same bits at any rank count.

    Deviations from the paper. The l2 penalty: W moves by a gradient step on phi + Omega, as long as the bound of this
    sum allows; the paper bounds phi alone and takes the prox of Omega, as is done here for l1. b_l goes to its exact
    minimiser, the mean residual over the samples, not along a bound. theta comes from the curvature in closed form
    unless `update` is "backtracking". z_L of the cross entropy is found by Newton's method, not FISTA. nu = rho = 1,
    He's weights and no schedule are the defaults; the paper's are nu = rho = 1e-6, N(0, 0.1) and "every" 100
    iterations.
    """

    name: ClassVar[str] = "dladmm"
    paper: ClassVar[str] = "Wang et al., KDD 2019"

    nu: Positive = 1.0
    rho: Positive = 1.0
    decay: Annotated[float, Ge(0)] = 0.0
    penalty: Literal["l2", "l1"] = "l2"
    update: Literal["quadratic", "backtracking"] = "quadratic"
    schedule: Literal["fixed", "every", "adaptive"] = "fixed"
    factor: Positive = 10.0
    period: Annotated[int, Ge(1)] = 100
    limit: Positive = 0.1
    init: Literal["he", "normal"] = "he"
    sums: Literal["exact", "plain"] = "exact"

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration of Algorithm 1: backward, then forward, then the multiplier."""
        L, block = p.network.depth, Blocks(self, s, p, world)
        block.z(L)
        block.b(L)
        block.W(L)
        for l in range(L - 1, 0, -1):
            block.a(l)
            block.z(l)
            block.b(l)
            block.W(l)
        for l in range(1, L):
            block.W(l)
            block.b(l)
            block.z(l)
            block.a(l)
        block.W(L)
        block.b(L)
        block.z(L)
        block.u()
        self._reschedule(s, p, world)

    def _reschedule(self, s: State, p: Problem, world: World) -> None:
        """nu and rho of the next iteration."""
        s.cost[0] += 1
        grow = self.schedule == "every" and s.cost[0] % self.period == 0
        if self.schedule == "adaptive":
            objective = self.measure(s, p, world)["objective"]
            s.cost[2] = s.cost[2] + 1 if objective > s.cost[1] else 0
            s.cost[1], grow = objective, s.cost[2] >= 3
        if grow and may_grow(s.penalties[1], self.factor, self.limit):
            s.penalties *= self.factor
            s.cost[2] = 0

    def check(self, L: int) -> None:
        """UsageError for a schedule that never acts, or a penalty of no size."""
        check_penalty(self.penalty, self.decay)
        if self.schedule != "fixed":
            check_schedule(self.schedule, self.rho, self.factor, self.limit)

    def blank(self, p: Problem, world: World) -> State:
        """Allocate: a_0 is the data itself, everything else new."""
        n, L, m = p.network.n, p.network.depth, p.x.shape[1]
        work = Work(p, self.sums == "plain")
        return State(
            W=[None, *(np.zeros(p.network.shape(l), p.dtype, order="F") for l in range(1, L + 1))],
            a=[p.x, *(p.network.activations(l, m, p.dtype) for l in range(1, L))],
            z=[None, *(np.zeros((n[l], m), p.dtype, order="F") for l in range(1, L + 1))],
            r=[None, *(np.zeros((n[l], m), p.dtype, order="F") for l in range(1, L + 1))],
            u=np.zeros((n[L], m), p.dtype, order="F"),
            penalties=np.array([self.nu, self.rho]),
            theta=np.full((2, L + 1), 1.0),
            cost=np.array([0.0, np.inf, 0.0]),
            scales=work.scales,
            work=work,
        )

    def start(self, s: State, p: Problem, world: World) -> None:
        """Random weights, a forward pass, and z_L = +1 / -1 (in a regression the targets)."""
        W = [None, *(first_layer(p, self.init, l) for l in range(1, p.network.depth + 1))]
        self.set_weights(s, W, p, world)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Begin from given weights: a and z by a forward pass, then z_L as in `start`."""
        L = p.network.depth
        for l in range(1, L + 1):
            s.W[l][...] = weights[l]
        forward(p, s.W, s.a, s.z)
        m = s.z[L].copy(order="F")
        s.z[L][...] = 2 * p.y - 1 if p.classes and p.y.min(initial=0) >= 0 else p.y
        s.r[L][...] = s.z[L] - m

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Nothing is derived."""

    def finite(self, s: State) -> bool:
        """W, z_L and u show any NaN within an iteration."""
        return all(bool(np.isfinite(x).all()) for x in (*s.W[1:], s.z[-1], s.u))

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, float]:
        return dladmm_measures.measure(self, s, p, world)

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        return cost.dladmm(place)

    def held_bytes(self, place: Place) -> float:
        return cost.dladmm_memory(place)

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        return dladmm_measures.floor(s, p)
