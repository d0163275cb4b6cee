"""The least objective of one model for all samples, found once; decentralized iterates are compared with it.

The same bits on any number of ranks: sums over the workers are formed in the order of the workers.
"""

from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.workers.workers import Workers
from hpcadmm.subproblems.local.least_squares import LocalLeastSquares, value
from hpcadmm.subproblems.local.newton import LocalNewton, scale
from hpcadmm.subproblems.newton_cg import direction, minimise
from hpcadmm.subproblems.triangle import parted, shortest_root, stacked

GROUP = 1 << 22  # entries of the workers' triangles that a rank holds at once


class Optimum:
    """theta* (features, outputs) and `least`, f* = f(theta*); slopes: each worker's gradient there, (N, ...).

    beginning: f(0); divergence is judged relative to it.
    doubt: about how far f(theta*) is above the true least, 1/2 |gradient|^2 in the metric of the inverse Hessian.
    """

    least: float
    beginning: float
    theta: Array
    doubt: float
    slopes: Array
    squares: Array  # of each feature, the largest curvature of f along it: (features,)

    def __init__(self, local: Any, workers: Workers, p: Problem, world: World) -> None:
        self.local, self.workers, self.world = local, workers, world
        self.eps = float(np.finfo(p.dtype).eps)

    def total(self, rows: Array) -> Array:
        """The sum of the rows of all workers. Collective."""
        found: Array = self.workers.gathered(rows, self.world).sum(axis=0)
        return found

    def error(self, theta: Array) -> float:
        """|sum_n f_n(theta_n) - f*| for this rank's theta (k, d), each difference formed by itself. Collective."""
        return abs(float(self.total(self.local.above(theta, self.theta))))

    @property
    def finest(self) -> float:
        """About the smallest error that weights in the working precision can resolve: a quarter of what rounding each
        theta_n changes in the objective (errors cancel by chance), plus `doubt`."""
        ulps = self.eps * np.abs(self.theta) / 4
        first = float(np.sqrt(np.square(self.slopes * ulps).sum()))
        return first / 4 + 0.5 * float(self.squares @ np.square(ulps).sum(axis=1)) + self.doubt


class LeastSquares(Optimum):
    """By QR of all samples, joined from the workers' triangles; the shortest minimiser if there are several (see
    shortest_root)."""

    def __init__(self, local: LocalLeastSquares, workers: Workers, p: Problem, world: World) -> None:
        super().__init__(local, workers, p, world)
        features = local.shape[0]
        self.triangle = whole_triangle(local.triangles, workers, world)
        B, self.theta = shortest_root(self.triangle, features, p.tiles.n)
        self.R, _, _ = parted(self.triangle, features)
        self.least, self.beginning = (value(self.triangle, theta) for theta in (self.theta, 0 * self.theta))
        self.squares = np.square(self.R).sum(axis=0)
        self.slopes = workers.gathered(local.slopes(self.theta), world)
        self.doubt = 0.5 * float(np.square(B.T @ self.slopes.sum(axis=0)).sum())

    def excess(self, theta: Array) -> float:
        """f(theta) - f* of one model (d,) for all, without cancellation: 1/2 <e, X X^T e>, e = theta - theta*."""
        return 0.5 * float(np.square(self.R @ (theta.reshape(self.theta.shape) - self.theta)).sum())


def whole_triangle(triangles: Array, workers: Workers, world: World) -> Array:
    """The triangle of all samples on every rank, joined from the workers' in their order. Collective."""
    size = triangles.shape[1:]
    total = np.zeros(size, order="F")
    step = max(1, GROUP // (size[0] * size[1]))
    for lo in range(0, workers.count, step):
        group = np.zeros((min(step, workers.count - lo), *size))
        for n, T in zip(workers.mine, triangles, strict=True):
            if lo <= n < lo + step:
                group[n - lo] = T
        for T in world.sum_flat(group.reshape(-1)).reshape(group.shape):
            total = stacked(total, T + 0.0)  # clears the sign of zeros, which a sum over ranks would lose
    return total


class ByNewton(Optimum):
    """By Newton's method over all ranks, from products with the samples alone. Separable classes have no minimiser:
    `least` is then close to 0."""

    def __init__(self, local: LocalNewton, workers: Workers, p: Problem, world: World) -> None:
        super().__init__(local, workers, p, world)
        self.sums = local.alone
        self.squares = self.total(np.array([f.squares() for f in self.sums]))
        scales = scale(self.squares, 0.0, p.total)
        zero = np.zeros(local.shape)
        self.beginning = self.at(zero)[0]
        self.unit = local.kind.unit(self.beginning / (p.total or 1))
        tolerance = local.kind.tolerance[np.dtype(p.dtype)] * (1 + p.total) * self.unit
        self.least, self.theta = minimise(self, zero, tolerance, scales, local.kind.quadratic)
        self.slopes = workers.gathered(local.slopes(self.theta), world)
        self.slope = self.slopes.sum(axis=0)
        step = direction(self, self.at(self.theta)[2], self.slope, 0.0, scales)
        self.doubt = 0.5 * abs(float((self.slope * step).sum()))

    def at(self, T: Array) -> tuple[float, Array, Any]:
        """Value, gradient and what `bend` needs, over all samples. Collective."""
        found = [f.at(T) for f in self.sums]
        total = self.total(np.array([np.append(g, value) for value, g, _ in found]))
        return float(total[-1]), total[:-1].reshape(T.shape), [S for _, _, S in found]

    def bend(self, point: Any, v: Array) -> Array:
        """The Hessian times v. Collective."""
        return self.total(np.array([f.bend(S, v) for f, S in zip(self.sums, point, strict=True)]))

    def excess(self, theta: Array) -> float:
        """f(theta) - f* of one model (d,) for all, without cancellation. Collective."""
        T = theta.reshape(self.theta.shape)
        apart = self.total(np.array([f.bregman(T, self.theta) for f in self.sums]))
        return float(apart) + float((self.slope * (T - self.theta)).sum())


OPTIMA = {"squared": LeastSquares, "cross-entropy": ByNewton}
