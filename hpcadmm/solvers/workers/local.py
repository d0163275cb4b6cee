"""The problem that each worker solves by itself: exactly for linear models, for networks by steps of Adam or mpadmm."""

from functools import partial
from typing import Any

import numpy as np

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.inputs import Inputs, part
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.model.vector import spans
from hpcadmm.model.weighted import Weight
from hpcadmm.solvers.shared.batches import LocalBatches
from hpcadmm.solvers.workers.optimum import OPTIMA, ByNewton
from hpcadmm.solvers.workers.workers import Workers
from hpcadmm.subproblems.local.adam import LocalAdam
from hpcadmm.subproblems.local.least_squares import LocalLeastSquares
from hpcadmm.subproblems.local.mpadmm import LocalMpadmm, sides
from hpcadmm.subproblems.local.network import LocalNetwork
from hpcadmm.subproblems.local.newton import LocalNewton, LossSum, SquaredSum
from hpcadmm.subproblems.matrix_penalty import usual_step

LOCAL = {"squared": LocalLeastSquares, "cross-entropy": LocalNewton}  # exact steps of linear models, by loss
FACTORED = 1000  # features up to which the least squares of sparse samples are factored
CURE = "start fewer workers a node, keep a LIBSVM file sparse (data.sparse), or use adam or lbfgs, which factor nothing"


def pose(p: Problem, workers: Workers, c: Array | float, world: World) -> tuple[Any, Any]:
    """The exact local problems of a linear model with the penalty c/2 |theta|^2 (of each worker or of all), factored;
    and the optimum of one model for all samples. Collective.

    Least squares of many sparse features are not factored: they go by conjugate gradients, from products with X_n.
    """
    X, Y, w = samples(p, workers)
    each = np.broadcast_to(c, len(workers.mine))
    if p.loss.name == "squared" and not factored(p):
        local = LocalNewton(X, Y, each, w, SquaredSum)
        optimum = ByNewton(local, workers, p, world)
        local.unit = optimum.unit
        return local, optimum
    exact: Any = LOCAL[p.loss.name](X, Y, each, w)
    return exact, OPTIMA[p.loss.name](exact, workers, p, world)


def exact_local(p: Problem) -> Any:
    """The exact local step of a linear model with this loss, which is `stepped`."""
    if p.loss.name == "squared" and not factored(p):
        return partial(LocalNewton, kind=SquaredSum)
    return LOCAL.get(p.loss.name) or partial(LocalNewton, kind=LossSum.of(p.loss))


def stepped(loss: Any) -> bool:
    """Has a linear model with this loss an exact local step? Smooth losses have one."""
    return loss.name in LOCAL or loss.second(np.zeros((1, 0)), np.zeros((1, 0))) is not None


def factored(p: Problem) -> bool:
    """Is the least squares problem of a worker factored, by matrices of features x features?"""
    x: Any = p.x
    return len(x) <= FACTORED or not isinstance(x, Inputs)


def check_exact(solver: Any, loss: Any) -> None:
    """UsageError for exact steps of a loss that has none."""
    if solver.local == "exact" and loss.name not in LOCAL:
        raise UsageError(f'solver.local = "exact" needs loss.name = {" or ".join(LOCAL)}, not {loss.name}')


def check_memory(p: Problem, world: World, *, exact: bool = True) -> None:
    """Raise UsageError if a node lacks the memory for the factors of exact least squares. Collective."""
    if not exact or p.loss.name != "squared" or not factored(p):
        return
    n = len(p.x)
    side, workers = n + p.network.n[1], len(p.tiles)
    size = 8.0 * (workers + 2) * (side**2 + n**2)
    memory.check(world, {f"factors of {n} features for {workers} workers": size}, CURE)


def samples(p: Problem, workers: Workers) -> tuple[list[Array], list[Array], list[Weight]]:
    """x, y and w of each worker of this rank."""
    place = dict(p.tiles)
    tiles = [place[n] for n in workers.mine]
    return [part(p.x, t) for t in tiles], [p.y[:, t] for t in tiles], [p.w(t) for t in tiles]


def memory_of(local: str | None, network: Network) -> tuple[int, ...]:
    """The shape of what the steps of a worker keep from round to round: Adam's averages, or mpadmm's A and B."""
    return (sum(side * side for side in sides(network)),) if local == "mpadmm" else (2, spans(network)[-1].stop)


def by_steps(solver: Any, workers: Workers, kept: Array, p: Problem, c: Array) -> LocalNetwork:
    """Steps on f_n + c_n/2 |theta|^2, c (k,). f_n is worker n's part of the mean loss over all samples, each counted by
    its weight, times N: sum_n f_n / N is the mean loss, and c_n compares with the curvature of a mean. kept: of each
    worker, of the shape `memory_of`."""
    batches = LocalBatches(p, workers.mine, solver.batch, solver.local_steps)
    problem = p.network, p.loss, samples(p, workers), batches, c
    options = {"weight": workers.count / (p.total or 1), "steps": solver.local_steps, "products": p.engines}
    if solver.local == "mpadmm":
        return LocalMpadmm(*problem, curvature=kept, eta=solver.eta or usual_step(p.loss), **options)
    return LocalAdam(*problem, moments=kept, rate=solver.rate, **options)
