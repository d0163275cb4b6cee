"""What decentralized gradient methods share: the graph's mixing matrix, and the gradient of each worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.world import World
from hpcadmm.model.graph import Graph
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import WEIGHTS, Array, Arrays, replicated, scalar, sites
from hpcadmm.model.vector import shaped, spans
from hpcadmm.solvers.workers import cost, measures
from hpcadmm.solvers.workers.gd import Samples
from hpcadmm.solvers.workers.local import check_memory, pose
from hpcadmm.solvers.workers.neighbours import ALL, Neighbours, Vectors
from hpcadmm.solvers.workers.optimum import OPTIMA
from hpcadmm.solvers.workers.workers import ByWorker, GraphSolver
from hpcadmm.subproblems.local.gradient import LocalGradient


@dataclass
class State:
    """Lists are indexed by worker n; a rank holds the entries of its own workers. d: entries of all W together."""

    W: Arrays = replicated(WEIGHTS)  # W[1..L]: the mean over the workers, formed by `weights`
    theta: ByWorker = sites()  # theta[n]: (d,)
    iterations: int = scalar(0)
    work: Any = field(default=None, repr=False)


class Work:
    """This rank's workers and neighbours, their gradients, and what `prepare` finds. Not saved.

    mixing: (most neighbours, workers of this rank), w_nm of the neighbours m in the rows `near` of `Neighbours`.
    """

    def __init__(self, solver: "Gossip", p: Problem, world: World) -> None:
        graph = solver.graph
        self.workers = workers = Neighbours(graph, p.tiles, world)
        self.layers = spans(p.network)
        self.d = self.layers[-1].stop
        more = len(workers.row) + 1 - len(workers.mine)
        self.known = workers.filled(0, solver.vectors * self.d, dtype=p.dtype, more=more).rows
        self.mixing = metropolis(graph, workers, p.dtype)
        self.gradient = LocalGradient(p.network, p.loss, p.dtype, p.engines)
        self.half = 0.5 if p.loss.name == "squared" else 1.0
        self.samples = Samples(p, workers, solver.batch)
        self.local: Any = None
        self.optimum: Any = None

    def mixed(self, *mine: Array) -> Array:
        """sum_m w_nm x_m for each x given, (k, d) of this rank's workers; side by side, (k, vectors d). One message
        to each rank that holds neighbours. Collective."""
        own = slice(len(self.workers.mine))
        for j, x in enumerate(mine):
            self.known[own, j * self.d : (j + 1) * self.d] = x
        every = [(1, slice(0, self.known.shape[1]))]
        codec = Vectors(self.known, range(own.stop), every, self.known.dtype, False)
        self.workers.exchange(ALL, self.known, codec)
        total: Array = self.known[own].copy()
        for near, weight in zip(self.workers.near, self.mixing, strict=True):
            total += weight[:, None] * (self.known.take(near, axis=0) - self.known[own])
        return total

    def gradients(self, theta: Array, p: Problem, k: int) -> Array:
        """N/m times the gradient of f_n at theta_n, (k, d), or its estimate from the minibatch of iteration k."""
        found, share = np.empty_like(theta), self.half * self.workers.count / (p.total or 1)
        for row, of_worker in enumerate(theta):
            W = self.gradient.passes.weights(shaped(of_worker, p.network))
            parts, scale = self.samples.drawn(row, k)
            found[row] = share * scale * self.gradient.sum(W, parts)
        return found

    def values(self, theta: Array, p: Problem) -> Array:
        """f_n(theta_n) of each worker, (k,); in float64 for linear models with a known optimum."""
        if self.local is not None:
            found: Array = self.local.values(theta)
            return found
        return self.half * self.samples.values(shaped(row, p.network) for row in theta)


@dataclass(frozen=True)
class Gossip(GraphSolver):
    """Base class of decentralized gradient methods; `dpsgd` says what w_nm and g_n are.

    workers: number of workers N, >= 1 (default 10); each rank holds one or more.
    topology: "chain" (default), "ring", "star", "grid", "complete", or a list of edges [n, m] of workers 0..N-1; any
        connected graph.
    rate: learning rate, > 0 (default 0.1).
    batch: samples per minibatch of a worker, at most; 0 (default): all of its samples in every iteration.
    optimum: true (default) finds the least sum of the f_n of linear models with the losses "squared" and
        "cross-entropy" before the first iteration, and the metrics report the distance to it. For the cross entropy of
        many samples, and for sparse ones, that takes much longer than an iteration.
    """

    constrained: ClassVar[bool] = False
    steadier: ClassVar[Mapping[str, str]] = {"rate": "smaller"}
    state_type: ClassVar[Any] = State
    bipartite: ClassVar[bool] = False
    streamed: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    vectors: ClassVar[int] = 1  # of a message, each (d,)

    workers: Annotated[int, Ge(1)] = 10
    topology: str | list[list[int]] = "chain"
    rate: Annotated[float, Gt(0), Lt(np.inf)] = 0.1
    batch: Annotated[int, Ge(0)] = 0
    optimum: bool = True

    def knows_optimum(self, L: int, loss: str) -> bool:
        return self.optimum and L == 1 and loss in OPTIMA

    def streams(self, L: int, loss: str) -> bool:
        """Minibatches do, if no optimum is sought."""
        return self.batch > 0 and not self.knows_optimum(L, loss)

    def check_problem(self, p: Problem, world: World) -> None:
        """UsageError if the factors that the optimum of least squares needs do not fit the memory."""
        check_memory(p, world, exact=self.knows_optimum(p.network.depth, p.loss.name))

    def blank(self, p: Problem, world: World) -> Any:
        """Every worker at 0, and what else it keeps."""
        work = Work(self, p, world)
        W = super().blank(p, world).W
        kept = [f.name for f in fields(self.state_type) if f.metadata.get("lies") == "sites"]
        return self.state_type(W, work=work, **{name: work.workers.filled(0, work.d, dtype=p.dtype) for name in kept})

    def prepare(self, s: Any, p: Problem, world: World) -> None:
        """Find the optimum. Collective."""
        if self.knows_optimum(p.network.depth, p.loss.name):
            s.work.local, s.work.optimum = pose(p, s.work.workers, 0.0, world)

    def finite(self, s: Any) -> bool:
        return all(bool(np.isfinite(x).all()) for x in (s.theta.rows, *s.W[1:]))

    def samples(self, m: int, L: int, loss: str) -> int:
        return cost.gradient_samples(self, m)

    measure = measures.of_gossip
    bill = cost.gossip
    held_bytes = cost.memory


def metropolis(graph: Graph, workers: Neighbours, dtype: Any) -> Array:
    """w_nm of the neighbours m of each of this rank's workers n, in the places of `workers.near`; 0 for those that do
    not exist."""
    found = np.zeros(workers.near.shape, dtype)
    for k, n in enumerate(workers.mine):
        most = [max(graph.degree(n), graph.degree(m)) for m in graph.neighbours(n)]
        found[: len(most), k] = [1 / (1 + one) for one in most]
    return found
