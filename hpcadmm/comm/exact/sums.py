"""Exact sums of tile partials: the same bits in any order and on any number of ranks.

Every row and every column of a sum has a scale, a power of two. The product of the two bounds an entry:
sum_t |p_ij,t| <= B_ij / 2 over all partials t. Each entry of a partial is rounded to a multiple of the unit 2^-52 B_ij.
Every partial sum is then an integer number of units below 2^52, so every addition, here or in MPI, is exact in float64
and the order does not matter. A second word sums the rounding errors in the same way, in units finer by 2^52 / count.
(`patient` sums of float32, which has 24 bits, do without it.)

The scales come from the previous sum. Loads travel with the sum to check the bounds: per row and column the largest
|p_ij,t| / B_ij of each tile, summed over the tiles; for positive semidefinite partials those of the diagonal, since
|p_ij| <= sqrt(p_ii p_jj). If a bound was too low, or a scale much too high, the sum is repeated (rarely twice or three
times) with scales from the largest entry of each row and column over all ranks. So a check guarantees exactness, not
spare bits of the operands.

Accuracy: the own bound of an entry is the smallest product of a row scale and a column scale that bounds
sum_t |p_ij,t| for all entries. With two words an entry keeps at least 53 bits below its own bound, typically 70, for
any scaling of rows and columns: the total is the sum of the partials rounded once, and never worse than a plain float64
sum. With one word (`patient` sums of float32: gradients of minibatches) it keeps 40 bits below the largest bound of the
previous sums, and 30 below its own while batches differ by up to a factor of 2^10: more than the 24 of float32.
"""

import math
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.exact import kernels
from hpcadmm.comm.exact.kernels import HELD, UNKNOWN
from hpcadmm.comm.exact.scales import MARGIN, changes, half
from hpcadmm.comm.exact.waiting import MOST, Waiting
from hpcadmm.comm.world import World
from hpcadmm.model.symmetric import mirror
from hpcadmm.model.tiles import Tiles

HEADROOM = {1: 10, 2: 16}  # per number of words: bits that a row or column may grow from one sum to the next
LOOSEST = {1: 32, 2: 40}  # bits that a row or column may be below its bound


@dataclass
class Exact:
    """Accumulates partials of one shape and dtype; `count` of them are added over all ranks.

    scales: exponents of each row, then of each column (of a symmetric sum: of each row); kept from sum to sum, so a
    checkpoint must save them. grid: before the first sum every bound is about 2^grid.
    plain: without rounding; an ordinary float64 sum, whose bits depend on the order.
    symmetric: the partials are positive semidefinite; only the lower triangle is added and sent.
    patient: rows and columns that nearly vanish in one sum, as in minibatches, keep their scales for a while, and the
    sum is not repeated.
    """

    shape: tuple[int, ...]
    dtype: Any  # of the partials
    count: int
    grid: int = 0
    plain: bool = False
    symmetric: bool = False
    patient: bool = False
    scales: NDArray[np.int64] = field(init=False, repr=False)
    total: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.dtype = np.dtype(self.dtype)
        self.rows, self.columns = self.shape[0], math.prod(self.shape[1:])
        self.words = words(self.dtype, plain=self.plain, patient=self.patient)
        self._bits = max(self.count - 1, 0).bit_length()
        self._finer, self._room = 2.0 ** (self._bits - 52), 2 + HEADROOM[self.words]
        self._least = max(2.0 ** -LOOSEST[self.words], 2.0**self._bits * 2 * kernels.GRAIN)
        lines = self._free = self.rows if self.symmetric else self.rows + self.columns
        self.scales, self._now = np.full(lines, UNKNOWN), np.zeros(lines, dtype=np.int64)
        self._up, self._down, self.peaks = (np.zeros(lines) for _ in range(3))
        self._waiting = Waiting(self.shape, self.dtype, 1 if self.patient and self.symmetric else MOST)
        self._sizes = np.zeros((self._waiting.most, lines))
        self._lie(np.zeros(self.words * self.rows * self.columns + lines))
        triangle = np.flatnonzero(np.tri(self.rows).T) if self.symmetric else np.zeros(0, dtype=np.int64)
        parts = [triangle + k * self.rows**2 for k in range(self.words)] + [np.arange(-lines, 0) + self._flat.size]
        self._travels: Any = np.concatenate(parts) if self.symmetric else slice(None)
        self._entries: Any = np.concatenate(parts[:-1]) if self.symmetric else slice(0, -lines)
        self.apart = False  # do the entries travel apart?
        self.clear()

    def _lie(self, flat: NDArray[np.float64]) -> None:
        size = self.rows * self.columns
        parts = [flat[k * size : (k + 1) * size].reshape(self.shape, order="F") for k in range(self.words)]
        self.total, self._rest = parts[0], parts[1] if self.words == 2 else None
        self._matrices = self._matrix(self.total), None if self._rest is None else self._matrix(self._rest)
        self._flat, self._loads = flat, flat[self.words * size :]

    @property
    def packed(self) -> NDArray[np.float64]:
        """The message, as one vector: all entries, or the lower triangle by columns, and the loads. If the entries
        travel apart, the loads alone."""
        return self._flat[self._travels]

    @packed.setter
    def packed(self, flat: NDArray[np.float64]) -> None:
        self._flat[self._travels] = flat

    @property
    def length(self) -> int:
        """Numbers of the message."""
        entries = self.rows * (self.rows + 1) // 2 if self.symmetric else self.rows * self.columns
        return (0 if self.apart else self.words * entries) + len(self.scales)

    def separate(self) -> "Exact":
        """From now on `packed` is the loads alone, so that the bounds are checked before the `entries` travel. Returns
        memory for another sum with the same scales: it may begin after the verdict on this one."""
        self._travels, self.apart = slice(-len(self._loads), None), True
        twin = copy(self)
        twin._lie(np.zeros_like(self._flat))
        return twin

    @property
    def entries(self) -> NDArray[np.float64]:
        """The message without the loads: a view of the memory of this sum, or a copy of its lower triangle."""
        return self._flat[self._entries]

    def take(self, entries: NDArray[np.float64]) -> None:
        """The `entries` have been summed over the ranks: complete the total."""
        if self.symmetric:
            self._flat[self._entries] = entries
        self._complete()

    def lie_in(self, flat: NDArray[np.float64]) -> None:
        """Move the message into memory of the caller."""
        flat[...] = self._flat
        self._lie(flat)

    def clear(self) -> None:
        """Begin a new sum."""
        self._fresh, self._whole = not self.plain, False  # no entry is written yet; `total` has both words
        (self._flat if self.plain else self._loads)[...] = self.peaks[...] = 0.0
        self._waiting.leave()
        if not self.plain:
            guess = half(self.grid) if self._free == len(self.scales) else self.grid
            kernels.prepare(self.scales, self.rows, guess, self._now, self._up, self._down)

    @property
    def partial(self) -> NDArray[Any]:
        """Memory for the next partial, in Fortran order: added together with others, which saves time."""
        if self._waiting.full:
            self._fold(self._waiting.leave())
        return self._waiting.next

    def add(self, partial: NDArray[Any]) -> None:
        """Add one tile's partial, in Fortran order."""
        if partial.shape != self.shape or partial.dtype != self.dtype:
            raise TypeError(f"partial is {partial.dtype} {partial.shape}, the sum {self.dtype} {self.shape}")
        if self.plain:
            kernels.add_plainly(self._flat, partial.reshape(-1, order="A"))
        elif not self._waiting.take(partial):
            self._fold(self._matrix(partial)[None])

    def _fold(self, partials: NDArray[Any], last: bool = False) -> None:
        """Add partials (count, columns, rows)."""
        fold = kernels.fold_triangle if self.symmetric else kernels.fold
        sizes = self._sizes[: len(partials)]
        fold(*self._matrices, partials, self._up, self._down, self._finer, sizes, self._fresh, last)
        self._fresh, self._whole = False, last
        self.weigh(sizes)

    def fold_columns(self, block: slice, partials: NDArray[Any], lines: Any, sizes: NDArray[np.float64]) -> None:
        """Add these columns (count, columns, rows) of partials to a sum of one word; the first columns clear no others.

        lines: those of all rows and of these columns; sizes: of these lines, which `weigh` needs of all columns."""
        up, down = self._up[lines], self._down[lines]
        kernels.fold(self._matrices[0][block], None, partials, up, down, self._finer, sizes, True, False)
        self._fresh = False

    def weigh(self, sizes: NDArray[np.float64]) -> None:
        """Add the sizes of whole partials to the loads."""
        for size in sizes:
            kernels.weigh(size, self._down, self._loads, self.peaks)

    def close(self, alone: bool) -> None:
        """Add what waits, before `packed` travels. alone: it does not, so the words can be added in the same pass."""
        if self._waiting.count:
            self._fold(self._waiting.leave(), alone)
        elif self._fresh:
            self._flat[...] = 0.0

    def _matrix(self, x: NDArray[Any]) -> NDArray[Any]:
        """The transpose (columns, rows), in C order."""
        return x.reshape(self.rows, self.columns, order="F").T

    def finish(self) -> None:
        """After the sum of `packed` over the ranks: complete the total, unless its entries travel apart."""
        if not self.apart:
            self._complete()

    def _complete(self) -> None:
        """Add the two words, and fill both triangles."""
        if self._rest is not None and not self._whole:
            self.total += self._rest
        if self.symmetric:
            mirror(self.total)

    def verdict(self, attempt: int) -> int:
        """HELD: all additions were exact; EXCEEDED: a bound was too low; LOOSE: a scale is much too high."""
        if self.plain:
            return HELD
        least = self._least * (2.0 ** -(MARGIN + 1) if attempt else 1.0)
        found: int = kernels.judge(self._loads, self.scales, self.rows, self._free, least, self.patient)
        return found

    def follow(self) -> None:
        """Choose the scales of the next sum."""
        if not self.plain:
            kernels.follow(self._loads, self.scales, self.rows, self._free, self._now, self._room, self.patient)

    def give(self, columns: NDArray[np.int64]) -> None:
        """Fix the scales of the columns (of a symmetric sum: all) as these exponents."""
        self._free = len(self.scales) - len(columns)
        self.scales[self._free :] = columns

    def rescale(self, peaks: NDArray[np.float64], attempt: int) -> None:
        """New scales to repeat the sum, from the largest entry of each row and column relative to its bound."""
        room = max(self._room, self._bits + 2)
        change = changes(peaks, attempt, self.rows, self._free, room, self.symmetric)
        if self.patient:  # other batches may need the larger scales
            change = np.where(self.scales == UNKNOWN, change, np.maximum(change, 0))
        self.scales[: self._free] = np.where(peaks > 0, self._now + change, self.scales)[: self._free]
        kernels.balance(self.scales, self.rows, self._free)


def words(dtype: Any, *, plain: bool, patient: bool) -> int:
    """Number of float64 words of an entry of a sum."""
    return 1 if plain or (patient and np.dtype(dtype) == np.float32) else 2


def first_grid(samples: int) -> int:
    """The `grid` of a sum over this many samples: room for entries up to 8, as in standardised data."""
    return (64 * max(samples, 1)).bit_length()


def sum_by_tile(world: World, tiles: Tiles, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum values (tiles on this rank, k) over all tiles, in their order: the same bits on any number of ranks."""
    slots = np.zeros((tiles.count, values.shape[1]))
    slots[slice(*tiles.held)] = values
    total: NDArray[np.float64] = world.sum_flat(slots.reshape(-1)).reshape(slots.shape).sum(axis=0)
    return total
