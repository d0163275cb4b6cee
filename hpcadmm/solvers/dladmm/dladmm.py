"""Backward-forward ADMM with quadratic bounds instead of inverses, data-parallel.

Wang, Yu, Chen, Zhao: ADMM for Efficient Deep Learning with Global Convergence, KDD 2019, Algorithm 1.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import INPUTS, OUTPUTS, UNITS, WEIGHTS, Array, Arrays, columns, exact_sums, replicated, scalar
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.dladmm import cost, measures
from hpcadmm.solvers.dladmm.blocks import Blocks, Sums, Work
from hpcadmm.solvers.shared.idle import check_penalty, check_schedule, may_grow
from hpcadmm.solvers.shared.start import first_layer

Positive = Annotated[float, Gt(0)]


@dataclass
class State:
    """Lists are indexed by layer, as in the paper. W[l] has b_l as its last column, a_l has ones as its last row."""

    W: Arrays = replicated(WEIGHTS)  # W[l]: (n[l], n[l-1] + ones), l = 1..L
    a: Arrays = columns(INPUTS, first=1)  # a[l]: (n[l] + ones, m), l = 0..L-1; a[0] is the data
    z: Arrays = columns(UNITS)  # z[l]: (n[l], m), l = 1..L
    r: Arrays = columns(UNITS)  # r[l] = z_l - W_l a_{l-1} - b_l: (n[l], m), l = 1..L
    u: Array = columns(OUTPUTS)  # (n[L], m)
    nu: float = scalar(1.0)
    rho: float = scalar(1.0)
    theta_W: Array = replicated()  # theta_W[l] of the last W_l step, l = 1..L
    theta_a: Array = replicated()  # theta_a[l] of the last a_l step, l = 1..L-1
    iterations: int = scalar(0)
    objective: float = scalar(np.inf)  # of the last iteration; only with schedule = "adaptive"
    rises: int = scalar(0)  # how many times in a row the objective rose
    sums: Sums = exact_sums()
    work: Any = None  # Work


@dataclass(frozen=True)
class DlAdmm(Solver):
    """minimise R(z_L; y) + sum_l Omega(W_l) + nu/2 sum_{l<L} |z_l - W_l a_{l-1} - b_l|^2 + |a_l - f(z_l)|^2
    + <u, r_L> + rho/2 |r_L|^2,    r_L = z_L - W_L a_{L-1} - b_L,    R summed over the samples.

    nu: penalty on the constraints of the hidden layers, > 0. Default 1; the paper's is 1e-6.
    rho: penalty on r_L, > 0. Default 1; the paper's is 1e-6.
    decay: size of Omega, >= 0. Default 0.
    penalty: "l2" (default): Omega = decay |W|_F^2; "l1": Omega = decay sum |W_ij|.
    update: how theta, the curvature of the bound in a W or a step, is found: "quadratic" (default) takes the smallest
        one that satisfies the paper's condition phi <= P, in closed form; "backtracking" is the paper's doubling,
        which starts at half the last theta.
    schedule: when nu and rho are multiplied by `factor`: "fixed" (default) never; "every" each `period` iterations, as
        in the paper; "adaptive" after the objective rose three times in a row, as in the authors' code.
    factor: > 0. Default 10, as in the paper.
    period: iterations, >= 1. Default 100, as in the paper.
    limit: the schedule never raises rho above it; > 0. Default 0.1, as in the authors' code.
    init: "he" (default): He's random weights; "normal": N(0, 0.1), biases too, as in the paper. z_L starts at +1 for
        the true class and at -1 for the others, as in the paper.
    sums: "exact" (default) gives the same bits on any number of ranks; "plain" does not.

    Deviations from the paper:
    With the l2 penalty, W takes a gradient step on phi + Omega, as long as the bound of this sum allows. The paper
    bounds phi alone and takes the prox of Omega, as this solver does with l1.
    b_l goes to its exact minimiser, the mean residual over the samples, not along a bound.
    theta comes from the curvature in closed form unless update = "backtracking".
    z_L of the cross entropy comes from Newton's method, not from FISTA.
    """

    name: ClassVar[str] = "dladmm"
    paper: ClassVar[str] = "Wang et al., KDD 2019"
    when: ClassVar[str] = "a network without any gradients, whose constraints hold more exactly than with taylor"
    state_type: ClassVar[Any] = State
    weighted: ClassVar[bool] = True
    sparse: ClassVar[bool] = True

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
        """One iteration of Algorithm 1: backward, forward, then the multiplier."""
        L, block = p.network.depth, Blocks(self, s, p, world)
        for l in range(L, 0, -1):
            if l < L:
                block.a(l)
            block.z(l)
            block.b(l)
            block.W(l)
        for l in range(1, L + 1):
            block.W(l)
            block.b(l)
            block.z(l)
            if l < L:
                block.a(l)
        block.u()
        self._reschedule(s, p, world)

    def _reschedule(self, s: State, p: Problem, world: World) -> None:
        """nu and rho of the next iteration."""
        s.iterations += 1
        grow = self.schedule == "every" and s.iterations % self.period == 0
        if self.schedule == "adaptive":
            objective = self.measure(s, p, world)["objective"]
            s.rises = s.rises + 1 if objective > s.objective else 0
            s.objective, grow = objective, s.rises >= 3
        if grow and may_grow(s.rho, self.factor, self.limit):
            s.nu, s.rho, s.rises = s.nu * self.factor, s.rho * self.factor, 0

    def check(self, L: int) -> None:
        """Raise UsageError for a schedule that never acts, or an l1 penalty of size 0."""
        check_penalty(self.penalty, self.decay)
        if self.schedule != "fixed":
            check_schedule(self.schedule, self.rho, self.factor, self.limit)

    def blank(self, p: Problem, world: World) -> State:
        theta_W, theta_a = np.ones((2, p.network.depth + 1))
        return replace(
            super().blank(p, world),
            nu=self.nu,
            rho=self.rho,
            theta_W=theta_W,
            theta_a=theta_a,
            sums=Sums(p, self.sums == "plain"),
            work=Work(p),
        )

    def start(self, s: State, p: Problem, world: World) -> None:
        """Random weights, a forward pass, and z_L = +1 / -1 (in a regression the targets)."""
        W = [None, *(first_layer(p, self.init, l) for l in range(1, p.network.depth + 1))]
        self.set_weights(s, W, p, world)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Start from given weights: a and z by a forward pass, then z_L as in `start`."""
        super().set_weights(s, weights, p, world)
        m = s.z[-1].copy(order="F")
        s.z[-1][...] = 2 * p.y - 1 if p.classes and p.y.min(initial=0) >= 0 else p.y
        s.r[-1][...] = s.z[-1] - m

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Form the operands of the products."""
        s.work.hold(s)

    def finite(self, s: State) -> bool:
        """A NaN anywhere reaches W, z_L or u within an iteration."""
        return super().finite(s) and bool(np.isfinite(s.z[-1]).all() and np.isfinite(s.u).all())

    measure = measures.measure
    bill = cost.bill
    held_bytes = cost.memory
