"""Sums over samples and ranks of what a pass forward and back leaves at each layer, in one Allreduce."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from hpcadmm.comm.exact import Exact, first_grid, side_by_side, sum_exactly
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.subproblems.passes import Passes

ROOM = {np.dtype(np.float32): (8, 20), np.dtype(np.float64): (3, 8)}  # bits by which a sum may grow, and shrink
Parts = Callable[[], Iterable[tuple[Array, Array]]]  # this rank's parts of a batch, (x, y) each; may be called twice


class GradientSums:
    """sum lam_l a_{l-1}^T, the gradient of the summed loss by W_l, l = 1..L, and, where they are asked for, the
    curvature factors sum a_{l-1} a_{l-1}^T and sum lam_l lam_l^T: float64, exact, so the same bits on any number of
    ranks. `count`: the parts of a batch over all ranks.
    """

    def __init__(self, p: Problem, count: int, *, curvature: bool = False, plain: bool = False) -> None:
        self.passes = Passes(p.network, p.loss, p.dtype)
        headroom, loosest = ROOM[np.dtype(p.dtype)]

        def exact(shape: tuple[int, int], symmetric: bool) -> Any:
            grid = first_grid(p.tiles.n)
            return Exact(shape, p.dtype, count, grid, plain, symmetric, headroom=headroom, loosest=loosest)

        shapes = [p.network.shape(l) for l in range(1, p.network.depth + 1)]
        self.gradient: list[Any] = [None, *(exact(shape, False) for shape in shapes)]
        self.aaT: list[Any] = [None, *(exact((shape[1], shape[1]), True) for shape in shapes if curvature)]
        self.llT: list[Any] = [None, *(exact((shape[0], shape[0]), True) for shape in shapes if curvature)]
        self._message = side_by_side(self.gradient[1:], p.tiles.size)
        self._out = [np.empty(part.shape, p.dtype, order="F") for part in self._all]

    @property
    def _all(self) -> list[Exact]:
        return [*self.gradient[1:], *self.aaT[1:], *self.llT[1:]]

    def sum(self, W: Arrays, parts: Parts, world: World, *, curvature: bool = False) -> None:
        """Fill `gradient[l].total`, and with `curvature` the factors' totals. Collective."""
        sums = self._all if curvature else self.gradient[1:]

        def again() -> None:
            for total in sums:
                total.clear()
            for x, y in parts():
                self.passes.forward(W, x)
                self.passes.backward(W, y)
                self._add(curvature)

        again()
        sum_exactly(world, sums, again, None if curvature else self._message)

    def _add(self, curvature: bool) -> None:
        """The products of the parts just passed through."""
        a, lam, L = self.passes.a, self.passes.lam, self.passes.network.depth
        pairs = [(lam[l], a[l - 1]) for l in range(1, L + 1)]
        if curvature:
            pairs += [(a[l - 1], a[l - 1]) for l in range(1, L + 1)] + [(lam[l], lam[l]) for l in range(1, L + 1)]
        for total, out, (left, right) in zip(self._all, self._out, pairs, strict=False):
            total.add(np.matmul(left, right.T, out=out))

    @property
    def grids(self) -> Array:
        """What the exact sums carry from step to step; a checkpoint keeps it."""
        return np.array([part.grid for part in self._all], dtype=np.int64)

    @grids.setter
    def grids(self, values: Array) -> None:
        for part, grid in zip(self._all, values, strict=True):
            part.grid = int(grid)
