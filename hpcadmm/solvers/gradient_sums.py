"""Sums over samples and ranks of what a pass forward and back leaves at each layer, in one Allreduce."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from hpcadmm.comm.exact import Exact, first_grid, sum_exactly
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.subproblems.passes import Passes

ROOM = {np.dtype(np.float32): (8, 20), np.dtype(np.float64): (3, 8)}  # bits by which a sum may grow, and shrink
Parts = Callable[[], Iterable[tuple[Array, Array]]]  # this rank's parts of a batch, (x, y) each; may be called twice


class OuterSum:
    """sum left right^T over the samples: of each part in the working precision, the total in float64."""

    def __init__(self, total: Exact, left: Callable[[], Array], right: Callable[[], Array]) -> None:
        self.total, self.left, self.right = total, left, right
        self._part = np.empty(total.shape, total.dtype, order="F")

    def add(self) -> None:
        """Add the part that was just passed through."""
        self.total.add(np.matmul(self.left(), self.right().T, out=self._part))


class GradientSums:
    """sum lam_l a_{l-1}^T, the gradient of the summed loss by W_l, l = 1..L, and, where they are asked for, the
    curvature factors sum a_{l-1} a_{l-1}^T and sum lam_l lam_l^T: float64, exact, so the same bits on any number of
    ranks. `count`: the parts of a batch over all ranks.
    """

    def __init__(self, p: Problem, count: int, *, curvature: bool = False, plain: bool = False) -> None:
        self.passes = Passes(p.network, p.loss, p.dtype)
        self._make = partial(self._sum, p, count, plain)
        layers = range(1, p.network.depth + 1)
        self._gradients = [self._make(partial(self._lam, l), partial(self._a, l), p.network.shape(l)) for l in layers]
        self._inputs, self._outputs = [], []
        if curvature:
            self._inputs = [self._make(a := partial(self._a, l), a, p.network.shape(l)[1:] * 2) for l in layers]
            self._outputs = [self._make(b := partial(self._lam, l), b, p.network.shape(l)[:1] * 2) for l in layers]
        self.gradient: list[Any] = [None, *(outer.total for outer in self._gradients)]
        self.aaT: list[Any] = [None, *(outer.total for outer in self._inputs)]
        self.llT: list[Any] = [None, *(outer.total for outer in self._outputs)]

    def _sum(self, p: Problem, count: int, plain: bool, left: Any, right: Any, shape: tuple[int, int]) -> OuterSum:
        headroom, loosest = ROOM[np.dtype(p.dtype)]
        total = Exact(shape, p.dtype, count, first_grid(p.tiles.n), plain, left is right, headroom, loosest)
        return OuterSum(total, left, right)

    def _a(self, l: int) -> Array:
        return self.passes.a[l - 1]

    def _lam(self, l: int) -> Array:
        return self.passes.lam[l]

    def sum(self, W: Arrays, parts: Parts, world: World, *, factors: bool = False, inputs: bool = True) -> None:
        """Fill `gradient[l].total`, and with `factors` the totals of aaT and llT, of aaT[1] only with `inputs`.
        Collective."""
        sums = list(self._gradients)
        if factors:
            sums += [*self._inputs[not inputs :], *self._outputs]

        def again() -> None:
            for outer in sums:
                outer.total.clear()
            for x, y in parts():
                self.passes.forward(W, x)
                self.passes.backward(W, y)
                for outer in sums:
                    outer.add()

        again()
        sum_exactly(world, [outer.total for outer in sums], again)

    @property
    def _all(self) -> list[Exact]:
        return [outer.total for outer in (*self._gradients, *self._inputs, *self._outputs)]

    @property
    def grids(self) -> Array:
        """What the exact sums carry from step to step; a checkpoint keeps it."""
        return np.array([part.grid for part in self._all], dtype=np.int64)

    @grids.setter
    def grids(self, values: Array) -> None:
        for part, grid in zip(self._all, values, strict=True):
            part.grid = int(grid)
