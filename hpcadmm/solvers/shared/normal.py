"""The sums z a^T and a a^T over all samples that data-parallel W steps need, tile by tile and then over ranks."""

from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import Exact, first_grid, sum_exactly, sum_tiles
from hpcadmm.comm.exact.vectors import carried
from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.tiles import Tiles


class NormalSums:
    """z a^T (n_l, n) and, with `gram`, a a^T (n, n), each tile in the working precision, the totals in float64."""

    def __init__(
        self, shape: tuple[int, int], dtype: Any, samples: int, tiles: int, *, gram: bool, plain: bool
    ) -> None:
        grid, square = first_grid(samples), (shape[1], shape[1])
        self.zaT = Exact(shape, dtype, tiles, grid, plain)
        self.aaT = Exact(square, dtype, tiles, grid, plain, symmetric=True)
        self.parts = [self.zaT, self.aaT] if gram else [self.zaT]
        self._tile = [np.empty(part.shape, dtype, order="F") for part in self.parts]

    def clear(self) -> None:
        """Begin a new sum."""
        for part in self.parts:
            part.clear()

    def add(self, z: Array, a: Array) -> None:
        """Add one tile: z (n_l, m), a (n, m)."""
        for part, tile, left in zip(self.parts, self._tile, (z, a), strict=False):
            part.add(np.matmul(left, a.T, out=tile))


class SweepSums:
    """The sums of one Gauss-Seidel sweep over the layers: `of[l]` are those of the W_l step, l = 1..L.

    The pass over layer l makes a_l and z_l, and so everything for W_{l+1}: z_{l+1} a_l^T and a_l a_l^T. The pass over
    layer 1 also makes z_1 a_0^T for the *next* sweep's W_1, while a_0 is in cache; a_0 a_0^T never changes. So a
    sweep needs L - 1 Allreduces (one if L = 1). `scales`: what the exact sums carry from sweep to sweep; a checkpoint
    keeps it.
    """

    def __init__(self, network: Network, dtype: Any, tiles: Tiles, plain: bool) -> None:
        self.tiles = tiles
        self.of: list[Any] = [None]
        for l in range(1, network.depth + 1):
            self.of.append(NormalSums(network.shape(l), dtype, tiles.n, tiles.count, gram=l > 1, plain=plain))
        self.scales = carried([part for sums in self.of[1:] for part in sums.parts])

    def _pairs(self, l: int, z: Arrays, a: Arrays) -> list[tuple[NormalSums, Any, Any]]:
        """(sum, its z, its a) of the pass over layer l."""
        pairs = [(self.of[1], z[1], a[0])] if l == 1 else []
        return [*pairs, (self.of[l + 1], z[l + 1], a[l])] if l + 1 < len(self.of) else pairs

    def clear(self, l: int, z: Arrays, a: Arrays) -> None:
        """Begin the sums of the pass over layer l."""
        for total, _, _ in self._pairs(l, z, a):
            total.clear()

    def add(self, l: int, z: Arrays, a: Arrays, columns: slice) -> None:
        """Add the products of one tile of layer l."""
        for total, zl, al in self._pairs(l, z, a):
            total.add(zl[:, columns], al[:, columns])

    def reduce(self, l: int, z: Arrays, a: Arrays, world: World) -> None:
        """Complete the sums of the pass over layer l, in one Allreduce."""

        def again() -> None:
            self.clear(l, z, a)
            for _, columns in self.tiles:
                self.add(l, z, a, columns)

        parts = [part for total, _, _ in self._pairs(l, z, a) for part in total.parts]
        if parts:
            sum_exactly(world, parts, again)

    def first(self, z: Arrays, a: Arrays, world: World) -> None:
        """z_1 a_0^T of a start, for the first sweep's W_1."""
        total = self.of[1]
        sum_tiles(world, self.tiles, total.parts, lambda t: total.add(z[1][:, t], a[0][:, t]))


def sum_over_samples(left: Array, right: Array, tiles: Tiles, world: World, plain: bool = False) -> Array:
    """left right^T over the samples of all ranks, in float64: the same bits on any number of ranks.

    left: (rows, samples), right: (columns, samples). One array for both: numpy computes one triangle. For a sum that
    is made every iteration `Exact` saves time, since it carries its scales. Collective.
    """
    shape = len(left), len(right)
    total = Exact(shape, left.dtype, tiles.count, first_grid(tiles.n), plain, symmetric=left is right)
    tile = np.empty(shape, left.dtype, order="F")
    sum_tiles(world, tiles, [total], lambda t: total.add(np.matmul(left[:, t], right[:, t].T, out=tile)))
    return total.total
