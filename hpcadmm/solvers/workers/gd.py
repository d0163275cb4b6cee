"""Gradient descent on all samples, by workers around a server.

A. Cauchy: Methode generale pour la resolution des systemes d'equations simultanees, Comptes Rendus 25 (1847); the
benchmark of GADMM [Elgabli et al., JMLR 2020] and of the ADMMs for networks [Wang et al., KDD 2019].
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact, first_grid
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.inputs import Inputs
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import WEIGHTS, Array, Arrays, exact_sums, replicated, scalar
from hpcadmm.model.weighted import Weight, times
from hpcadmm.solvers.shared.batches import LocalBatches
from hpcadmm.solvers.shared.gradient_sums import GradientSums
from hpcadmm.solvers.workers import cost, curvature, measures
from hpcadmm.solvers.workers.local import pose
from hpcadmm.solvers.workers.optimum import OPTIMA
from hpcadmm.solvers.workers.workers import Workers, WorkerSolver

WIDEST = 1024  # columns of a pass
BENDS = {"squared": 1.0, "cross-entropy": 0.5}  # largest second derivative in z: of half the squares; of the softmax
Positive = Annotated[float, Gt(0), Lt(np.inf)]
Part = tuple[Any, Array, Weight]  # x, y and w of some columns


@dataclass
class State:
    """The same on every rank."""

    W: Arrays = replicated(WEIGHTS)
    sums: Any = exact_sums()  # of the gradients
    slope: float = scalar(0.0)  # the norm of the gradient of the last step
    iterations: int = scalar(0, former="done")
    work: Any = field(default=None, repr=False)


class Work:
    """This rank's workers, their samples, and what `prepare` finds. Not saved."""

    def __init__(self, p: Problem, batch: int = 0) -> None:
        self.workers = Workers(p.tiles)
        self.samples = Samples(p, self.workers, batch)
        edges = [p.tiles.edge(n) for n in range(self.workers.count + 1)]
        self.count = sum(-(-(hi - lo) // WIDEST) for lo, hi in pairwise(edges))  # of chunks, over all ranks
        half = 0.5 if p.loss.name == "squared" else 1.0
        self.share = half / (p.total or 1)  # of the gradient of the summed loss, in that of the mean of f
        self.rate = 0.0
        self.local: Any = None
        self.optimum: Any = None

    def parts(self, p: Problem, x: Any = None) -> Iterator[Part]:
        """x, y and w of each chunk of this rank's workers; x by default as an operand of the products of layer 1."""
        x = p.inputs if x is None else x
        for row in range(len(self.workers.mine)):
            yield from self.samples.parts(row, x)


@dataclass(frozen=True)
class Gd(WorkerSolver):
    """minimise f(W) / m + decay/2 |W|^2    by    W_l -= rate (sum_n dW_l of worker n / m + decay W_l)

    f is the loss over all m samples (half of it for "squared", as in the papers on GADMM); biases do not decay.

    workers: number of workers N, >= 1 (default 10); each rank holds one or more. A worker uploads its gradients, the
        server broadcasts the weights; both travel in one float64 sum over the ranks. The payload is counted in the
        precision of the job.
    rate: learning rate, > 0 (default 0.1), or "lipschitz": 1 / (largest curvature), for linear models with the losses
        "squared", m / lambda_max(X X^T) (paper), and "cross-entropy", twice that.
    decay: weight decay, >= 0 (default 0).
    optimum: true (default) finds the least f of such models without decay before the first iteration, and the metrics
        report the distance to it. For the cross entropy of many samples, and for sparse ones, that takes much longer
        than an iteration.

    Linear models start at 0, networks as in He et al.

    Deviations from the paper: none.
    """

    name: ClassVar[str] = "gd"
    paper: ClassVar[str] = "Cauchy, Comptes Rendus 1847; as in Elgabli et al., JMLR 2020"
    when: ClassVar[str] = "the baseline of gadmm and consensus"
    state_type: ClassVar[Any] = State
    constrained: ClassVar[bool] = False
    steadier: ClassVar[Mapping[str, str]] = {"rate": "smaller"}
    sparse: ClassVar[bool] = True

    workers: Annotated[int, Ge(1)] = 10
    rate: Positive | Literal["lipschitz"] = 0.1
    decay: Annotated[float, Ge(0), Lt(np.inf)] = 0.0
    optimum: bool = True

    def check(self, L: int) -> None:
        """UsageError if the curvature has no known bound."""
        if self.rate == "lipschitz" and L > 1:
            raise UsageError(unbounded("a network with hidden layers"))

    def check_problem(self, problem: Problem, world: World) -> None:
        """UsageError if the curvature has no known bound."""
        if self.rate == "lipschitz" and problem.loss.name not in BENDS:
            raise UsageError(unbounded(f'loss.name = "{problem.loss.name}"'))

    def knows_optimum(self, L: int, loss: str) -> bool:
        return self.optimum and self.decay == 0 and L == 1 and loss in OPTIMA

    def step(self, s: State, p: Problem, world: World) -> None:
        """A step down the gradient."""
        squares = 0.0
        for l, dW in enumerate(self.gradient(s, p, world), start=1):
            g = s.work.share * dW
            if self.decay:
                g[:, : p.network.n[l - 1]] += self.decay * s.W[l][:, : p.network.n[l - 1]]
            s.W[l] -= s.work.rate * g
            squares += float((g * g).sum())
        s.slope = float(np.sqrt(squares))
        s.iterations += 1

    def gradient(self, s: State, p: Problem, world: World) -> list[Array]:
        """dW_1, ..., dW_L of the summed loss as the server knows it, float64. Collective."""
        s.sums.sum(s.W, lambda: s.work.parts(p), world)
        return [total.total for total in s.sums.gradient[1:]]

    def blank(self, p: Problem, world: World) -> State:
        """All at 0."""
        work = Work(p)
        s: State = replace(super().blank(p, world), sums=GradientSums(p, work.count), work=work)
        return s

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Find the scales of the sums, the rate and the optimum."""
        work: Work = s.work
        self.settle(s, p, world)
        work.rate = 1 / lipschitz(p, work, self.decay, world) if self.rate == "lipschitz" else self.rate
        if self.knows_optimum(p.network.depth, p.loss.name):
            work.local, work.optimum = pose(p, work.workers, 0.0, world)

    def settle(self, s: State, p: Problem, world: World) -> None:
        """Find the scales of the sums. Collective."""
        s.sums.settle(s.W, lambda: s.work.parts(p), world, fresh=not s.iterations)

    def uploads(self, s: State, world: World) -> list[int]:
        """The bits that each worker has uploaded. Collective."""
        return [s.iterations * measures.answer_bits(s.W)] * self.workers

    measure = measures.of_gd
    bill = cost.gd


class Samples:
    """The samples that the gradient of each of this rank's workers is formed of: with batch = 0 all of its own, in
    chunks, else minibatches of at most `batch` of them."""

    def __init__(self, p: Problem, workers: Workers, batch: int) -> None:
        place = dict(p.tiles)
        self.problem, self.tiles = p, [place[n] for n in workers.mine]
        self.batches = LocalBatches(p, workers.mine, batch, 1) if batch else None

    def drawn(self, row: int, k: int) -> tuple[Iterable[Part], float]:
        """x, y and w of each part of iteration k, and the factor that makes their sum one over all of the worker."""
        if self.batches is None:
            return self.parts(row, self.problem.inputs), 1.0
        ((x, y, w),) = self.batches(k, row)
        t = self.tiles[row]
        return [(x, y, w)], (t.stop - t.start) / max(x.shape[1], 1)

    def parts(self, row: int, x: Any) -> Iterator[Part]:
        """x, y and w of each chunk of all samples of a worker; x: of the problem, perhaps as an operand."""
        t, p = self.tiles[row], self.problem
        return ((x[:, part], p.y[:, part], p.w(part)) for part in chunks(t.start, t.stop))

    def values(self, models: Iterable[Arrays]) -> Array:
        """The loss of a model for each worker, W[1..L], summed over all samples of the worker, (k,)."""
        p = self.problem

        def value(W: Arrays, part: Part) -> float:
            x, y, w = part
            return p.loss.value(p.network.forward(W, x), y, w)

        found = [sum(value(W, part) for part in self.parts(row, p.x)) for row, W in enumerate(models)]
        return np.array(found, np.float64)


def chunks(lo: int, hi: int) -> list[slice]:
    """Columns lo to hi in even chunks of at most WIDEST.

    >>> chunks(0, 2500)
    [slice(0, 833, None), slice(833, 1666, None), slice(1666, 2500, None)]
    """
    count, n = -(-(hi - lo) // WIDEST), hi - lo
    return [slice(lo + k * n // count, lo + (k + 1) * n // count) for k in range(count)]


def lipschitz(p: Problem, work: Work, decay: float, world: World) -> float:
    """The largest curvature of the mean loss of a linear model, BENDS lambda_max(X X^T) / m + decay; 1 if that is 0
    (then all gradients are). The same bits on any number of ranks. Collective."""
    sparse = isinstance(p.x, Inputs)
    largest = curvature.largest(p, work.workers, world) if sparse else largest_of_gram(p, work, world)
    return BENDS[p.loss.name] * max(largest, 0.0) / (p.total or 1) + decay or 1.0


def largest_of_gram(p: Problem, work: Work, world: World) -> float:
    """lambda_max(X X^T) from the matrix itself. Collective."""
    features = len(p.x)
    gram = Exact((features, features), np.float64, work.count, first_grid(p.tiles.n), symmetric=True)

    def add() -> None:
        gram.clear()
        for x, _, w in work.parts(p, p.x):
            wide = times(x.astype(np.float64), w if w is None else np.sqrt(w, dtype=np.float64))
            gram.add(np.asfortranarray(wide @ wide.T))

    add()
    sum_exactly(world, [gram], add)
    return float(np.linalg.eigvalsh(gram.total)[-1])


def unbounded(what: str) -> str:
    """Why there is no such rate."""
    known = " or ".join(BENDS)
    return f'solver.rate = "lipschitz" needs a linear model and the loss {known}, not {what}: give a number, as 0.1'
