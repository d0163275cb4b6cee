"""Gradient descent with the whole data, by workers around a server.

A. Cauchy: Methode generale pour la resolution des systemes d'equations simultanees, Comptes Rendus 25 (1847); the
benchmark of GADMM [Elgabli et al., JMLR 2020] and of the ADMMs for networks [Wang et al., KDD 2019].
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, replicated
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.gradient_sums import GradientSums
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.shared.products import Product
from hpcadmm.solvers.workers import cost, gd_measures
from hpcadmm.solvers.workers.lipschitz import BENDS, lipschitz
from hpcadmm.solvers.workers.optimum import OPTIMA
from hpcadmm.solvers.workers.parted import Parted
from hpcadmm.solvers.workers.server import Crew, pose

WIDEST = 1024  # columns of a pass
Positive = Annotated[float, Gt(0), Lt(np.inf)]


@dataclass
class State:
    """The same on every rank."""

    W: Arrays = replicated()
    slope: Array = replicated()  # (1,): the norm of the gradient that the last iteration went down
    scales: Arrays = replicated()  # of the exact sums
    done: Array = replicated()  # iterations
    work: Any = field(default=None, repr=False)


class Work:
    """This rank's workers and the chunks of their columns. Not saved."""

    def __init__(self, p: Problem) -> None:
        self.workers = Crew(p.tiles)
        self.chunks = [chunks(t.start, t.stop) for _, t in p.tiles]
        edges = [p.tiles.edge(n) for n in range(self.workers.count + 1)]
        self.count = sum(-(-(hi - lo) // WIDEST) for lo, hi in pairwise(edges))
        self.sums = GradientSums(p, self.count)
        self.share = scale(p) / max(p.tiles.n, 1)  # of the gradient of the summed loss, in that of the mean of f
        self.rate = 0.0
        self.local: Any = None
        self.optimum: Any = None

    def parts(self, p: Problem) -> Iterator[tuple[Array, Array]]:
        """x and y of each chunk of this rank's workers."""
        for of_worker in self.chunks:
            for t in of_worker:
                yield p.x[:, t], p.y[:, t]


@dataclass(frozen=True)
class Gd(Parted):
    """minimise f(W) / m + decay/2 |W|^2 by    W_l -= rate (dW_l / m + decay W_l),    dW_l = sum_n dW_l of worker n,

    f the loss over all m samples (half of it for "squared", as in the papers on GADMM); biases do not decay.
    workers: N; a rank carries one or several; a worker uploads its gradients, the server broadcasts the weights. Both
    travel in one sum over the ranks, of float64 numbers; the payload is counted in those of the job's precision.
    rate: a number, or "lipschitz" for 1 / (largest curvature anywhere): m / lambda_max(X X^T) for "squared", twice that
    for "cross-entropy", of linear models with these losses.
    optimum: find, for such models without decay, the least f before the first iteration, which the metrics then know
    the distance to; for the cross entropy of many samples it takes much longer than an iteration.
    Linear models start at 0, others as He et al. do.
    """

    name: ClassVar[str] = "gd"
    paper: ClassVar[str] = "Cauchy, Comptes Rendus 1847; as in Elgabli et al., JMLR 2020"
    constrained: ClassVar[bool] = False
    most_layers: ClassVar[int | None] = None
    losses: ClassVar[tuple[str, ...] | None] = None

    workers: Annotated[int, Ge(1)] = 10
    rate: Positive | Literal["lipschitz"] = 0.1
    decay: Annotated[float, Ge(0), Lt(np.inf)] = 0.0
    optimum: bool = True

    def check(self, L: int) -> None:
        """UsageError where the curvature has no bound."""
        if self.rate == "lipschitz" and L > 1:
            raise UsageError(unbounded("a network with hidden layers"))

    def check_problem(self, problem: Problem, world: World) -> None:
        """UsageError where the curvature has no bound; a worker may even be without samples."""
        if self.rate == "lipschitz" and problem.loss.name not in BENDS:
            raise UsageError(unbounded(f'loss.name = "{problem.loss.name}"'))

    def knows_optimum(self, L: int, loss: str) -> bool:
        return self.optimum and self.decay == 0 and L == 1 and loss in OPTIMA

    def step(self, s: State, p: Problem, world: World) -> None:
        """Down the gradient."""
        squares = 0.0
        for l, dW in enumerate(self.gradient(s, p, world), start=1):
            g = s.work.share * dW
            if self.decay:
                g[:, : p.network.n[l - 1]] += self.decay * s.W[l][:, : p.network.n[l - 1]]
            s.W[l] -= s.work.rate * g
            squares += float((g * g).sum())
        s.slope[0] = np.sqrt(squares)
        s.done += 1

    def gradient(self, s: State, p: Problem, world: World) -> list[Array]:
        """dW_1, ..., dW_L of the summed loss, float64: what the server has of it. Collective."""
        sums = s.work.sums
        sums.sum(s.W, lambda: s.work.parts(p), world)
        return [total.total for total in sums.gradient[1:]]

    def blank(self, p: Problem, world: World) -> State:
        return self.state(p, Work(p))

    def state(self, p: Problem, work: Work) -> State:
        """All at 0."""
        return State(
            W=[None, *(np.zeros(p.network.shape(l), p.dtype, order="F") for l in range(1, p.network.depth + 1))],
            slope=np.zeros(1),
            scales=work.sums.scales,
            done=np.zeros(1, dtype=np.int64),
            work=work,
        )

    def start(self, s: State, p: Problem, world: World) -> None:
        """A linear model at 0, as those that it is compared with."""
        if p.network.depth > 1:
            self.set_weights(s, p.network.random_weights(p.seed, p.dtype), p, world)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        for w, given in zip(s.W[1:], weights[1:], strict=True):
            w[...] = given

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Find the rate, the optimum and the scales of the sums."""
        work: Work = s.work
        self.settle(s, p, world)
        work.rate = 1 / lipschitz(p, work, self.decay, world) if self.rate == "lipschitz" else self.rate
        if self.knows_optimum(p.network.depth, p.loss.name):
            work.local, work.optimum = pose(p, work.workers, 0.0, world)

    def settle(self, s: State, p: Problem, world: World) -> None:
        """The scales of the sums. Collective."""
        s.work.sums.settle(s.W, lambda: s.work.parts(p), world, fresh=not s.done[0])

    def weights(self, s: State, world: World) -> Arrays:
        return s.W

    def finite(self, s: State) -> bool:
        return all(bool(np.isfinite(w).all()) for w in s.W[1:])

    def uploads(self, s: State, world: World) -> list[int]:
        """The bits that each worker has uploaded. Collective."""
        return [int(s.done[0]) * 8 * sum(w.nbytes for w in s.W[1:])] * self.workers

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, Any]:
        return gd_measures.measure(self, s, p, world)

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        return cost.gd(place)

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        return gd_measures.floor(s, p)


def chunks(lo: int, hi: int) -> list[slice]:
    """Columns lo to hi in even pieces of at most WIDEST.

    >>> chunks(0, 2500)
    [slice(0, 833, None), slice(833, 1666, None), slice(1666, 2500, None)]
    """
    count, n = -(-(hi - lo) // WIDEST), hi - lo
    return [slice(lo + k * n // count, lo + (k + 1) * n // count) for k in range(count)]


def scale(p: Problem) -> float:
    """f in units of the summed loss."""
    return 0.5 if p.loss.name == "squared" else 1.0


def unbounded(what: str) -> str:
    """Why there is no step to choose."""
    known = " and ".join(BENDS)
    return f'solver.rate = "lipschitz" is for linear models with the losses {known}, not {what}: give a number, as 0.1'
