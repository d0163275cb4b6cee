"""What scipy's minimisers of smooth functions have in common: loss and gradient over all samples of all ranks."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, replicated
from hpcadmm.model.vector import flat
from hpcadmm.solvers.base import DataParallel
from hpcadmm.solvers.gradients import cost
from hpcadmm.solvers.gradients import measures as first_order_measures
from hpcadmm.solvers.gradients.iterations import Iterations
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.gradient_sums import GradientSums
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.shared.products import Product
from hpcadmm.subproblems.norm import square


@dataclass
class State:
    """x is all of W as one float64 vector, layer after layer, by columns."""

    W: Arrays = replicated()  # W[l]: (n[l], n[l-1] + ones), l = 1..L, the iterate in the working precision
    begun: Array = replicated()  # x where scipy began
    counts: Array = replicated()  # [iterations since; evaluations and endings before]
    scales: Arrays = replicated()  # of the exact sums, when scipy began
    work: Any = None


class Evaluation(NamedTuple):
    """f at x, and the norm of its gradient there."""

    x: Any
    value: float
    slope: float


class Work:
    """The function that is minimised, and scipy at work on it. Not saved."""

    def __init__(self, p: Problem, decay: float) -> None:
        self.problem, self.decay = p, decay
        self.sums = GradientSums(p, p.tiles.count)
        self.W = [None, *(np.empty(p.network.shape(l), p.dtype, order="F") for l in range(1, p.network.depth + 1))]
        self.decayed = joined([None, *(decayed(p.network, l) for l in range(1, p.network.depth + 1))])
        self.now = Evaluation(None, math.nan, math.nan)  # at the iterate
        self.tried: list[Evaluation] = []  # since the last iterate
        self.evaluations = self.endings = 0
        self.iterations: Iterations | None = None

    def evaluate(self, x: Array, world: World) -> tuple[float, Array]:
        """f(x) = (1/m) sum R + decay/2 |W|^2 and its gradient, the same bits on every rank. Collective."""
        p, values = self.problem, np.zeros((len(self.problem.tiles), 1))

        def parts() -> Iterator[tuple[Array, Array]]:
            for value, (_, t) in zip(values, p.tiles, strict=True):
                yield p.x[:, t], p.y[:, t]
                value[0] = p.loss.value(self.sums.passes.z[-1], p.y[:, t])  # of the pass that was just made

        put(x, self.W)
        self.sums.sum(self.W, parts, world)
        value, samples = float(sum_by_tile(world, p.tiles, values)[0]), max(p.tiles.n, 1)
        weights = x * self.decayed
        gradient = np.concatenate([total.total.reshape(-1, order="A") for total in self.sums.gradient[1:]])
        gradient /= samples
        gradient += self.decay * weights if self.decay else 0.0
        value = value / samples + self.decay / 2 * square(weights)
        self.evaluations += 1
        self.tried.append(Evaluation(x, value, math.sqrt(square(gradient))))
        return value, gradient

    def arrived(self, x: Array, world: World) -> None:
        """The iterate is x, nearly always a point that was evaluated last."""
        found = [tried for tried in self.tried if np.array_equal(tried.x, x)]
        if not found:
            self.evaluate(x, world)
        self.now, self.tried = (found or self.tried)[-1], []


@dataclass(frozen=True)
class FullBatch(DataParallel):
    """minimise (1/m) sum R(network(x), y) + decay/2 sum_l |W_l|^2 over the weights, biases not decayed, by scipy's own
    method; every rank runs it on the same bits. An iteration here is one of scipy's, of one or more evaluations of the
    function over all samples.

    restart: every so many iterations the method begins anew where it is, without memory. A run that is resumed repeats
    the iterations since then, of which it keeps the first point only. tolerance: scipy ends where no entry of the
    gradient is larger; or where its line search fails. Then it begins anew too; `endings` counts how often.
    """

    constrained: ClassVar[bool] = False
    method: ClassVar[str] = ""  # in scipy

    decay: Annotated[float, Ge(0), Lt(math.inf)] = 0.0
    restart: Annotated[int, Ge(1)] = 100
    tolerance: Annotated[float, Gt(0), Lt(math.inf)] = 1e-5

    def __init_subclass__(cls) -> None:
        """The docstring of a method says what all have in common, too."""
        cls.__doc__ = f"{cls.__doc__}\n{FullBatch.__doc__}"

    @property
    def options(self) -> dict[str, Any]:
        """For scipy."""
        return {"gtol": self.tolerance, "maxiter": self.restart + 1}

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration of scipy; if it ends instead, it begins anew, unless it had only just begun."""
        work, moved = s.work, False
        while not moved:
            if work.iterations is None or s.counts[0] >= self.restart:
                self._begin(s)
            x = work.iterations.next(lambda x: work.evaluate(x, world))
            moved = x is not None
            if moved:
                put(x, s.W)
                work.arrived(x, world)
                s.counts[0] += 1
            elif self._ended(s, world):
                return

    def _ended(self, s: State, world: World) -> bool:
        """scipy ended: note it; true if that was before its first iteration, so that to begin anew is of no use."""
        work, stuck = s.work, s.counts[0] == 0
        if stuck:
            work.arrived(s.begun, world)
        work.endings += 1
        self._note(s)
        return bool(stuck)

    def _begin(self, s: State) -> None:
        """scipy begins at the iterate."""
        work = s.work
        if work.iterations is not None:
            work.iterations.close()
            self._note(s)
        work.iterations = Iterations(self.method, s.begun, self.options)

    def _note(self, s: State) -> None:
        """What a run that is resumed needs to begin here."""
        work = s.work
        s.begun[...] = work.now.x
        s.counts[...] = 0, work.evaluations, work.endings
        take(work.sums.scales, s.scales)
        work.iterations, work.tried = None, []

    def blank(self, p: Problem, world: World) -> State:
        work = Work(p, self.decay)
        W = [None, *(np.zeros(p.network.shape(l), p.dtype, order="F") for l in range(1, p.network.depth + 1))]
        scales = [None, *(x.copy() for x in work.sums.scales[1:])]
        return State(W, np.zeros(len(work.decayed)), np.zeros(3, dtype=np.int64), scales, work)

    def start(self, s: State, p: Problem, world: World) -> None:
        """He's random weights."""
        self.set_weights(s, p.network.random_weights(p.seed, p.dtype), p, world)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Begin from given weights."""
        for W, given in zip(s.W[1:], weights[1:], strict=True):
            W[...] = given
        s.begun[...] = joined(s.W)

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Repeat the iterations since scipy began. Where they do not end at W, as they may not with another scipy or
        BLAS, it begins anew there."""
        since, evaluations, endings = (int(count) for count in s.counts)
        take(s.scales, s.work.sums.scales)
        samples = [(p.x[:, t], p.y[:, t]) for _, t in p.tiles]
        s.work.sums.settle(s.W, lambda: samples, world, fresh=not s.counts.any())
        take(s.work.sums.scales, s.scales)
        s.work.evaluations, s.work.endings = evaluations, endings
        W, s.counts[0] = [None, *(W.copy() for W in s.W[1:])], 0
        for _ in range(since):
            self.step(s, p, world)
        if any(not np.array_equal(one, other) for one, other in zip(W[1:], s.W[1:], strict=True)):
            self.set_weights(s, W, p, world)
            s.counts[...] = 0, s.work.evaluations, s.work.endings
            take(s.work.sums.scales, s.scales)
            s.work.iterations = None

    def finite(self, s: State) -> bool:
        """By the norm of W; entry by entry only where that overflows."""
        return first_order_measures.finite(s.W)

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, float]:
        """`objective`: m f; `primal_residual`: the norm of the gradient of f; `scale`: of W; `evaluations` of f so far,
        and `endings`: how often scipy ended by itself."""
        work = s.work
        return {
            "objective": p.tiles.n * work.now.value,
            "primal_residual": work.now.slope,
            "scale": first_order_measures.norm(s.W),
            "evaluations": work.evaluations,
            "endings": work.endings,
        }

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        return cost.full_batch(place)

    def held_bytes(self, place: Place) -> float:
        return cost.full_batch_memory(place)

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        """The products of one evaluation."""
        return first_order_measures.floor(s, p, [(p.x[:, t], p.y[:, t]) for _, t in p.tiles])


def decayed(network: Network, l: int) -> Array:
    """1 for the weights of layer l, 0 for its biases."""
    marks = np.zeros(network.shape(l))
    marks[:, : network.n[l - 1]] = 1
    return marks


def joined(W: Arrays) -> Array:
    """All of W[1..L] as one float64 vector."""
    return flat(W).astype(np.float64)


def take(given: Arrays, into: Arrays) -> None:
    """Copy the arrays of each layer."""
    for mine, one in zip(into[1:], given[1:], strict=True):
        mine[...] = one


def put(x: Array, W: Arrays) -> None:
    """The inverse: W[1..L] from a vector, rounded to their precision."""
    start = 0
    for w in W[1:]:
        w[...] = x[start : start + w.size].reshape(w.shape, order="F")
        start += w.size
