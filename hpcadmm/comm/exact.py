"""Sums of tile partials that are exact, hence the same bits in any order and on any number of ranks.

Every entry of a partial is rounded to a multiple of B 2^-52, B a power of two with
count * max|partial| <= B / 2. Each partial sum is then a whole number of such units below 2^52, so every
addition, here or inside MPI, is exact in float64, and an exact sum does not depend on its order. The bound
comes from the previous sum; the largest |partial| of this one travels with it, and where the bound was too
low (or so high that precision would be lost) the sum is made once more. So the guarantee rests on a check
and never on spare bits of the operands.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.kernels import kernel
from hpcadmm.model.symmetric import mirror
from hpcadmm.model.tiles import Tiles

HEADROOM = 3  # bits: how much the largest partial may grow from one sum to the next without a second pass
LOOSEST = 8  # bits: how loose a grid may be; so it may shrink by LOOSEST - HEADROOM
LOWEST = -900  # no grid below 2^LOWEST: sums of zeros need one too
HIGHEST = 1000  # nor far above 2^HIGHEST: there float64 ends, and larger sums are as good as not finite


@kernel
def fold(acc, partial, bits, magnitude, largest, magic):  # type: ignore[no-untyped-def]
    """acc += partial rounded to the grid of `magic`; returns the largest |partial| as an integer's bits.

    For IEEE numbers |x| <= |y| exactly when the bits without the sign are ordered so, NaN above infinity.
    """
    for i in range(partial.size):
        acc[i] += (np.float64(partial[i]) + magic) - magic
        size = bits[i] & magnitude
        largest = size if size > largest else largest
    return largest


@kernel
def add_plainly(acc, partial):  # type: ignore[no-untyped-def]
    """acc += partial in float64: the sum whose bits depend on the order, for comparison."""
    for i in range(partial.size):
        acc[i] += partial[i]


INTEGER = {np.dtype(np.float32): (np.int32, 0x7FFFFFFF), np.dtype(np.float64): (np.int64, 0x7FFFFFFFFFFFFFFF)}


def exponent(x: float) -> int:
    """The least e with |x| <= 2^e (LOWEST for 0; 2000 for infinity and NaN).

    >>> exponent(1.0), exponent(1.5), exponent(0.0), exponent(float("nan"))
    (0, 1, -900, 2000)
    """
    if not math.isfinite(x):
        return 2000
    mantissa, e = math.frexp(abs(x))
    return max(LOWEST, e - 1 if mantissa == 0.5 else e) if x else LOWEST


@dataclass
class Exact:
    """Accumulates partials of one shape and dtype; `count` of them are added over all ranks.

    `grid` is the exponent of B, carried from sum to sum (a checkpoint must keep it). With `plain` the
    rounding is left out: the sum is then an ordinary float64 one, whose bits depend on the order.
    Of a `symmetric` sum only the lower triangle travels.
    """

    shape: tuple[int, ...]
    dtype: Any  # of the partials
    count: int
    grid: int = 0
    plain: bool = False
    symmetric: bool = False
    headroom: int = HEADROOM  # see there
    loosest: int = LOOSEST
    total: NDArray[np.float64] = field(init=False, repr=False)
    largest: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.total = np.zeros(self.shape, order="F")
        self._flat = self.total.reshape(-1, order="A")
        self._integer, magnitude = INTEGER[np.dtype(self.dtype)]
        self._magnitude = self._integer(magnitude)
        self._travels: Any = np.flatnonzero(np.tri(self.shape[0]).T) if self.symmetric else slice(None)

    @property
    def packed(self) -> NDArray[np.float64]:
        """The entries that travel, as one vector: all, or the lower triangle by columns."""
        return self._flat[self._travels]

    def unpack(self, flat: NDArray[np.float64]) -> None:
        """Take the summed entries back, and mirror the triangle."""
        self._flat[self._travels] = flat
        self.mirror()

    def mirror(self) -> None:
        """The lower triangle of a symmetric sum is its upper one too."""
        if self.symmetric:
            mirror(self.total)

    def lie_in(self, flat: NDArray[np.float64]) -> None:
        """Keep the total in memory given from outside."""
        flat[...] = self._flat
        self._flat, self.total = flat, flat.reshape(self.shape, order="F")

    def clear(self) -> None:
        """Begin a new sum."""
        self.total[...] = 0.0
        self.largest = 0.0

    def add(self, partial: NDArray[Any]) -> None:
        """Add one tile's partial: shape and dtype as declared, Fortran order."""
        if partial.shape != self.shape or partial.dtype != self.dtype:
            raise TypeError(f"partial is {partial.dtype} {partial.shape}, the sum {self.dtype} {self.shape}")
        flat = partial.reshape(-1, order="A")
        if self.plain:
            add_plainly(self._flat, flat)
            return
        magic = 1.5 * 2.0**self.grid
        bits = self._integer(0)
        bits = fold(self._flat, flat, flat.view(self._integer), self._magnitude, bits, magic)
        size = float(np.array(bits, self._integer).view(self.dtype))
        self.largest = size if size > self.largest or size != size else self.largest

    def needed(self, largest: float) -> int:
        """The least exponent of B with count * largest <= B / 2."""
        return exponent(largest) + (max(self.count, 1) - 1).bit_length() + 1

    def holds(self, largest: float) -> bool:
        """Was every addition exact, and did the grid keep enough bits? (True for a sum that no grid can hold.)"""
        need = self.needed(largest)
        return self.plain or need > HIGHEST or need <= self.grid <= need + self.loosest

    def regrid(self, largest: float) -> None:
        """Choose the grid of the next sum from the largest |partial| of this one."""
        if self.needed(largest) <= HIGHEST:
            self.grid = self.needed(largest) + self.headroom


def side_by_side(sums: Sequence[Exact], ranks: int) -> NDArray[np.float64]:
    """One vector that holds the totals of these sums, none of them symmetric, after room for what travels with them
    between so many ranks: as a `message` they are summed where they lie, without a copy."""
    start = len(sums) * ranks
    message = np.zeros(start + sum(s.total.size for s in sums))
    for s in sums:
        s.lie_in(message[start : start + s.total.size])
        start += s.total.size
    return message


def sum_exactly(
    world: World, sums: Sequence[Exact], again: Callable[[], None], message: NDArray[np.float64] | None = None
) -> None:
    """Complete the sums over all ranks, in one packed Allreduce; afterwards `total` is the same everywhere.

    `again` must clear and redo every `add` of this rank, from unchanged operands; it is called only if a bound
    failed, on all ranks at once. message: what `side_by_side` made of these sums for as many ranks.
    """
    for _ in range(2):
        largest = _reduce(world, sums) if message is None else _reduce_in_place(world, sums, message)
        held = all(s.holds(m) for s, m in zip(sums, largest, strict=True))
        for s, m in zip(sums, largest, strict=True):
            s.regrid(m)
        if held:
            return
        again()
    raise ArithmeticError("an exact sum failed twice: its operands changed between the passes")


def sum_tiles(world: World, tiles: Tiles, sums: Sequence[Exact], add: Callable[[slice], None]) -> None:
    """The whole sums over all tiles and ranks: `add` adds the partials of one tile, given its local columns."""

    def again() -> None:
        for s in sums:
            s.clear()
        for _, columns in tiles:
            add(columns)

    again()
    sum_exactly(world, sums, again)


def first_grid(samples: int) -> int:
    """The grid a sum over so many samples starts with: room for entries up to 8, as standardised data have."""
    return (64 * max(samples, 1)).bit_length()


def _reduce(world: World, sums: Sequence[Exact]) -> list[float]:
    """One Allreduce of all totals; returns the largest |partial| of each sum over all ranks.

    Each rank's largest travels in a slot of its own, since a maximum does not depend on the order either.
    """
    if world.size == 1:
        for s in sums:
            s.mirror()
        return [s.largest for s in sums]
    slots = np.zeros((len(sums), world.size))
    slots[:, world.rank] = [s.largest for s in sums]
    flat = world.sum_flat(np.concatenate([*(s.packed for s in sums), slots.reshape(-1)]))
    start = 0
    for s in sums:
        size = s.packed.size
        s.unpack(flat[start : start + size])
        start += size
    return [float(row.max()) for row in flat[start:].reshape(slots.shape)]


def _reduce_in_place(world: World, sums: Sequence[Exact], message: NDArray[np.float64]) -> list[float]:
    """The same without packing and unpacking."""
    slots = message[: len(sums) * world.size].reshape(len(sums), world.size)
    slots[...] = 0.0
    slots[:, world.rank] = [s.largest for s in sums]
    if world.size > 1:
        world.sum_flat(message)
    return [float(row.max()) for row in slots]


def sum_by_tile(world: World, tiles: Tiles, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum values (tiles on this rank, k) over all tiles, in the order of the tiles: the same bits at any rank count."""
    slots = np.zeros((tiles.count, values.shape[1]))
    slots[slice(*tiles.held)] = values
    total: NDArray[np.float64] = world.sum_flat(slots.reshape(-1)).reshape(slots.shape).sum(axis=0)
    return total
