"""The base of the minibatch methods: one step on a minibatch, whose gradient is summed over the ranks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import cleandoc
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import WEIGHTS, Array, Arrays, exact_sums, replicated, scalar
from hpcadmm.solvers.base import Solver, all_finite
from hpcadmm.solvers.gradients import cost, measures
from hpcadmm.solvers.gradients.population import Population
from hpcadmm.solvers.gradients.schedules import SCHEDULES
from hpcadmm.solvers.shared.batches import Drawn
from hpcadmm.solvers.shared.buckets import Overlap
from hpcadmm.solvers.shared.gradient_sums import GradientSums
from hpcadmm.solvers.shared.loss import penalty, summed_loss
from hpcadmm.solvers.shared.narrow_sums import SumsName
from hpcadmm.subproblems.first_order import follow, shorten

Positive = Annotated[float, Gt(0), Lt(math.inf)]
NotNegative = Annotated[float, Ge(0), Lt(math.inf)]
Fraction = Annotated[float, Ge(0), Lt(1)]
PIECE = 64  # samples of a batch that fill a product well enough
MOST = 16  # parts by default


@dataclass
class State:
    """Lists are indexed by layer, l = 1..L; m and v are empty where a method does not use them."""

    W: Arrays = replicated(WEIGHTS)  # W[l]: (n[l], n[l-1] + ones), biases in the last column: a plain network
    V: Arrays = replicated()  # shaped as W: the iterate, only with `average` or batch normalisation
    U: Arrays = replicated()  # shaped as W: the mean of the iterates, only with both
    m: Arrays = replicated()  # shaped as W: a mean of gradients or steps
    v: Arrays = replicated()  # shaped as W: a mean or sum of squares
    sums: Any = exact_sums()  # of the gradient
    steps: int = scalar(0, former="done")
    work: Any = None  # a Drawn
    population: Any = None  # a Population, only with batch normalisation

    @property
    def iterate(self) -> Arrays:
        return self.V or self.W

    @property
    def mean(self) -> Arrays:
        """Of the iterates, with `average`; else the iterate."""
        return self.W if self.population is None else self.U or self.V

    def begin(self, weights: Arrays) -> None:
        """Begin with this iterate."""
        for X in (self.W, self.V, self.U):
            for mine, given in zip(X[1:], weights[1:], strict=False):
                mine[...] = given


@dataclass(frozen=True)
class Entries:
    """W_l and what moves it, as vectors by columns."""

    w: Array
    g: Array  # gradient of the summed loss, float64
    m: Any
    v: Any
    weights: int  # entries before the biases
    mean: float  # 1 / samples, or their weights
    t: int  # the step, from 1
    rate: Any  # learning rate of this step, in the working precision
    decay: Any  # in the working precision

    def real(self, *values: float) -> list[Any]:
        """Numbers in the working precision."""
        return [self.w.dtype.type(value) for value in values]

    def gradient(self) -> Array:
        """The mean gradient with that of the decay, in the working precision."""
        d = (self.mean * self.g).astype(self.w.dtype)
        d[: self.weights] += self.decay * self.w[: self.weights]
        return d


@dataclass(frozen=True)
class Stochastic(Solver):
    """minimise (1/m) sum_i R(network(x_i), y_i) + decay/2 sum_l |W_l|^2,    one step on a minibatch an iteration.

    rate: learning rate.
    batch: samples a step; 0: all samples. Default 128.
    cut: parts of the samples and of each batch, which is also the largest number of ranks; ignored if batch = 0. More
        parts make smaller matrix products and other batches. Default batch / 64, at most 16.
    schedule: "constant"; "cosine": the rate falls to 0 along half a cosine in `period` epochs; "linear": along a line;
        "one-cycle": it rises from rate / 25 to `rate` in the first 30 % of `period`, then falls to 4e-6 rate, each
        along half a cosine; "step": it is multiplied by `drop` every `period` epochs. Default "constant".
    period: epochs. Default 10.
    drop: factor in (0, 1]. Default 0.1.
    warm_up: in the first epochs, this many, the rate of the schedule is multiplied by a factor that grows linearly to
        1. Default 0.
    decay: weight decay; biases do not decay. Default 0.
    max_norm: after each step a row of a W_l (the weights of a unit's inputs, without its bias) that is longer is scaled
        to this length [Srivastava et al., JMLR 2014]. Default none.
    average: the weights are the running mean of the iterates V, W += (1 - average) (V - W); 0: the last iterate.
        In [0, 1). Default 0.
    sums: how the gradient is summed over the ranks. "exact": with the same bits on any number of ranks. "plain": in
        ordinary float64. "bfloat16" or 8 (bits): 2 bytes or 1 an entry travel instead of 8 (16 in float64); a rank adds
        what was rounded off to its next gradient. The bits are then the same only on as many ranks, on the same nodes;
        a resume on others deals out what has not been sent. On one rank as "plain". Default "exact".
    workers: only for accounting: `payload_bits` counts what this number of workers around a server would send in a
        step, their gradients up and one broadcast of the weights down. Default 1.
    overlap: "auto": sums travel between nodes while later products are formed; "always": within a node too; "never".
        Exact sums have the same bits in each case. Default "auto".

    With data.weight R_i counts w_i times and m is sum_i w_i. A minibatch of b samples divides its sum by b times the
    mean weight of all samples: a factor that all weights share changes nothing, and the rate keeps its meaning.
    """

    constrained: ClassVar[bool] = False
    steadier: ClassVar[Mapping[str, str]] = {"rate": "smaller"}
    weighted: ClassVar[bool] = True
    state_type: ClassVar[Any] = State
    streamed: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    drops: ClassVar[bool] = True
    normalises: ClassVar[bool] = True
    memory: ClassVar[str] = ""  # which of m and v the method has

    rate: Positive = 0.001
    batch: Annotated[int, Ge(0)] = 128
    cut: Annotated[int, Ge(1)] | None = None
    schedule: Literal["constant", "cosine", "linear", "step", "one-cycle"] = "constant"
    period: Annotated[int, Ge(1)] = 10
    drop: Annotated[float, Gt(0), Le(1)] = 0.1
    warm_up: NotNegative = 0.0
    decay: NotNegative = 0.0
    max_norm: Positive | None = None
    average: Fraction = 0.0
    sums: SumsName = "exact"
    workers: Annotated[int, Ge(1)] = 1
    overlap: Overlap = "auto"

    def __init_subclass__(cls) -> None:
        """Append the common part to a method's docstring."""
        cls.__doc__ = "\n\n".join(cleandoc(one.__doc__ or "") for one in (cls, Stochastic))

    def move(self, e: Entries) -> None:
        """The method's own formula, on the entries of one W_l."""
        raise NotImplementedError

    def step(self, s: State, p: Problem, world: World) -> None:
        """One step on one minibatch: sum the gradient over the ranks, and move each layer once its sum is complete."""
        for l in s.sums.arriving(s.iterate, lambda: s.work.parts(s.steps), world):
            self.move_layer(s, p, l)
            if self.max_norm:
                shorten(s.iterate[l].T, p.network.n[l - 1], self.max_norm)
        s.steps += 1
        if self.average:
            share = 1 - min(self.average, (s.steps - 1) / s.steps)
            for W, V in zip(s.mean[1:], s.V[1:], strict=True):
                follow(flat(W), flat(V), p.dtype(share))

    def move_layer(self, s: State, p: Problem, l: int) -> None:
        """Move W_l; by default entry by entry."""
        self.move(self.entries(s, p, l))

    def entries(self, s: State, p: Problem, l: int) -> Entries:
        """W_l and what moves it in this step."""
        m, v = (flat(x[l]) if x else None for x in (s.m, s.v))
        rate = p.dtype(self.rate_at(s.steps / s.work.count) * self.warmth((s.steps + 1) / s.work.count))
        w, g, mean = flat(s.iterate[l]), flat(s.sums.gradient[l].total), 1 / s.work.size(s.steps)
        weights, decay = p.network.n[l] * p.network.n[l - 1], p.dtype(self.decay)
        return Entries(w, g, m, v, weights, mean, s.steps + 1, rate, decay)

    def rate_at(self, epochs: float) -> float:
        """The learning rate of the schedule after `epochs` epochs."""
        return self.rate * SCHEDULES[self.schedule](epochs, self.period, self.drop)

    def warmth(self, epochs: float) -> float:
        """The factor of the warm-up, in a step that ends after `epochs` epochs."""
        return min(1.0, epochs / self.warm_up) if self.warm_up else 1.0

    def check(self, L: int) -> None:
        if self.schedule == "step" and self.drop == 1:
            raise UsageError('solver.schedule = "step" never changes the rate with solver.drop = 1: choose drop < 1')

    @property
    def parts(self) -> int:
        return (self.cut or min(MOST, max(1, round(self.batch / PIECE)))) if self.batch else 0

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        if self.batch and ranks > self.parts:
            raise UsageError(
                f"a batch of {self.batch} has {self.parts} parts, and each of {ranks} ranks needs at least one: start "
                f"at most {self.parts} ranks, or set solver.cut = {ranks} or more (which makes other batches)"
            )
        return 1, ranks

    def blank(self, p: Problem, world: World) -> State:
        s = super().blank(p, world)
        norm, average = p.network.norm, bool(self.average)
        kept = self.memory + "V" * (norm or average) + "U" * (norm and average)
        vectors = {x: [np.zeros_like(W) if l else None for l, W in enumerate(s.W)] for x in kept}
        population = Population(p, self.batch) if norm else None
        overlap = self.overlap if self.batch else "never"
        sums, work = GradientSums(p, p.tiles.count, sums=self.sums, overlap=overlap), Drawn(p, self.batch)
        return replace(s, sums=sums, work=work, population=population, **vectors)

    def start(self, s: State, p: Problem, world: World) -> None:
        s.begin(p.network.random_weights(p.seed, p.dtype))

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        s.begin(s.population.unfolded(weights, world) if s.population else weights)

    def weights(self, s: State, world: World) -> Arrays:
        if s.population:
            s.population.fold(s.mean, s.W, s.steps, world)
        return s.W

    def finite(self, s: State) -> bool:
        return all_finite(s.iterate)

    def check_problem(self, p: Problem, world: World) -> None:
        if p.network.norm:
            n, parts = p.tiles.n, p.tiles.count
            least = n // -(-n // (self.batch or n)) // parts
            if least < 2:
                raise UsageError(
                    f'network.norm = "batch" needs parts of 2 samples, not {least}: batches of {self.batch} of {n} '
                    f"samples are cut into {parts} parts; lower solver.cut or choose a larger solver.batch"
                )

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """The first scales of the sums."""
        s.sums.settle(s.iterate, lambda: s.work.parts(0), world, fresh=s.steps == 0)

    def objective(self, s: State, p: Problem, world: World) -> float:
        return summed_loss(self.weights(s, world), p, world) + p.total * penalty(s.mean, p.network, self.decay)

    measure = measures.measure
    bill = cost.stochastic
    held_bytes = cost.stochastic_memory


def flat(x: Array) -> Array:
    """A view of a Fortran-ordered array as a vector, by columns."""
    return x.reshape(-1, order="A")
