"""Sums over samples and ranks of what a forward and a backward pass leave at each layer, in one Allreduce."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from hpcadmm.comm.exact.scales import half
from hpcadmm.comm.exact.sums import Exact, first_grid, sum_exactly
from hpcadmm.comm.exact.vectors import carried, side_by_side
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.weighted import Weight
from hpcadmm.subproblems.passes import Passes

# This rank's x, y, w of a batch, and if the network has dropout the keys of the masks; may be called twice.
Parts = Callable[[], Iterable[tuple[Array, Array, Weight] | tuple[Array, Array, Weight, Array]]]
Product = Callable[[Passes, Array], Array]  # writes that of the part that was passed through last


class OuterSum:
    """A product over the samples, summed: each part in the working precision, the total in float64."""

    def __init__(self, total: Exact, product: Product) -> None:
        self.total, self.product = total, product

    def add(self, passes: Passes) -> None:
        """Add the part that `passes` has just passed through."""
        self.total.add(self.product(passes, self.total.partial))


class GradientSums:
    """Float64 sums over the samples of all ranks, the same bits on any number of ranks, for each layer l:

    gradient[l]: lam_l a_{l-1}^T, the gradient of the weighted sum of the loss by W_l
    aaT[l], llT[l]: w a_{l-1} a_{l-1}^T and w g_l g_l^T, g_l = lam_l / w a sample's own; only with `curvature`

    count: parts of a batch over all ranks
    plain: ordinary float64 sums, whose bits depend on the number of ranks
    layers: the layers of this rank; default all
    scales: what the exact sums carry from step to step, by layer; a checkpoint keeps it
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
        L, shape = p.network.depth, p.network.shape
        self.layers = layers or range(1, L + 1)
        self.passes = Passes(p.network, p.loss, p.dtype, p.engines, self.layers)
        self.samples = p.total
        self._data: Array | None = p.x if 1 in self.layers and not plain else None  # until the scales of a_0 are given
        self._grown = 1 / (1 - p.network.dropout[0]) if p.network.dropout else 1.0  # entries of a_0 that stay
        self.gradient: Arrays = [None] * (L + 1)
        self.aaT, self.llT = self.gradient.copy(), self.gradient.copy()
        self._gradients, self._inputs, self._outputs = [], [], []

        def outer(product: Product, rows: int, columns: int, symmetric: bool = False) -> OuterSum:
            grid = first_grid(p.tiles.n)
            return OuterSum(Exact((rows, columns), p.dtype, count, grid, plain, symmetric, patient=True), product)

        for l in self.layers:
            rows, columns = shape(l)
            self._gradients.append(outer(partial(_product, Passes.gradient, l), rows, columns))
            self.gradient[l] = self._gradients[-1].total
            if curvature:
                self._inputs.append(outer(partial(_product, Passes.inputs, l), columns, columns, True))
                self._outputs.append(outer(partial(_product, Passes.outputs, l), rows, rows, True))
                self.aaT[l], self.llT[l] = self._inputs[-1].total, self._outputs[-1].total
        self._message = side_by_side([outer.total for outer in self._gradients])
        self.scales: Arrays = [None, *(self._carried(l, (1 + curvature) * sum(shape(l))) for l in range(1, L + 1))]

    def _carried(self, l: int, lines: int) -> Array:
        """The scales of the sums of layer l; for a layer of another rank, zeros of the same size."""
        mine = [kind[l] for kind in (self.gradient, self.aaT, self.llT) if kind[l] is not None]
        return carried(mine) if mine else np.zeros(lines, dtype=np.int64)

    def settle(self, W: Arrays, parts: Parts, world: World, *, fresh: bool, factors: bool = False) -> None:
        """Call before the first iteration of a session. A `fresh` run finds its first scales by one sum whose result
        is not used, so that no iteration repeats its sum. Collective."""
        self._give_scales(world.samples)
        if fresh:
            self.sum(W, parts, world, factors=factors)

    def sum(self, W: Arrays, parts: Parts, world: World, *, factors: bool = False, inputs: bool = True) -> None:
        """Fill `gradient[l].total`; with `factors` also aaT and llT, but aaT[1] only with `inputs`. Collective."""
        self._give_scales(world.samples)
        sums = [*self._gradients, *(self.curvature(inputs) if factors else [])]
        totals = [outer.total for outer in sums]
        clear(totals)
        self.run(W, parts, sums)

        def again() -> None:
            clear(totals)
            self.add_again(parts, W, sums)

        sum_exactly(world.samples, totals, again, None if factors else self._message)

    def curvature(self, inputs: bool) -> list[OuterSum]:
        """aaT and llT, but aaT[1] only with `inputs`."""
        return [*self._inputs[not inputs and 1 in self.layers :], *self._outputs]

    def _give_scales(self, world: World) -> None:
        """Bound a_0, which is the data, for every batch at once: a rare feature then exceeds no bound. Collective the
        first time."""
        if self._data is None:
            return
        low, high = self._data.min(axis=1, initial=0), self._data.max(axis=1, initial=0)
        largest = np.frexp(world.max(np.maximum(-low, high))[0] * self._grown)[1].astype(np.int64)
        self.gradient[1].give(largest)
        if self.aaT[1] is not None:
            self.aaT[1].give(largest + half(math.frexp(self.samples)[1]) + 1)
        self._data = None

    def run(self, W: Arrays, parts: Parts, sums: Sequence[OuterSum]) -> None:
        """Pass each part forward and backward and add its products to the sums."""
        W = self.passes.weights(W)
        for x, y, w, *keys in parts():
            self.passes.forward(W, x, *keys)
            self.passes.backward(W, y, w)
            for outer in sums:
                outer.add(self.passes)

    def add_again(self, parts: Parts, W: Arrays, sums: Sequence[OuterSum]) -> None:
        """Add the same products once more."""
        self.run(W, parts, sums)


def clear(totals: Sequence[Exact]) -> None:
    """Begin new sums."""
    for total in totals:
        total.clear()


def _product(of: Callable[[Passes, int, Array], Array], l: int, passes: Passes, out: Array) -> Array:
    return of(passes, l, out)
