"""Scale features by statistics of the train part; the same bits on any number of ranks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.table import Array
from hpcadmm.model.inputs import stretches
from hpcadmm.model.tiles import Tiles

Vector = NDArray[np.float64]
Kind = Literal["standard", "unit", "max", "none"]
ROOM = 1 << 21  # float64 entries of one temporary: 16 MiB
BLOCK = 1 << 16  # of one that should stay in cache: 512 KiB


@dataclass(frozen=True)
class Affine:
    """x -> (x - shift) / divisor; both vectors have one entry per feature."""

    shift: Vector
    divisor: Vector

    def record(self) -> dict[str, list[float]]:
        """As JSON; every float64 comes back exactly."""
        return {"shift": self.shift.tolist(), "divisor": self.divisor.tolist()}

    @classmethod
    def of(cls, record: dict[str, list[float]]) -> "Affine":
        """The inverse of `record`."""
        return cls(np.array(record["shift"]), np.array(record["divisor"]))

    @classmethod
    def identity(cls, features: int) -> "Affine":
        return cls(np.zeros(features), np.ones(features))

    @property
    def trivial(self) -> bool:
        """Does it leave every value unchanged?"""
        return not (self.shift.any() or (self.divisor != 1).any())

    def rows(self, rows: Array) -> Array:
        """Transform rows (samples, features) in float64; return them unchanged if the transform is trivial."""
        return rows if self.trivial else (rows.astype(np.float64, copy=False) - self.shift) / self.divisor

    def apply(self, x: Array) -> None:
        """Transform x (features, samples) in place, by float64 arithmetic."""
        if not self.trivial:
            for part in pieces(x):
                part[...] = self.rows(part.T).T

    def undo(self, x: Array) -> Array:
        """The inverse of `apply` for x (features, samples), as float64."""
        return np.asarray((x.T * self.divisor + self.shift).T)


def pieces(x: Array) -> list[Array]:
    """Views of blocks of columns of x; their float64 copies are small."""
    wide = max(1, BLOCK // max(len(x), 1))
    return [x[:, start : start + wide] for start in range(0, x.shape[1], wide)]


def narrowed(x: Array, dtype: Any) -> Array:
    """Cast the float64 array x of `fill.filled` to a narrower type in place, and free the rest of its memory.

    x and all views of it are invalid afterwards. Peak memory beyond x is one small block.
    """
    owner, shape = x.base, x.shape
    if x.dtype == dtype or owner is None or not x.size:
        return x.astype(dtype, copy=False)
    out = owner.view(dtype)
    done = 0
    for part in pieces(x):
        values = part.T.astype(dtype).reshape(-1)
        out[done : done + values.size] = values
        done += values.size
    del out, part, x
    owner.resize(-(-done * np.dtype(dtype).itemsize // owner.itemsize), refcheck=False)
    return owner.view(dtype)[:done].reshape(shape, order="F")


def extremes(x: Array, world: World) -> tuple[Vector, Vector]:
    """The least and largest value of each feature of x (features, own samples) over all ranks."""
    low = x.min(axis=1, initial=np.inf).astype(np.float64)
    high = x.max(axis=1, initial=-np.inf).astype(np.float64)
    return world.min(low)[0], world.max(high)[0]


def totals(x: Array, tiles: Tiles, world: World, of: Callable[[Array, slice], Array]) -> Vector:
    """The sums over all samples of of(x[features], features), per feature.

    Each tile's sum goes to its own slot; every rank adds the slots in the order of the tiles, so the sum over ranks
    only adds zeros. Chunks of features keep the slots small.
    """
    result = np.zeros(len(x))
    chunk = max(1, ROOM // max(tiles.count, tiles.width, 1))
    for start in range(0, len(x), chunk):
        features = slice(start, start + chunk)
        slots = np.zeros((tiles.count, min(chunk, len(x) - start)))
        for tile, columns in tiles:
            cut = [columns] if slots.shape[1] == 1 else stretches(x, columns)  # one row is not summed in order
            add_rows((of(x[features, t].T.astype(np.float64), features) for t in cut), slots[tile])
        world.sum_flat(slots.reshape(-1))
        np.add.reduce(slots, axis=0, out=result[features])
    return result


def add_rows(blocks: Iterable[Array], out: Vector) -> None:
    """out = the sum of the rows of all blocks, row after row: the bits of one reduction over all. Overwrites blocks."""
    for k, block in enumerate(blocks):
        if k and len(block):
            block[0] += out
        if len(block):
            np.add.reduce(block, axis=0, out=out)


def moments(x: Array, tiles: Tiles, world: World) -> tuple[Vector, Vector]:
    """Mean and deviation (over n, not n - 1) of each feature of x (features, own samples) over all ranks.

    A constant feature has deviation 0. Values are first scaled near 1 by powers of two, so that no square overflows or
    underflows; the bits are those of the plain formulas.
    """
    low, high = extremes(x, world)
    count, size, spread = max(tiles.n, 1), power(np.maximum(np.abs(low), np.abs(high))), power(high / 2 - low / 2)
    mean = totals(x, tiles, world, lambda part, features: part / size[features]) / count * size
    mean = np.where(low == high, low, mean)
    squares = totals(x, tiles, world, lambda part, features: ((part - mean[features]) / spread[features]) ** 2)
    return mean, np.where(low == high, 0.0, np.sqrt(squares / count) * spread)


def power(values: Vector) -> Vector:
    """The largest power of two below or at each positive value; 1 for 0.

    >>> power(np.array([0.0, 1.0, 1e3])).tolist()
    [1.0, 1.0, 512.0]
    """
    return np.where(values > 0, np.ldexp(1.0, np.frexp(values)[1] - 1), 1.0)


def fitted(kind: Kind, x: Array, tiles: Tiles, world: World) -> Affine:
    """The transform of x (features, own samples) by its statistics over all ranks; collective.

    "standard": to mean 0 and standard deviation 1. "unit": to [0, 1]. "max": divided by the largest value (not the
    largest modulus). Differences of a constant feature are 0 and are divided by 1.
    """
    if kind == "standard":
        shift, divisor = moments(x, tiles, world)
    else:
        low, high = extremes(x, world)
        shift, divisor = (low, high - low) if kind == "unit" else (np.zeros(len(x)), high)
    return Affine(shift, np.where(divisor == 0, 1.0, divisor))
