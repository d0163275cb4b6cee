"""The sums z a^T and a a^T over all samples that W steps need: over the tiles of a rank, then over the ranks."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from hpcadmm.comm import memory
from hpcadmm.comm.exact.over_ranks import Started, begin, sum_exactly, sum_tiles
from hpcadmm.comm.exact.sums import Exact, first_grid
from hpcadmm.comm.exact.vectors import carried
from hpcadmm.comm.world import World
from hpcadmm.model.inputs import engine_of_arrays
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.tiles import Tiles
from hpcadmm.model.weighted import Weight
from hpcadmm.products.base import Engine, Operand
from hpcadmm.solvers.shared.buckets import Overlap, overlaps

SQUARES = 8  # arrays as large as a_0 a_0^T, in float64, while it is summed and factored
CURE = "use a solver that forms no square matrix of the inputs, as adam, lbfgs or cg, or fewer features"


def check_squares(p: Problem, world: World, more: int = 0) -> None:
    """Raise UsageError if a node lacks the memory for a_0 a_0^T and what is made of it, and for `more` arrays of its
    size. Collective."""
    n = p.network.shape(1)[1]
    memory.check(world, {f"a matrix of {n} x {n} inputs": 8.0 * (SQUARES + more) * n**2}, CURE)


class NormalSums:
    """sum w z a^T (n_l, n) and, with `gram`, sum w a a^T (n, n): each tile in the working precision, the totals in
    float64."""

    def __init__(self, p: Problem, l: int, *, gram: bool, plain: bool) -> None:
        shape, dtype, tiles, grid = p.network.shape(l), p.dtype, p.tiles.count, first_grid(p.tiles.n)
        self.parts = [Exact(shape, dtype, tiles, grid, plain)]
        if gram:
            self.parts.append(Exact((shape[1], shape[1]), dtype, tiles, grid, plain, symmetric=True))
        self.zaT, self.aaT = self.parts[0].total, self.parts[1].total if gram else None
        self._products, self._operands = p.engines[l], p.engines[l].operands()

    def add(self, z: Operand, a: Operand, w: Weight = None) -> None:
        """Add one tile: z (n_l, m), a (n, m), w (m,), None: all 1."""
        if w is not None:
            z, a = self._weighted(z, a, w)
        self.parts[0].add(self._products.outer(z, a, self.parts[0].partial))
        if self.aaT is not None:
            self.parts[1].add(self._products.gram(a, self.parts[1].partial))

    def _weighted(self, z: Operand, a: Operand, w: Array) -> tuple[Operand, Operand]:
        """Factors whose products are weighted: w z and a; with a a^T, sqrt(w) z and sqrt(w) a."""
        if self.aaT is None:
            return self._operands.times("z", z, w), a
        root = np.sqrt(w)
        return self._operands.times("z", z, root), self._operands.times("a", a, root)


class SweepSums:
    """The sums of a Gauss-Seidel sweep over the layers; `of[l]` are those for W_l, l = 1..L.

    The pass over layer l makes a_l and z_l, and so completes what W_{l+1} needs: z_{l+1} a_l^T and a_l a_l^T. The pass
    over layer 1 also sums z_1 a_0^T, for W_1 of the *next* sweep, while a_0 is in cache; a_0 a_0^T never changes. So a
    sweep needs L - 1 Allreduces (one if L = 1). Where sums overlap with work, z_1 a_0^T travels during the passes over
    the other layers, as one more. A checkpoint saves `scales`, which exact sums carry from one sweep to the next.
    """

    def __init__(self, p: Problem, plain: bool, overlap: Overlap = "never") -> None:
        of = [NormalSums(p, l, gram=l > 1, plain=plain) for l in range(1, p.network.depth + 1)]
        self.tiles, self.w, self.overlap = p.tiles, p.w, overlap
        self.of: list[Any] = [None, *of]
        self.scales = carried([part for sums in of for part in sums.parts])
        self._started: tuple[Started, Callable[[], None]] | None = None  # of z_1 a_0^T, and what repeats its products

    def pass_over(self, l: int, z: Arrays, a: Arrays, world: World) -> Iterator[slice]:
        """Iterate over this rank's tiles: the body of the loop updates a_l and z_l on each of them.

        z, a: the operands of the products. After the body has updated a tile, the tile's products are added; after the
        last tile they are summed over the ranks. l = 0 updates nothing and sums z_1 a_0^T, for the first W_1.
        """
        due = [k for k in ((1, 2) if l == 1 else (l + 1,)) if k < len(self.of)]
        yield from self._add_after(due, z, a, world)
        later = [1] if overlaps(self.overlap, world) and l == 1 else []
        now = [k for k in due if k not in later]
        if now:
            sum_exactly(world, self._parts(now), partial(self._repeat, now, z, a, world))
        if later:
            self._started = begin(world, self._parts(later)), partial(self._repeat, later, z, a, world)

    def _parts(self, due: Sequence[int]) -> list[Exact]:
        return [part for k in due for part in self.of[k].parts]

    def complete(self) -> None:
        """Complete what still travels at the end of a sweep. Collective."""
        if self._started is not None:
            started, again = self._started
            started.finish(again)
            self._started = None

    def _repeat(self, due: Sequence[int], z: Arrays, a: Arrays, world: World) -> None:
        exhaust(self._add_after(due, z, a, world))

    def _add_after(self, due: Sequence[int], z: Arrays, a: Arrays, world: World) -> Iterator[slice]:
        """Begin the sums for W_k, k in `due`; yield each tile and then add its products."""
        for part in self._parts(due):
            part.clear()
        for _, t in self.tiles:
            yield t
            for k in due:
                self.of[k].add(z[k][:, t], a[k - 1][:, t], self.w(t))
            world.progress()


def exhaust(iterator: Iterator[Any]) -> None:
    """Run an iterator to its end."""
    deque(iterator, maxlen=0)


def sum_over_samples(
    left: Operand,
    right: Operand,
    tiles: Tiles,
    world: World,
    plain: bool = False,
    w: Weight = None,
    products: Engine | None = None,
) -> Array:
    """sum w left right^T over the samples of all ranks, in float64: the same bits on any number of ranks.

    left: (rows, samples), right: (columns, samples), w: (samples,), None: all 1. One operand for
    both: one triangle is computed. products: their engine, default that of arrays. For a sum that is made every
    iteration `Exact` saves time, since it carries its scales. Collective.
    """
    shape, symmetric = (len(left), len(right)), left is right
    products = products or engine_of_arrays(left)
    operands = products.operands()
    total = Exact(shape, left.dtype, tiles.count, first_grid(tiles.n), plain, symmetric=symmetric)

    def add(t: slice) -> None:
        one = left[:, t]
        if w is not None:
            one = operands.times("left", one, np.sqrt(w[t]) if symmetric else w[t])
        out = total.partial
        total.add(products.gram(one, out) if symmetric else products.outer(one, right[:, t], out))

    sum_tiles(world, tiles, [total], add)
    return total.total
