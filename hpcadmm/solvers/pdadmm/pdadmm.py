"""Layer-parallel ADMM: layers are dealt to a chain of ranks; neighbours exchange two arrays an iteration.

Wang, Chai, Cheng, Zhao: Toward Model Parallelism for Deep Neural Network based on Gradient-free ADMM Framework,
ICDM 2020, Algorithm 1. Quantized messages as in their Towards Quantized Model Parallelism (pdADMM-G-Q), 2022, but of
differences.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, Len

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.wire.wire import WireName
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import WEIGHTS, Array, Arrays, cells, exact_sums, replicated, scalar
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.pdadmm import cost, measures, start
from hpcadmm.solvers.pdadmm.links import Links
from hpcadmm.solvers.pdadmm.start import Count, Stage
from hpcadmm.solvers.pdadmm.updates import UPDATES, Quadratic
from hpcadmm.solvers.shared.dealing import grid
from hpcadmm.solvers.shared.idle import check_penalty, check_schedule, may_grow
from hpcadmm.solvers.shared.normal import check_squares

Positive = Annotated[float, Gt(0)]


@dataclass
class State:
    """Lists are indexed by layer, as in the paper. A rank holds its own layers and columns of p, z, q and R, and all W;
    W, theta and payload of other ranks' layers are up to date only after `weights`. W[l] has b_l as its last column,
    p[l] ones as its last row. u_l = nu_of_u (q_l - f(z_l)) is never stored."""

    W: Arrays = replicated(WEIGHTS)  # W[l]: (n[l], n[l-1] + ones), l = 1..L
    p: Arrays = cells(first=2)  # p[l]: (n[l-1] + ones, m), l = 1..L; p[1] is the data
    z: Arrays = cells()  # z[l]: (n[l], m), l = 1..L
    q: Arrays = cells()  # q[l]: (n[l], m), l = 1..L-1
    R: Arrays = cells()  # R[l] = W_l p_l + b_l - z_l: (n[l], m); not for exact updates
    sent_p: Arrays = cells()  # the decoded p[l] that the layer below uses; only if the wire loses digits
    sent_w: Arrays = cells()  # the decoded u_l - rho q_l that the layer above uses
    theta_W: Array = replicated()  # (L + 1,): of the last W step of each layer, for "backtracking"
    theta_p: Array = replicated()  # (L + 1,)
    payload: Array = replicated()  # (L + 1,): bytes of each layer's messages
    nu: float = scalar(1.0)
    rho: float = scalar(1.0)
    nu_of_u: float = scalar(1.0)  # nu of the last q step
    iterations: int = scalar(0)
    sums: Any = exact_sums()  # Sums
    mine: range = range(0)  # this rank's layers
    owner: list[int] = field(default_factory=list)  # owner[l]: the rank of the chain that has layer l
    links: Any = None  # Links
    layer_seconds: dict[int, float] = field(default_factory=dict)
    work: Any = None  # Work


@dataclass(frozen=True)
class PdAdmm(Solver):
    """minimise R(z_L; y) + sum_l Omega(W_l) + nu/2 sum_l |z_l - W_l p_l - b_l|^2 + nu/2 sum_{l<L} |q_l - f(z_l)|^2
    + sum_{l<L} <u_l, p_{l+1} - q_l> + rho/2 |p_{l+1} - q_l|^2,    p_1 = x, R summed over the samples.

    nu: penalty of the layers' equations; > 0; default 1; paper 1e-4.
    rho: penalty of p_{l+1} = q_l; > 0; default 1; paper nu, its theory rho > max(4 nu S^2, (sqrt(17) + 1) nu / 2), S
        the Lipschitz constant of f.
    update: how p and W move; default "quadratic": the longest gradient step with the paper's condition phi <= P, in
        closed form; "backtracking" (paper): a step found by doubling theta, from half the last one; "exact": to the
        minimisers, by normal equations.
    ridge: added to the normal equations of W, relative to their mean diagonal, in "exact" updates; >= 0; default 1e-3.
    pull: where the ridge pulls W; default "plain": to 0; "proximal": to the previous W; the Lagrangian cannot rise.
    decay: weight of Omega; >= 0; default 0.
    penalty: Omega; default "l2": decay |W|_F^2; "l1": decay sum |W_ij|.
    schedule: how nu and rho change; default "fixed" (paper): never; "every": both grow by `factor`; "balanced": rho is
        multiplied by `factor` if the primal residual |p - q| is over 10 times the dual residual rho |q - q_old|, and
        divided by `factor` if it is under a tenth of it.
    factor: of a change of the schedule; > 1; default 2.
    period: iterations between two changes of the schedule; >= 1; default 10.
    limit: the largest rho that the schedule sets; > 0; default 1000.
    wire: type of an entry in messages between layers; "float64", "float32", "float16", or 8 or 16 bits, evenly spaced
        in each tile; default: as `precision`. 8, 16 and "float16" encode differences to the receiver's value. Layers
        of one rank use the same decoded values.
    grid: [blocks of layers, blocks of samples] that the ranks form; default: as many blocks of layers as possible.
    stages: [{layers, iterations}]: train the first layers and the last one, then more; those in between join as
        identities, which needs f(f(z)) = f(z), as relu has; default: all layers at once. The output stays the same when
        layers join; the Lagrangian need not, since q may be negative where f(q) is not.
    init: first weights; default "he": He's; "normal": N(0, 0.1), biases too.
    sums: default "exact": the same bits on any grid; "plain": ordinary sums.

    Deviations from the paper. The l2 penalty: W moves by a gradient step on phi + Omega (or, "exact", to the minimiser
    of both), not by the prox of Omega on the bound of phi, which is used for l1. b_l goes to its exact minimiser, the
    mean residual. Step lengths of p and W come from the curvature in closed form unless `update` is "backtracking".
    z_L of the cross entropy is found by Newton's method, not FISTA. u is formed at both ends of a boundary and never
    sent: the layer above gets u - rho q. Quantized messages hold differences, of p and of u - rho q, not the values
    of p and q. update = "exact", schedule = "balanced" and `stages` are not in Algorithm 1.
    """

    name: ClassVar[str] = "pdadmm"
    paper: ClassVar[str] = "Wang et al., ICDM 2020"
    when: ClassVar[str] = "more layers than one rank should hold, or slow links: only neighbouring layers talk"
    state_type: ClassVar[Any] = State
    weighted: ClassVar[bool] = True
    has_grid: ClassVar[bool] = True
    sparse: ClassVar[bool] = True

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

    def step(self, s: State, problem: Problem, world: World) -> None:
        """Algorithm 1 on this rank's layers. `links` says in which order, and what travels when."""
        with self._iteration(s, problem, world) as (update, links):
            for l in links.downwards():
                if l > 1:
                    update.p(l)
                    links.send_p(l)
                update.W_and_b(l)
                if l in links.inner:
                    update.z_q_and_u(l)
            for l in links.ends():
                update.z_q_and_u(l)

    @contextmanager
    def _iteration(self, s: State, problem: Problem, world: World) -> Iterator[tuple[Quadratic, Links]]:
        """Before the updates, layers join. After them come nu and rho of the next iteration, and then w, which needs
        rho, goes to the layers above."""
        start.grow(self, s, problem, world)
        update = UPDATES[self.update](self, s, problem, world.samples)
        yield update, s.links
        self._reschedule(s, problem, world, update.moved)
        s.links.exchange_w()

    def _reschedule(self, s: State, problem: Problem, world: World, moved: Array) -> None:
        """nu and rho of the next iteration."""
        s.nu_of_u = s.nu
        s.iterations += 1
        if self.schedule == "fixed" or s.iterations % self.period:
            return
        if self.schedule == "every":
            if may_grow(s.rho, self.factor, self.limit):
                s.nu, s.rho = s.nu * self.factor, s.rho * self.factor
            return
        sums = sum_by_tile(world, problem.tiles, moved)
        primal, dual = np.sqrt(sums[0::2].sum()), s.rho * np.sqrt(sums[1::2].sum())
        if primal > 10 * dual:
            s.rho = max(s.rho, min(s.rho * self.factor, self.limit))
        elif dual > 10 * primal:
            s.rho /= self.factor

    def check(self, L: int) -> None:
        """Raise UsageError if the hyperparameters do not fit L layers of weights, or one another."""
        start.check_stages(self.stages, L)
        check_penalty(self.penalty, self.decay)
        if self.schedule == "every":
            check_schedule(self.schedule, self.rho, self.factor, self.limit)
        if self.pull == "proximal" and (self.update != "exact" or self.ridge == 0):
            raise UsageError(
                f'solver.pull = "proximal" has no effect with solver.update = "{self.update}" and solver.ridge = '
                f'{self.ridge:g}; it needs update = "exact" and ridge > 0'
            )
        if self.update == "exact" and self.penalty == "l1" and self.decay > 0:
            raise UsageError('solver.penalty = "l1" has no exact W step; use solver.update = "quadratic"')

    def rehearsed(self) -> Self:
        """One stage of growth, one iteration long."""
        stages = [replace(one, iterations=1) for one in dict.fromkeys([*self.stages[:1], *self.stages[-1:]])]
        return replace(super().rehearsed(), stages=stages)

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        return grid(self.grid, L, ranks)

    def check_problem(self, problem: Problem, world: World) -> None:
        """Raise UsageError if layers that join later are not square, ranks would have no work, or the matrix of exact
        updates does not fit the memory."""
        start.check_identities(self.stages, problem.network)
        if self.update == "exact":
            check_squares(problem, world)
        L, tiles = problem.network.depth, problem.tiles.count
        if world.samples.size > max(tiles, 1):
            raise UsageError(
                f"{world.size} ranks form a grid of {world.chain.size} blocks of layers x {world.samples.size} of "
                f"samples, but the job has {L} layers x {tiles} tiles of samples, enough for at most "
                f"{L * max(tiles, 1)} ranks; start fewer, or choose solver.grid = [layers, samples]"
            )

    def blank(self, problem: Problem, world: World) -> State:
        return replace(super().blank(problem, world), **start.fields(self, problem, world))

    def start(self, s: State, problem: Problem, world: World) -> None:
        """Random weights and a forward pass; q = f(z) and u = 0."""
        layers = range(1, problem.network.depth + 1)
        start.set_weights(s, [None, *(start.first_weights(self, problem, l) for l in layers)], problem)

    def set_weights(self, s: State, weights: Arrays, problem: Problem, world: World) -> None:
        start.set_weights(s, weights, problem)

    def prepare(self, s: State, problem: Problem, world: World) -> None:
        start.connect(self, s, problem, world)

    def weights(self, s: State, world: World) -> Arrays:
        """Every rank receives the layers of the others, with what a checkpoint saves of them."""
        for l in range(1, len(s.W)):
            numbers = np.array([s.theta_W[l], s.theta_p[l], s.payload[l]], dtype=np.float64)
            for array in (s.W[l], numbers, s.sums.scales[l]):
                world.chain.broadcast(array, s.owner[l])
            s.theta_W[l], s.theta_p[l], s.payload[l] = numbers
        return s.W

    def finite(self, s: State) -> bool:
        """W and z of this rank's layers show any NaN within an iteration."""
        return all(bool(np.isfinite(x[l]).all()) for x in (s.W, s.z) for l in s.mine)

    def layer_seconds(self, s: State) -> Mapping[int, float]:
        return dict(s.layer_seconds)

    @property
    def variant(self) -> str:
        return self.update

    def gridded(self, chain: int, samples: int) -> Self:
        return replace(self, grid=[chain, samples])

    layer_costs = cost.layer_costs
    measure = measures.measure
    bill = cost.bill
    held_bytes = cost.memory
