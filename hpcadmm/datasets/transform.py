"""Scaling and standardising: per-feature statistics of the train part, the same bits on any number of ranks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.table import Array
from hpcadmm.model.tiles import Tiles

Vector = NDArray[np.float64]
ROOM = 1 << 21  # float64 entries of one temporary: 16 MiB
BLOCK = 1 << 16  # the same where temporaries had better stay in cache: 512 KiB


@dataclass(frozen=True)
class Affine:
    """x -> (x - shift) / divisor, per feature; both vectors have one entry a feature."""

    shift: Vector
    divisor: Vector

    def record(self) -> dict[str, list[float]]:
        """As JSON knows it; every float64 comes back exactly."""
        return {"shift": self.shift.tolist(), "divisor": self.divisor.tolist()}

    @classmethod
    def of(cls, record: dict[str, list[float]]) -> "Affine":
        """What `record` gave."""
        return cls(np.array(record["shift"]), np.array(record["divisor"]))

    @classmethod
    def identity(cls, features: int) -> "Affine":
        return cls(np.zeros(features), np.ones(features))

    @property
    def trivial(self) -> bool:
        """Does it leave every value as it is?"""
        return not (self.shift.any() or (self.divisor != 1).any())

    def rows(self, rows: Array) -> Array:
        """Rows (samples, features) transformed, in float64 whatever type they have; as they are if it is trivial."""
        return rows if self.trivial else (rows.astype(np.float64, copy=False) - self.shift) / self.divisor

    def apply(self, x: Array) -> None:
        """Transform x (features, samples) in place; the arithmetic is float64 whatever x is."""
        if not self.trivial:
            for part in pieces(x):
                part[...] = self.rows(part.T).T

    def undo(self, x: Array) -> Array:
        """The values before `apply`, float64, for x (features, samples)."""
        return np.asarray((x.T * self.divisor + self.shift).T)


def pieces(x: Array) -> list[Array]:
    """Views of the columns of x whose float64 copies are small."""
    wide = max(1, BLOCK // max(len(x), 1))
    return [x[:, start : start + wide] for start in range(0, x.shape[1], wide)]


def narrowed(x: Array, dtype: Any) -> Array:
    """The float64 array x, that of `room`, in a narrower type: cast where it lies, and what is left of it given back.

    x and all views of it are void afterwards. Peak memory beyond x is one small block.
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

    Each tile's sum goes to a slot of its own, and the slots are added in the order of the tiles on every rank:
    the sum over ranks only adds zeros. Features are taken in chunks so that the slots stay small.
    """
    result = np.zeros(len(x))
    chunk = max(1, ROOM // max(tiles.count, tiles.width, 1))
    for start in range(0, len(x), chunk):
        features = slice(start, start + chunk)
        slots = np.zeros((tiles.count, len(x[features])))
        for tile, columns in tiles:
            np.add.reduce(of(x[features, columns].T.astype(np.float64), features), axis=0, out=slots[tile])
        world.sum_flat(slots.reshape(-1))
        np.add.reduce(slots, axis=0, out=result[features])
    return result


def moments(x: Array, tiles: Tiles, world: World) -> tuple[Vector, Vector]:
    """Mean and deviation (over n, not n - 1) of each feature of x (features, own samples) over all ranks.

    A deviation of 0 is that of a constant feature. Values are brought near 1 by powers of two first, so that no
    square leaves the range of float64: the bits are those of the plain formulas.
    """
    low, high = extremes(x, world)
    count, size, spread = max(tiles.n, 1), power(np.maximum(np.abs(low), np.abs(high))), power(high / 2 - low / 2)
    mean = totals(x, tiles, world, lambda part, features: part / size[features]) / count * size
    mean = np.where(low == high, low, mean)
    squares = totals(x, tiles, world, lambda part, features: ((part - mean[features]) / spread[features]) ** 2)
    return mean, np.where(low == high, 0.0, np.sqrt(squares / count) * spread)


def power(values: Vector) -> Vector:
    """The power of two next below each positive value; 1 for 0.

    >>> power(np.array([0.0, 1.0, 1e3])).tolist()
    [1.0, 1.0, 512.0]
    """
    return np.where(values > 0, np.ldexp(1.0, np.frexp(values)[1] - 1), 1.0)


def standard(x: Array, tiles: Tiles, world: World) -> Affine:
    """To mean 0 and deviation 1; a constant feature becomes 0."""
    mean, deviation = moments(x, tiles, world)
    return Affine(mean, nonzero(deviation))


def unit(x: Array, world: World) -> Affine:
    """To [0, 1] by least and largest value; a constant feature becomes 0."""
    low, high = extremes(x, world)
    return Affine(low, nonzero(high - low))


def by_maximum(x: Array, world: World) -> Affine:
    """Each feature divided by its largest value (not its largest modulus); one whose maximum is 0 is left."""
    return Affine(np.zeros(len(x)), nonzero(extremes(x, world)[1]))


def nonzero(divisor: Vector) -> Vector:
    """The divisor with 1 for 0, which divides only zeros."""
    return np.where(divisor == 0, 1.0, divisor)
