"""Re-synchronised ADMM with matrix penalties: one sum over all samples a sweep.

Ours. Its multipliers are exact at every sweep, so it is not a new optimiser: with both penalties it is K-FAC (Martens
& Grosse, ICML 2015) with the empirical Fisher matrix and a bound on the KL divergence; with the input penalty alone it
is FOOF (Benzing, ICML 2022). What it loses against the other ADMMs here is that layers cannot move at the same time: on
a grid of layers only the parts of a batch do, one behind the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, Len, Lt

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.losses import Loss
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, layers, replicated
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.base import DataParallel
from hpcadmm.solvers.mpadmm import cost
from hpcadmm.solvers.mpadmm import measures as mpadmm_measures
from hpcadmm.solvers.mpadmm.work import Work, costs
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.dealing import grid
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.shared.products import Product
from hpcadmm.subproblems.matrix_penalty import direction, input_penalty, output_penalty
from hpcadmm.subproblems.norm import square

Positive = Annotated[float, Gt(0), Lt(np.inf)]
Count = Annotated[int, Ge(1)]


@dataclass
class State:
    """Lists are indexed by layer, l = 1..L; a rank has the entries of its own layers, except of W, where those of other
    ranks' layers are out of date between measurements."""

    W: Arrays = replicated()  # W[l]: (n[l], n[l-1] + ones): the iterate, or with `average` its running mean
    V: Arrays = layers()  # V[l]: the iterate, only where it is not W[l]
    A: Arrays = layers()  # A[l]: mean of a_{l-1} a_{l-1}^T, (n[l-1] + ones,) * 2
    B: Arrays = layers()  # B[l]: mean of lam_l lam_l^T, (n[l],) * 2
    P: Arrays = layers()  # P[l] = (A[l] + delta alpha I)^-1, in the working precision
    Q: Arrays = layers()  # Q[l] = (1 + g) (B[l] / tau + g I)^-1
    counts: Array = replicated()  # sweeps, refreshes, sums over the ranks
    scales: Arrays = replicated()  # of the exact sums, by layer
    last: Array = replicated()  # of the last sweep: s, <D, C>, |C|_F
    work: Any = None  # a Work


@dataclass(frozen=True)
class MpAdmm(DataParallel):
    """minimise (1/m) sum_i R(z_L,i; y_i) + (1/m) sum_l sum_i <lam_l,i, W_l a_{l-1},i - z_l,i> + decay/2 sum_l |W_l|^2
    + 1/(2 s) sum_l <dW_l, Q_l^-1 dW_l P_l^-1>:    z, a and lam exactly for fixed W, then one step of all W.

    batch: samples a sweep, an equal share of each of `cut` parts of all samples, also the most ranks; 0: all samples.
    P_l = (A_l + delta alpha_l I)^-1 and Q_l = (1 + g) (B_l / tau_l + g I)^-1 with A_l, B_l the running means of a a^T
    and lam lam^T and alpha_l, tau_l their mean diagonals. They are refreshed in each of the first `warm` sweeps and
    every `refresh`-th after them; A_1, whose a_0 are the data, in the first ones only.
    The step s is eta (by default 6, but 0.5 for the squared loss, whose curvature is 2), or less where s^2 <D, C> would
    exceed kappa (a bound on the KL divergence, for all layers together); with batch = 0 it is halved until the
    objective has fallen by 1e-4 s <D, C> at least.
    schedule: "cosine" lets eta fall to 0 over `period` sweeps, "constant" keeps it. average: the weights are the
    running mean of the iterates, W += (1 - average) (V - W); 0: the last one. decay: weight decay (biases excepted).
    grid: [blocks of layers, blocks of samples] that the ranks form; "samples" is [1, ranks], "layers" as many blocks of
    layers as can be. The parts of a batch flow through a chain of ranks, along which nothing of the size of A travels.
    inverses: of P and Q, "dealt" to the ranks that share the samples: each is formed on one and sent to the others, one
    synchronisation more a refresh; "each" rank forms all; "auto" deals where that should save 10 ms.
    sums: "plain" gives up the same bits on any grid.
    """

    name: ClassVar[str] = "mpadmm"
    paper: ClassVar[str] = "ours, 2026"
    constrained: ClassVar[bool] = False

    batch: Annotated[int, Ge(0)] = 4000
    cut: Count = 8
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
    sums: Literal["exact", "plain"] = "exact"

    @property
    def parts(self) -> int:
        """Of the samples; 0, tiles, where every sweep takes all."""
        return self.cut if self.batch else 0

    def step(self, s: State, p: Problem, world: World) -> None:
        """One sweep: z, a and lam of a batch at fixed W, one sum over the ranks, one step of all W."""
        k, work, V = int(s.counts[0]), s.work, s.work.iterate
        refresh, inputs = k < self.warm or k % self.refresh == 0, k < self.warm
        m = work.size(k)
        work.sums.sum(V, lambda: work.parts(k), world, factors=refresh, inputs=inputs)
        s.counts += 1, refresh, 1
        if refresh:
            self.renew(s, m, inputs)
        C, D = work.C, work.D
        for l in work.mine:
            np.multiply(work.sums.gradient[l].total, -1.0 / m, out=C[l])
            if self.decay:
                C[l][:, : p.network.n[l - 1]] -= self.decay * V[l][:, : p.network.n[l - 1]]
            direction(s.Q[l], C[l].astype(p.dtype), s.P[l], out=D[l])
        slope = work.total(lambda l: float(np.vdot(D[l], C[l])))
        step = min(self.rate(k, p.loss), float(np.sqrt(self.kappa / slope))) if slope > 0 else 0.0
        if not self.batch:
            step = self.search(s, p, world, step, slope)
        s.last[...] = step, slope, np.sqrt(work.total(lambda l: square(C[l])))
        for l in work.mine:
            V[l] += p.dtype(step) * D[l]
        self.mean_iterate(s)

    def renew(self, s: State, m: int, inputs: bool) -> None:
        """A_l and B_l take in the means of this batch, and P_l and Q_l follow."""
        keep, work, sums = self.kept(int(s.counts[1])), s.work, s.work.sums
        for l in work.mine:
            if l > 1 or inputs:
                s.A[l] += (1 - keep) * (sums.aaT[l].total / m - s.A[l])
                if work.inverts(("P", l), inputs):
                    input_penalty(s.A[l], self.delta, s.P[l])
            s.B[l] += (1 - keep) * (sums.llT[l].total / m - s.B[l])
            if work.inverts(("Q", l), inputs):
                output_penalty(s.B[l], self.g, s.Q[l])
        for (kind, l), rank in work.inverters[inputs].items():
            work.peers.broadcast((s.P if kind == "P" else s.Q)[l], rank)

    def kept(self, c: int) -> float:
        """Of A and B at the c-th refresh: a plain mean of the first ten, then a running one."""
        return min(0.9, (c - 1) / c)

    def rate(self, k: int, loss: Loss) -> float:
        """eta of sweep k = 0, 1, ..."""
        eta = self.eta or (0.5 if loss.name == "squared" else 6.0)
        return eta if self.schedule == "constant" else eta * 0.5 * (1 + np.cos(np.pi * min(k / self.period, 1.0)))

    def search(self, s: State, p: Problem, world: World, step: float, slope: float) -> float:
        """Armijo: halve the step until the objective falls by 1e-4 step slope; 0 where it does not."""
        work, V = s.work, s.work.iterate
        trial = [None, *(np.zeros_like(W) for W in s.W[1:])]

        def objective(step: float) -> float:
            for l in work.mine:
                trial[l][...] = V[l] + p.dtype(step) * work.D[l]
            work.share(trial)
            s.counts[2] += 1
            return mpadmm_measures.mean_objective(self, trial, p, world)

        before = objective(0.0)
        for _ in range(40):
            if objective(step) <= before - 1e-4 * step * slope:
                return step
            step /= 2
        return 0.0

    def mean_iterate(self, s: State) -> None:
        """W follows V."""
        if self.average:
            keep = min(self.average, (int(s.counts[0]) - 1) / int(s.counts[0]))
            for l in s.work.mine:
                s.W[l] += s.W[l].dtype.type(1 - keep) * (s.V[l] - s.W[l])

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        """Ranks have whole parts of a batch."""
        layers, samples = 1, ranks
        if self.grid != "samples":
            layers, samples = grid(None if self.grid == "layers" else self.grid, L, ranks)
        if self.batch and samples > self.cut:
            raise UsageError(
                f"{samples} ranks, but solver.cut = {self.cut}: a batch is cut into so many parts, of which a rank has "
                f"whole ones; start at most {self.cut} ranks, or set solver.cut = {samples}"
            )
        return layers, samples

    def check_problem(self, p: Problem, world: World) -> None:
        """Any problem will do."""

    def blank(self, p: Problem, world: World) -> State:
        """Allocate."""
        n, work = p.network, Work(self, p, world)
        s = State(
            W=[None, *(np.zeros(n.shape(l), p.dtype, order="F") for l in range(1, n.depth + 1))],
            V=work.by_layer(lambda l: np.zeros(n.shape(l), p.dtype, order="F")) if self.average else [],
            A=work.by_layer(lambda l: np.zeros((n.shape(l)[1],) * 2, order="F")),
            B=work.by_layer(lambda l: np.zeros((n.n[l],) * 2, order="F")),
            P=work.by_layer(lambda l: np.zeros((n.shape(l)[1],) * 2, p.dtype, order="F")),
            Q=work.by_layer(lambda l: np.zeros((n.n[l],) * 2, p.dtype, order="F")),
            counts=np.zeros(3, dtype=np.int64),
            scales=work.sums.scales,
            last=np.zeros(3),
            work=work,
        )
        work.iterate = s.V or s.W
        return s

    def start(self, s: State, p: Problem, world: World) -> None:
        """He's random weights."""
        self.set_weights(s, p.network.random_weights(p.seed, p.dtype), p, world)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Begin from given weights; the penalties are found anew."""
        for l in range(1, len(weights)):
            s.W[l][...] = weights[l]
        for l in s.work.mine:
            s.work.iterate[l][...] = weights[l]

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """The scales of the sums."""
        work = s.work
        work.sums.settle(work.iterate, lambda: work.parts(0), world, fresh=not s.counts[0], factors=True)

    def weights(self, s: State, world: World) -> Arrays:
        """Every rank takes the layers of the others."""
        s.work.share(s.W)
        s.work.share(s.scales)
        return s.W

    def finite(self, s: State) -> bool:
        """<D, C> sums over all entries of what the iterate has moved by."""
        return all(bool(np.isfinite(x).all()) for x in (s.last, *(s.W[l] for l in s.work.mine)))

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, Any]:
        return mpadmm_measures.measure(self, s, p, world)

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        return cost.mpadmm(place, iteration)

    def held_bytes(self, place: Place) -> float:
        return cost.mpadmm_memory(place)

    has_grid: ClassVar[bool] = True
    steady: ClassVar[bool] = False  # some sweeps refresh the penalties

    def gridded(self, chain: int, samples: int) -> Self:
        return replace(self, grid=[chain, samples])

    def layer_costs(self, network: Network, tiles: Tiles) -> list[float]:
        return costs(self, network, tiles)

    def fill(self, place: Place) -> Bill | None:
        return cost.mpadmm_fill(place)

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        return mpadmm_measures.floor(self, s, p)
