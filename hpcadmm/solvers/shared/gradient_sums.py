"""Sums over samples and ranks of what a pass forward and back leaves at each layer, in one Allreduce."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import Exact, first_grid, half, sum_exactly
from hpcadmm.comm.exact.vectors import carried, side_by_side
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.subproblems.passes import Passes

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
    ranks. `count`: the parts of a batch over all ranks. `scales`: what the sums carry from step to step, by layer; a
    checkpoint keeps it.
    """

    def __init__(
        self,
        p: Problem,
        count: int,
        *,
        curvature: bool = False,
        plain: bool = False,
        layers: Sequence[int] | None = None,
    ) -> None:
        self.layers = layers or range(1, p.network.depth + 1)
        self.passes = Passes(p.network, p.loss, p.dtype, self.layers)
        self.samples = p.tiles.n
        self._make = partial(self._sum, p, count, plain)
        self._data: Array | None = p.x if 1 in self.layers and not plain else None  # until the scales of a_0 are given
        self.gradient: Arrays = [None] * (p.network.depth + 1)
        self.aaT, self.llT = self.gradient.copy(), self.gradient.copy()
        self._gradients, self._inputs, self._outputs = [], [], []
        for l in self.layers:
            (rows, columns), a, lam = p.network.shape(l), partial(self._a, l), partial(self._lam, l)
            self._gradients.append(self._make(lam, a, (rows, columns)))
            self.gradient[l] = self._gradients[-1].total
            if curvature:
                self._inputs.append(self._make(a, a, (columns, columns)))
                self._outputs.append(self._make(lam, lam, (rows, rows)))
                self.aaT[l], self.llT[l] = self._inputs[-1].total, self._outputs[-1].total
        self._message = side_by_side([outer.total for outer in self._gradients])
        every = range(1, p.network.depth + 1)
        self.scales: Arrays = [None, *(self._carried(l, (1 + curvature) * sum(p.network.shape(l))) for l in every)]

    def _sum(self, p: Problem, count: int, plain: bool, left: Any, right: Any, shape: tuple[int, int]) -> OuterSum:
        total = Exact(shape, p.dtype, count, first_grid(p.tiles.n), plain, left is right, patient=True)
        return OuterSum(total, left, right)

    def _carried(self, l: int, lines: int) -> Array:
        """The scales of the sums of layer l; of another rank's layer, room for them."""
        mine = [kind[l] for kind in (self.gradient, self.aaT, self.llT) if kind[l] is not None]
        return carried(mine) if mine else np.zeros(lines, dtype=np.int64)

    def _a(self, l: int) -> Array:
        return self.passes.a[l - 1]

    def _lam(self, l: int) -> Array:
        return self.passes.lam[l]

    def settle(self, W: Arrays, parts: Parts, world: World, *, fresh: bool, factors: bool = False) -> None:
        """Before the first iteration of a session. The scales that a `fresh` run begins with are found by a sum whose
        result nobody uses, so that no iteration makes its sums twice. Collective."""
        self._give_scales(world.samples)
        if fresh:
            self.sum(W, parts, world, factors=factors)

    def sum(self, W: Arrays, parts: Parts, world: World, *, factors: bool = False, inputs: bool = True) -> None:
        """Fill `gradient[l].total`, and with `factors` the totals of aaT and llT, of aaT[1] only with `inputs`.
        Collective."""
        self._give_scales(world.samples)
        sums: list[OuterSum] = list(self._gradients)
        if factors:
            sums += [*self._inputs[not inputs and 1 in self.layers :], *self._outputs]
        for outer in sums:
            outer.total.clear()
        self.run(W, parts, sums)

        def again() -> None:
            for outer in sums:
                outer.total.clear()
            self.add_again(parts, W, sums)

        message = None if factors else self._message
        sum_exactly(world.samples, [outer.total for outer in sums], again, message)

    def _give_scales(self, world: World) -> None:
        """The bounds of a_0, which is the data, hold for every batch: none is exceeded where a rare feature turns up.
        Collective, the first time."""
        if self._data is None:
            return
        low, high = self._data.min(axis=1, initial=0), self._data.max(axis=1, initial=0)
        largest = np.frexp(world.max(np.maximum(-low, high))[0])[1].astype(np.int64)
        self.gradient[1].give(largest)
        if self.aaT[1] is not None:
            self.aaT[1].give(largest + half(self.samples.bit_length()) + 1)
        self._data = None

    def run(self, W: Arrays, parts: Parts, sums: Sequence[OuterSum]) -> None:
        """Pass each part forward and back, and add its products to the sums."""
        for x, y in parts():
            self.passes.forward(W, x)
            self.passes.backward(W, y)
            for outer in sums:
                outer.add()

    def add_again(self, parts: Parts, W: Arrays, sums: Sequence[OuterSum]) -> None:
        """The same products once more."""
        self.run(W, parts, sums)
