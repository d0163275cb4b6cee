"""What the first-order methods have in common: minibatches, the gradient summed over the ranks, rates, decay."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, replicated
from hpcadmm.solvers.base import DataParallel
from hpcadmm.solvers.gradients import cost
from hpcadmm.solvers.gradients import measures as first_order_measures
from hpcadmm.solvers.shared.batches import Drawn
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.gradient_sums import GradientSums
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.shared.products import Product

Positive = Annotated[float, Gt(0), Lt(math.inf)]
NotNegative = Annotated[float, Ge(0), Lt(math.inf)]
Fraction = Annotated[float, Ge(0), Lt(1)]
PIECE = 64  # samples of a batch that fill a product well enough
MOST = 16  # parts by default


@dataclass
class State:
    """Lists are indexed by layer; m and v are what a method remembers of gradients, if it does."""

    W: Arrays = replicated()  # W[l]: (n[l], n[l-1] + ones), l = 1..L, biases in the last column
    m: Arrays = replicated()  # shaped as W: a mean of gradients or steps
    v: Arrays = replicated()  # shaped as W: a mean or sum of squares
    done: Array = replicated()  # steps
    scales: Arrays = replicated()  # of the exact sums
    work: Any = None


class Work(Drawn):
    """The parts of the batches on this rank, and the sums over them. Not saved."""

    def __init__(self, p: Problem, batch: int) -> None:
        super().__init__(p, batch)
        self.sums = GradientSums(p, p.tiles.count)


@dataclass(frozen=True)
class Entries:
    """W_l and what moves it, as vectors by columns: w; g, the gradient of the summed loss (float64); m and v.

    weights: how many entries come before the biases; mean: 1 / samples; t: the step, from 1; rate, decay: as they are
    now, in the working precision.
    """

    w: Array
    g: Array
    m: Any
    v: Any
    weights: int
    mean: float
    t: int
    rate: Any
    decay: Any

    def real(self, *values: float) -> list[Any]:
        """Numbers in the working precision."""
        return [self.w.dtype.type(value) for value in values]


@dataclass(frozen=True)
class Stochastic(DataParallel):
    """minimise (1/m) sum R(network(x), y) + decay/2 sum_l |W_l|^2 over the weights, biases not decayed, a step on one
    minibatch an iteration, the gradient summed over the ranks in one Allreduce.

    rate: the learning rate. batch: the samples of a step; 0: all. cut: into how many parts the samples and each batch
    are cut, hence the most ranks (by default batch / 64, at most 16; no meaning if batch = 0); more of them make
    smaller matrix products, and another sequence of batches. schedule: "constant"; "cosine": the rate falls to 0 along
    half a cosine in `period` epochs; "step": every `period` epochs it is multiplied by `drop`. workers: only for
    accounting: `payload_bits` counts what so many workers around a server would send, their gradients up and one
    broadcast of the weights down each step.
    """

    constrained: ClassVar[bool] = False
    memory: ClassVar[str] = ""  # which of m and v the method has

    rate: Positive = 0.001
    batch: Annotated[int, Ge(0)] = 128
    cut: Annotated[int, Ge(1)] | None = None
    schedule: Literal["constant", "cosine", "step"] = "constant"
    period: Annotated[int, Ge(1)] = 10
    drop: Annotated[float, Gt(0), Le(1)] = 0.1
    decay: NotNegative = 0.0
    workers: Annotated[int, Ge(1)] = 1

    def __init_subclass__(cls) -> None:
        """The docstring of a method says what all have in common, too."""
        cls.__doc__ = f"{cls.__doc__}\n{Stochastic.__doc__}"

    def move(self, e: Entries) -> None:
        """The method's own formula, on the entries of one W_l."""
        raise NotImplementedError

    def step(self, s: State, p: Problem, world: World) -> None:
        """One step on one minibatch: the gradient, summed, then each layer along it."""
        k, work = int(s.done[0]), s.work
        work.sums.sum(s.W, lambda: work.parts(k), world)
        for l in range(1, p.network.depth + 1):
            self.move(self._entries(s, p, l))
        s.done += 1

    def _entries(self, s: State, p: Problem, l: int) -> Entries:
        k, work, n = int(s.done[0]), s.work, p.network.n
        m, v = (flat(x[l]) if x else None for x in (s.m, s.v))
        rate, decay = p.dtype(self.rate_at(k / work.count)), p.dtype(self.decay)
        w, g, mean = flat(s.W[l]), flat(work.sums.gradient[l].total), 1 / work.size(k)
        return Entries(w, g, m, v, n[l] * n[l - 1], mean, k + 1, rate, decay)

    def rate_at(self, epochs: float) -> float:
        """The learning rate after so many epochs.

        >>> one = Stochastic(rate=8.0, schedule="step", period=3, drop=0.5)
        >>> [one.rate_at(e) for e in (0, 2.9, 3, 6)]
        [8.0, 8.0, 4.0, 2.0]
        >>> two = Stochastic(rate=8.0, schedule="cosine", period=4)
        >>> [round(two.rate_at(e), 9) for e in (0, 2, 4, 5)]
        [8.0, 4.0, 0.0, 0.0]
        """
        if self.schedule == "cosine":
            return self.rate * (1 + math.cos(math.pi * min(1.0, epochs / self.period))) / 2
        if self.schedule == "step":
            return self.rate * self.drop ** int(epochs / self.period)
        return self.rate

    def check(self, L: int) -> None:
        """UsageError for a schedule that never acts."""
        if self.schedule == "step" and self.drop == 1:
            raise UsageError('solver.schedule = "step" never changes the rate with solver.drop = 1: choose drop < 1')

    @property
    def parts(self) -> int:
        """Of the samples, and of a batch."""
        if not self.batch:
            return 0
        return self.cut or min(MOST, max(1, round(self.batch / PIECE)))

    def grid_of(self, L: int, ranks: int) -> tuple[int, int]:
        """Ranks have whole parts of a batch."""
        if self.batch and ranks > self.parts:
            raise UsageError(
                f"{ranks} ranks, but a batch of {self.batch} is cut into {self.parts} parts, of which a rank has whole "
                f"ones: start at most {self.parts} ranks, or set solver.cut = {ranks} or more (another run: it cuts "
                f"other batches)"
            )
        return 1, ranks

    def blank(self, p: Problem, world: World) -> State:
        work = Work(p, self.batch)

        def zeros(wanted: bool) -> Arrays:
            shapes = [p.network.shape(l) for l in range(1, p.network.depth + 1) if wanted]
            return [None, *(np.zeros(shape, p.dtype, order="F") for shape in shapes)] if wanted else []

        W, m, v = zeros(True), zeros("m" in self.memory), zeros("v" in self.memory)
        return State(W, m, v, np.zeros(1, dtype=np.int64), work.sums.scales, work)

    def start(self, s: State, p: Problem, world: World) -> None:
        """He's random weights."""
        self.set_weights(s, p.network.random_weights(p.seed, p.dtype), p, world)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Begin from given weights."""
        for W, given in zip(s.W[1:], weights[1:], strict=True):
            W[...] = given

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """The scales of the sums."""
        s.work.sums.settle(s.W, lambda: s.work.parts(0), world, fresh=not s.done[0])

    def finite(self, s: State) -> bool:
        """By the norm of W; entry by entry only where that overflows."""
        return first_order_measures.finite(s.W)

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, float]:
        return first_order_measures.measure(self, s, p, world)

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        return cost.stochastic(place)

    def held_bytes(self, place: Place) -> float:
        return cost.gradient_memory(place, len(self.memory))

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        return first_order_measures.floor(s, p, list(s.work.parts(0)))


def flat(x: Array) -> Array:
    """A view of a Fortran-ordered array as a vector, by columns."""
    return x.reshape(-1, order="A")
