"""Layer-parallel ADMM: layers dealt to a chain of ranks, neighbours exchange two arrays an iteration.

Wang, Chai, Cheng, Zhao: Toward Model Parallelism for Deep Neural Network based on Gradient-free ADMM Framework,
ICDM 2020, Algorithm 1; quantized messages as in their Towards Quantized Model Parallelism (pdADMM-G-Q), 2022, but of
differences.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, Len

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.wire.wire import WireName
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, cells, replicated
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.base import Versatile
from hpcadmm.solvers.pdadmm import cost
from hpcadmm.solvers.pdadmm import measures as pdadmm_measures
from hpcadmm.solvers.pdadmm import start as pdadmm_start
from hpcadmm.solvers.pdadmm.blocks import BLOCKS, PRODUCTS
from hpcadmm.solvers.pdadmm.growing import Stage, check_identities, check_stages
from hpcadmm.solvers.pdadmm.work import costs
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.dealing import grid
from hpcadmm.solvers.shared.idle import check_penalty, check_schedule, may_grow
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.shared.products import Product

Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]


@dataclass
class State:
    """Lists are indexed by layer, as in the paper; a rank has the entries of its own layers and columns, except of W,
    where those of other ranks' layers are out of date between measurements. W[l] holds b_l as its last column, p_l
    has ones as its last row."""

    W: Arrays = replicated()  # W[l]: (n[l], n[l-1] + ones), l = 1..L
    p: Arrays = cells(first=2)  # p[l]: (n[l-1] + ones, m), l = 1..L; p[1] is the data
    z: Arrays = cells()  # z[l]: (n[l], m), l = 1..L
    q: Arrays = cells()  # q[l]: (n[l], m), l = 1..L-1
    R: Arrays = cells()  # R[l] = W_l p_l + b_l - z_l: (n[l], m); not for exact updates
    sent_p: Arrays = cells()  # what the layer below knows of p[l]; only where a wire loses digits
    sent_w: Arrays = cells()  # what the layer above knows of u_l - rho q_l
    penalties: Array = replicated()  # [nu, rho, nu of the last q step]
    marks: Array = replicated()  # (L + 1, MARKS) by layer: theta of W and p, payload bytes
    scales: Arrays = replicated()  # of the exact sums, by layer
    done: Array = replicated()  # iterations
    work: Any = None  # a Work


@dataclass(frozen=True)
class PdAdmm(Versatile):
    """minimise R(z_L; y) + sum_l Omega(W_l) + nu/2 sum_l |z_l - W_l p_l - b_l|^2 + nu/2 sum_{l<L} |q_l - f(z_l)|^2
    + sum_{l<L} <u_l, p_{l+1} - q_l> + rho/2 |p_{l+1} - q_l|^2,    p_1 = x, R summed over the samples.

    update: how p and W move: "quadratic" takes one step along the gradient, as long as the paper's condition phi <= P
    allows, in closed form; "backtracking" finds the step by the paper's doubling, begun at half the last theta;
    "exact" solves the normal equations, with `ridge` added to those of W relative to their mean diagonal. By `pull`
    the ridge pulls W to what it was ("proximal", with which the Lagrangian cannot rise) or to 0 ("plain").
    penalty, decay: Omega = decay |W|_F^2 ("l2") or decay sum |W_ij| ("l1").
    schedule: "every" multiplies nu and rho by `factor` each `period` iterations, up to `limit` of rho; "balanced"
    multiplies or divides rho by `factor`, each `period` iterations, where the primal residual |p - q| is over ten times
    the dual one rho |q - q_old|, or under a tenth of it.
    wire: of the messages between layers, by default as `precision`; 8 and 16 are bits, uniformly spaced a tile, of the
    difference to what the neighbour knows (as is "float16"); layers of one rank use the same values.
    grid: [blocks of layers, blocks of samples] that the ranks form, by default as many blocks of layers as can be.
    stages: networks of the first layers and the last, trained so many iterations each; the layers in between join as
    identities, which needs an activation that leaves its own values as they are, as relu does. The network's output
    stays as it was; the Lagrangian need not, since a q may be negative where h of it is not.
    init: He's random weights, or N(0, 0.1). sums: "plain" gives up the same bits on any grid.

    Deviations from the paper. The l2 penalty: W moves by a gradient step on phi + Omega (or, "exact", to the minimiser
    of both), not by the prox of Omega on the bound of phi, as is done here for l1. b_l goes to its exact minimiser, the
    mean residual. The steps of p and W come from the curvature in closed form unless `update` is "backtracking".
    z_L of the cross entropy is found by Newton's method, not FISTA. u is formed at both ends of a boundary and never
    sent: the layer above is told u - rho q. Quantized messages hold differences, of p and of u - rho q, not the values
    of p and q. The paper's theory asks rho > max(4 nu S^2, (sqrt(17) + 1) nu / 2), S the Lipschitz constant of f; its
    experiments, and the defaults here, have rho = nu. update = "exact", "balanced" and `stages` are not in the paper.
    """

    name: ClassVar[str] = "pdadmm"
    paper: ClassVar[str] = "Wang et al., ICDM 2020"

    nu: Positive = 1.0
    rho: Positive = 1.0
    update: Literal["quadratic", "backtracking", "exact"] = "quadratic"
    ridge: Annotated[float, Ge(0)] = 1e-3
    pull: Literal["proximal", "plain"] = "plain"
    decay: Annotated[float, Ge(0)] = 0.0
    penalty: Literal["l2", "l1"] = "l2"
    schedule: Literal["fixed", "every", "balanced"] = "fixed"
    factor: Annotated[float, Gt(1)] = 2.0
    period: Count = 10
    limit: Positive = 1e3
    wire: WireName | None = None
    grid: Annotated[list[Count], Len(2, 2)] | None = None
    stages: list[Stage] = field(default_factory=list)
    init: Literal["he", "normal"] = "he"
    sums: Literal["exact", "plain"] = "exact"

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration: p, W, b, z, q and u of every layer, the upper ones first.

        Only the lowest layer of a rank comes before them, for its p has to travel, and is needed below at the end.
        """
        pdadmm_start.grow(self, s, p, world)
        links, block = s.work.links, BLOCKS[self.update](self, s, p, world)
        first, last = links.layers[:1], links.layers[-1:]
        links.receive_p()
        for l in [*first, *links.layers[:0:-1]]:
            with s.work.timed(l):
                block.p(l)
                links.send_p(l)
                block.W_and_b(l)
                if l in (*first, *last):
                    block.settle(l)
                else:
                    block.z_q_and_u(l)
        for l in first if first != last else []:
            with s.work.timed(l):
                block.z_q_and_u(l)
        links.await_p()
        for l in last:
            with s.work.timed(l):
                block.z_q_and_u(l)
        self._reschedule(s, p, world, block.moved)
        links.exchange_w()

    def _reschedule(self, s: State, p: Problem, world: World, moved: Array) -> None:
        """nu and rho of the next iteration; that of this one stays behind in u = nu (q - f(z))."""
        nu, rho, _ = s.penalties
        s.penalties[2] = nu
        s.done += 1
        if self.schedule == "fixed" or s.done[0] % self.period:
            return
        if self.schedule == "every":
            if may_grow(rho, self.factor, self.limit):
                s.penalties[:2] *= self.factor
            return
        sums = sum_by_tile(world, p.tiles, moved)
        primal, dual = np.sqrt(sums[0::2].sum()), rho * np.sqrt(sums[1::2].sum())
        if primal > 10 * dual:
            s.penalties[1] = max(rho, min(rho * self.factor, self.limit))
        elif dual > 10 * primal:
            s.penalties[1] = rho / self.factor

    def check(self, L: int) -> None:
        """Raise UsageError where the hyperparameters do not fit L layers of weights, or one another."""
        check_stages(self.stages, L)
        check_penalty(self.penalty, self.decay)
        if self.schedule == "every":
            check_schedule(self.schedule, self.rho, self.factor, self.limit)
        if self.pull == "proximal" and (self.update != "exact" or self.ridge == 0):
            raise UsageError(
                f'solver.pull = "proximal" does nothing with solver.update = "{self.update}" and solver.ridge = '
                f'{self.ridge:g}: it is for update = "exact" with a ridge > 0'
            )
        if self.update == "exact" and self.penalty == "l1" and self.decay > 0:
            raise UsageError('solver.penalty = "l1" has no exact W step: use solver.update = "quadratic"')

    def rehearsed(self) -> Self:
        """One stage of growth, one iteration long."""
        stages = [replace(one, iterations=1) for one in dict.fromkeys([*self.stages[:1], *self.stages[-1:]])]
        return replace(super().rehearsed(), stages=stages)

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        return grid(self.grid, L, ranks)

    def check_problem(self, p: Problem, world: World) -> None:
        """Raise UsageError where layers that join later are not square, or ranks would have nothing to do."""
        check_identities(self.stages, p.network)
        L, tiles = p.network.depth, p.tiles.count
        if world.samples.size > max(tiles, 1):
            raise UsageError(
                f"{world.size} ranks make a grid of {world.chain.size} blocks of layers x {world.samples.size} of "
                f"samples, but the job has {L} layers x {tiles} tiles of samples, work for at most "
                f"{L * max(tiles, 1)} ranks: start fewer, or choose solver.grid = [layers, samples]"
            )

    def blank(self, p: Problem, world: World) -> State:
        return pdadmm_start.blank(self, State, p, world)

    def start(self, s: State, p: Problem, world: World) -> None:
        """Random weights and a forward pass; q = f(z) and u = 0."""
        W = [None, *(pdadmm_start.first_layer(self, p, l) for l in range(1, p.network.depth + 1))]
        self.set_weights(s, W, p, world)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Begin from given weights: p, z and q by a forward pass."""
        pdadmm_start.set_weights(s, weights, p)

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Tell the neighbours what they must know."""
        pdadmm_start.connect(self, s, p, world)

    def weights(self, s: State, world: World) -> Arrays:
        """Every rank takes the layers of the others."""
        for l in range(1, len(s.W)):
            world.chain.broadcast(s.W[l], s.work.owner(l))
            world.chain.broadcast(s.marks[l], s.work.owner(l))
            world.chain.broadcast(s.scales[l], s.work.owner(l))
        return s.W

    def finite(self, s: State) -> bool:
        """W and z of this rank's layers show any NaN within an iteration."""
        return all(bool(np.isfinite(x[l]).all()) for x in (s.W, s.z) for l in s.work.mine)

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, Any]:
        return pdadmm_measures.measure(self, s, p, world)

    def layer_seconds(self, s: State) -> Mapping[int, float]:
        return dict(s.work.seconds)

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        return cost.pdadmm(place)

    def held_bytes(self, place: Place) -> float:
        return cost.pdadmm_memory(place)

    has_grid: ClassVar[bool] = True

    @property
    def variant(self) -> str:
        return self.update

    def gridded(self, chain: int, samples: int) -> Self:
        return replace(self, grid=[chain, samples])

    def layer_costs(self, network: Network, tiles: Tiles) -> list[float]:
        return costs(network, PRODUCTS[self.update])

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        return pdadmm_measures.floor(self, s, p)
