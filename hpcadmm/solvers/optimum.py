"""The least objective of one model for all samples, found once, which decentralized iterates are compared with.

The same bits on any number of ranks: sums over the workers are exact, or made in their order. `local` holds the sums of
this rank's workers, `mine` who they are.
"""

from typing import Any

import numpy as np

from hpcadmm.comm.exact import Exact, sum_by_tile, sum_exactly
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.subproblems.local_least_squares import LocalLeastSquares, inverse
from hpcadmm.subproblems.local_newton import TOLERANCE, CrossEntropySum, LocalNewton
from hpcadmm.subproblems.newton_cg import minimise


class LeastSquares:
    """By the normal equations; the shortest minimiser where there are several."""

    def __init__(self, local: LocalLeastSquares, mine: list[int], p: Problem, world: World) -> None:
        self.gram, self.right, self.constant = normal_equations(local, p.tiles.count, world)
        self.theta = inverse(self.gram, 0.0) @ self.right
        self.least = self.constant - 0.5 * float((self.right * self.theta).sum())

    def excess(self, theta: Array) -> float:
        """f(theta) - f* of one model (d,) for all: 1/2 <e, gram e> for e = theta - theta*, free of cancellation."""
        e = theta.reshape(self.theta.shape) - self.theta
        return 0.5 * float((e * (self.gram @ e)).sum())


def normal_equations(local: LocalLeastSquares, count: int, world: World) -> tuple[Array, Array, float]:
    """sum X_n X_n^T, sum X_n Y_n^T and sum 1/2 |Y_n|^2 over all `count` workers."""
    f, o = local.right.shape[1:]
    sums = [Exact((f, f), np.float64, count, symmetric=True), Exact((f, o), np.float64, count)]
    sums.append(Exact((1,), np.float64, count))

    def again() -> None:
        for total, stack in zip(sums, (local.gram, local.right, local.constant[:, None]), strict=True):
            total.clear()
            for partial in stack:
                total.add(np.asfortranarray(partial))

    again()
    sum_exactly(world, sums, again)
    return sums[0].total, sums[1].total, float(sums[2].total[0])


class CrossEntropy:
    """By Newton's method over all ranks. Of separable classes there is no minimiser: `least` is then close to 0."""

    def __init__(self, local: LocalNewton, mine: list[int], p: Problem, world: World) -> None:
        self.sums = [CrossEntropySum(local.sums[k].X, local.sums[k].Y) for k in np.argsort(mine)]
        self.shape, self.tiles, self.world = local.shape, p.tiles, world
        tolerance = TOLERANCE[np.dtype(p.dtype)] * (1 + p.tiles.n)
        self.least, _ = minimise(self, np.zeros(self.shape), tolerance)

    def at(self, T: Array) -> tuple[float, Array, Any]:
        """Value, gradient and softmax over all samples. Collective."""
        found = [f.at(T) for f in self.sums]
        total = self._total([np.append(g, value) for value, g, _ in found])
        return float(total[-1]), total[:-1].reshape(self.shape), [S for _, _, S in found]

    def bend(self, point: Any, v: Array) -> Array:
        """The Hessian times v. Collective."""
        return self._total([f.bend(S, v).reshape(-1) for f, S in zip(self.sums, point, strict=True)]).reshape(
            self.shape
        )

    def _total(self, rows: list[Array]) -> Array:
        return sum_by_tile(self.world, self.tiles, np.array(rows))

    def excess(self, theta: Array) -> float:
        """f(theta) - f* of one model (d,) for all. Collective."""
        return self.at(theta.reshape(self.shape))[0] - self.least


OPTIMA = {"squared": LeastSquares, "cross-entropy": CrossEntropy}
