"""ADMM with matrix penalties whose blocks are solved exactly: one sum over the samples a sweep.

Our own. Its multipliers are exact in every sweep, so it is not a new optimiser. With both penalties it is K-FAC
(Martens & Grosse, ICML 2015) with the empirical Fisher matrix and a bound on the KL divergence; with the input penalty
alone it is FOOF (Benzing, ICML 2022). Unlike the other ADMMs here it cannot update all layers at the same time: on a
grid of layers only the parts of a batch run in parallel, as a pipeline.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, Len, Lt

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import WEIGHTS, Arrays, exact_sums, layers, replicated, scalar
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.mpadmm import checks, cost, costs, lengths, local, local_cost, measures, penalties
from hpcadmm.solvers.mpadmm.work import Work
from hpcadmm.solvers.shared.dealing import grid
from hpcadmm.solvers.shared.narrow_sums import SumsName
from hpcadmm.subproblems.matrix_penalty import direction
from hpcadmm.subproblems.norm import square

Positive = Annotated[float, Gt(0), Lt(np.inf)]
Count = Annotated[int, Ge(1)]


@dataclass
class State:
    """Lists are indexed by layer, l = 1..L. A rank holds the entries of its own layers; it also holds W of the other
    layers, which is out of date between measurements."""

    W: Arrays = replicated(WEIGHTS)  # W[l]: (n[l], n[l-1] + ones): the iterate, or with `average` its running mean
    V: Arrays = layers()  # V[l]: the iterate, only with `average`
    A: Arrays = layers()  # A[l]: mean of a_{l-1} a_{l-1}^T, (n[l-1] + ones,) * 2
    B: Arrays = layers()  # B[l]: mean of lam_l lam_l^T, (n[l],) * 2
    P: Arrays = layers()  # P[l] = (A[l] + delta alpha I)^-1, in the working precision
    Q: Arrays = layers()  # Q[l] = (1 + g) (B[l] / tau + g I)^-1
    late: Arrays = layers()  # late[1]: lam_1 a_0^T of the last sweep, summed, if `complete`; only with `late`
    sums: Any = exact_sums()  # lam_l a_{l-1}^T, a_{l-1} a_{l-1}^T, lam_l lam_l^T
    rounds: Any = exact_sums("round_scales")  # a Rounds, only with `local_steps`
    sweeps: int = scalar(0)
    refreshes: int = scalar(0)  # of the penalties
    sums_made: int = scalar(0)  # over the ranks
    step: float = scalar(0.0)  # s of the last sweep; of a round, in the mean over the workers
    slope: float = scalar(0.0)  # <D, C>
    residual: float = scalar(0.0)  # |C|
    work: Any = None  # a Work

    @property
    def iterate(self) -> Arrays:
        return self.V or self.W


@dataclass(frozen=True)
class MpAdmm(Solver):
    """minimise (1/m) sum_i R(z_L,i; y_i) + (1/m) sum_l sum_i <lam_l,i, W_l a_{l-1},i - z_l,i> + decay/2 sum_l |W_l|^2
    + 1/(2 s) sum_l <dW_l, Q_l^-1 dW_l P_l^-1>:    z, a and lam exactly for fixed W, then one step of all W.

    P_l = (A_l + delta alpha_l I)^-1 and Q_l = (1 + g) (B_l / tau_l + g I)^-1, where A_l and B_l are running means of
    a a^T and lam lam^T, and alpha_l and tau_l are their mean diagonals.

    batch: samples a sweep; 0: all samples, with a line search that halves s until the objective has fallen by at least
        1e-4 s <D, C>. Default 4000.
    cut: parts of the samples and of each batch, which is also the largest number of ranks that share the samples.
        "auto": parts of about 250 samples of a batch, at least 8. A chain of ranks fills sooner with more parts; with
        fewer, the sums take less time. Other cuts change the last bits. Default 8.
    refresh: sweeps from one refresh of P and Q to the next. Default 5.
    warm: number of first sweeps that all refresh P and Q. Only they refresh P_1, whose a_0 is the data. Default 10.
    eta: the step s, unless kappa bounds it. Default 6, or 0.5 for the losses of real targets.
    delta: damping of A, relative to its mean diagonal. Default 1.
    g: damping of B, relative to its mean diagonal. Default 0.3.
    kappa: bound on s^2 <D, C>, the KL divergence of a step of all layers together. Default 3.
    schedule: "constant", or "cosine": eta falls to 0 over `period` sweeps. Default "constant".
    period: sweeps of the cosine schedule. Default 60.
    average: in [0, 1). The weights are the running mean of the iterates V, W += (1 - average) (V - W). Default 0.
    decay: weight decay; biases do not decay. Default 0.
    grid: [blocks of layers, blocks of samples] of the ranks; "samples": [1, ranks]; "layers": as many blocks of layers
        as possible. The parts of a batch flow through a chain of ranks, which are dealt layers of about the same cost,
        as measured at the start; the results do not depend on it. Default "samples".
    inverses: "each": every rank inverts all its P and Q; "dealt": the ranks with the same layers invert some each and
        send them to the others, with one more synchronisation a refresh, and along a chain of ranks whoever has less
        to do inverts some of another's; "auto": "dealt" where that should save 10 ms. Default "auto".
    sums: "exact" gives the same bits on any grid, "plain" sums are ordinary float64, "bfloat16" and 8 send fewer
        bytes, as in the minibatch solvers; A and B then travel in bfloat16. Default "exact".
    overlap: "auto": sums travel between nodes while later products are formed; "always": within a node too; "never".
        Exact sums have the same bits in each case. Default "auto".
    local_steps: H > 0: after `local_after` sweeps an iteration is a round. Each worker r takes H steps from W with the
        shared P and Q, on minibatches of its own samples; one sum then makes W the mean of the W_r, by the weight of
        their samples. Where a refresh is due, it also sums A and B of the first steps, for the next round. Default 0.
    local_after: sweeps before the first round. Default 2.
    local_batch: samples of a local step, a few less where an epoch takes them in whole steps. Default 500.
    workers: with `local_steps` the parts of the samples and of each batch, in place of `cut`; a worker is part of the
        job, and a rank holds one or more. Default 8.
    late: 1: W_1 moves by the sums of the sweep before: C_1, and what A_1 and B_1 take in. So the largest sums travel
        while the ranks work. It rests in the first sweep, and the sums of the last sweep do not move it. Needs
        minibatches and a hidden layer. Default 0.
    """

    name: ClassVar[str] = "mpadmm"
    paper: ClassVar[str] = "ours, 2026"
    when: ClassVar[str] = "the best accuracy soon, with far fewer sums over the ranks than adam"
    constrained: ClassVar[bool] = False
    has_grid: ClassVar[bool] = True
    streamed: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    steadier: ClassVar[Mapping[str, str]] = {"delta": "larger"}
    steady: ClassVar[bool] = False  # some sweeps refresh the penalties
    state_type: ClassVar[Any] = State
    weighted: ClassVar[bool] = True
    drops: ClassVar[bool] = True

    batch: Annotated[int, Ge(0)] = 4000
    cut: Count | Literal["auto"] = 8
    refresh: Count = 5
    warm: Count = 10
    eta: Positive | None = None
    delta: Positive = 1.0
    g: Positive = 0.3
    kappa: Positive = 3.0
    schedule: Literal["constant", "cosine"] = "constant"
    period: Count = 60
    average: Annotated[float, Ge(0), Lt(1)] = 0.0
    decay: Annotated[float, Ge(0), Lt(np.inf)] = 0.0
    grid: Annotated[list[Count], Len(2, 2)] | Literal["samples", "layers"] = "samples"
    inverses: Literal["auto", "each", "dealt"] = "auto"
    sums: SumsName = "exact"
    overlap: Literal["auto", "always", "never"] = "auto"
    local_steps: Annotated[int, Ge(0)] = 0
    local_after: Count = 2
    local_batch: Count = 500
    workers: Count = 8
    late: Literal[0, 1] = 0

    def step(self, s: State, p: Problem, world: World) -> None:
        """One sweep: z, a and lam of a batch for fixed W, one sum over the ranks, one step of all W. Or a round."""
        if self.local_steps and s.sweeps >= self.local_after:
            local.take_round(self, s, p, world)
            return
        k, V, C, D = s.sweeps, s.iterate, s.work.C, s.work.D
        due = {"factors": self.refreshes(k), "inputs": self.refreshes(k, inputs=True)}
        # z, a, lam and their products: -m C_l = lam_l a_{l-1}^T, and for a refresh a a^T and lam lam^T
        fresh = tuple(l for l in s.work.layers if self.source(l, k) == k)
        dealt = due["factors"] and s.work.inverses.shared(fresh, due["inputs"])
        for l in s.sums.arriving(V, lambda: s.work.parts(k), world, **due):
            if not dealt or l not in fresh:
                self.find_directions(s, p, [l])
        if dealt:
            self.find_directions(s, p, fresh)
        # one step length s for all layers
        s.slope = s.work.total(lambda l: float(np.vdot(D[l], C[l])))
        s.residual = math.sqrt(s.work.total(lambda l: square(C[l])))
        s.step = self.step_length(s, p, world)
        for l in s.work.layers:
            V[l] += p.dtype(s.step) * D[l]
        s.sweeps, s.sums_made, s.refreshes = k + 1, s.sums_made + 1, s.refreshes + self.refreshes(k)
        self.average_iterate(s)

    def find_directions(self, s: State, p: Problem, arrived: Sequence[int]) -> None:
        """D_l = Q_l C_l P_l of layers whose sums have arrived; new P_l and Q_l first, if they are due."""
        C, D, n = s.work.C, s.work.D, p.network.n
        penalties.refresh_arrived(self, s, [l for l in arrived if l > 1 or not self.late or s.sums.landed])
        for l in arrived:
            np.multiply(s.sums.gradient[l].total, -1.0 / s.work.size(self.source(l, s.sweeps)), out=C[l])
            if self.decay:
                C[l][:, : n[l - 1]] -= self.decay * s.iterate[l][:, : n[l - 1]]
            direction(s.work.Q[l], C[l].astype(p.dtype), s.work.P[l], D[l], p.engines[l], s.work.operands[l])

    def average_iterate(self, s: State) -> None:
        """W follows V."""
        if self.average:
            keep = min(self.average, (s.sweeps - 1) / s.sweeps)
            for l in s.work.layers:
                s.W[l] += s.W[l].dtype.type(1 - keep) * (s.V[l] - s.W[l])

    @property
    def parts(self) -> int:
        return self.workers if self.local_steps else costs.parts_of(self) if self.batch else 0

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        layers, samples = 1, ranks
        if self.grid != "samples":
            layers, samples = grid(None if self.grid == "layers" else self.grid, L, ranks)
        if self.batch:
            local.check_ranks(self, samples)
        return layers, samples

    def blank(self, p: Problem, world: World) -> State:
        n, work = p.network, Work(self, p, world)
        when = self.overlap if self.batch else "never"
        sums = work.sums(sums=self.sums, late=bool(self.late), overlap=when)
        return replace(
            super().blank(p, world),
            V=work.by_layer(lambda l: np.zeros(n.shape(l), p.dtype, order="F")) if self.average else [],
            A=work.by_layer(lambda l: np.zeros((n.shape(l)[1],) * 2, order="F")),
            B=work.by_layer(lambda l: np.zeros((n.n[l],) * 2, order="F")),
            P=work.by_layer(lambda l: np.zeros((n.shape(l)[1],) * 2, p.dtype, order="F")),
            Q=work.by_layer(lambda l: np.zeros((n.n[l],) * 2, p.dtype, order="F")),
            late=work.by_layer(lambda l: sums.gradient[l].total if l == 1 else None) if self.late else [],
            sums=sums,
            rounds=local.Rounds(self, p) if self.local_steps else None,
            work=work,
        )

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        super().set_weights(s, weights, p, world)
        for l in s.work.layers:
            s.iterate[l][...] = weights[l]

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """The operands of the penalties; the first scales of the sums."""
        s.work.take_penalties(s, s.work.layers)
        s.sums.settle(s.iterate, lambda: s.work.parts(0), world, fresh=s.sweeps == 0, factors=True)

    def complete(self, s: State, world: World) -> None:
        """Complete the sums of layer 1 that travel, and renew P_1 and Q_1, as the next sweep would."""
        if s.sums.land():
            penalties.refresh_arrived(self, s, [1])
            s.late[1] = s.sums.gradient[1].total

    def weights(self, s: State, world: World) -> Arrays:
        """Every rank takes the other ranks' layers, and the scales of their sums."""
        s.work.share(s.W)
        s.work.share(s.sums.scales)
        return s.W

    def finite(self, s: State) -> bool:
        """<D, C> sums over all entries of the last change of the iterate."""
        return math.isfinite(s.step + s.slope + s.residual) and super().finite(s)

    def objective(self, s: State, p: Problem, world: World) -> float:
        return p.total * measures.mean_objective(self, self.weights(s, world), p, world)

    def samples(self, m: int, L: int, loss: str) -> int:
        return local_cost.samples(self, m) if self.local_steps else super().samples(m, L, loss)

    def gridded(self, chain: int, samples: int) -> Self:
        return replace(self, grid=[chain, samples])

    check, check_problem = checks.check, checks.check_problem
    check_dropout, check_billed = checks.check_dropout, checks.check_billed
    refreshes, source, refresh_penalties = penalties.refreshes, penalties.source, penalties.refresh_penalties
    rate, bounded_step, step_length = lengths.rate, lengths.bounded_step, lengths.step_length
    deal, dealt = costs.deal, costs.dealt
    measure, bill, fill, held_bytes = measures.measure, cost.bill, cost.fill, cost.memory
    variant, carries = property(cost.variant), property(cost.carries)
