"""Samples that do not fit in memory: they stay in the file, and a bounded buffer holds those that are used next.

A buffer is filled with the columns of the next minibatches, as many as fit, read in the order of the file. So a pass
over the file serves many minibatches, and a disk reads forward.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.choose import labels_of, pick
from hpcadmm.datasets.fill import check_finite, encoded, features_of, visits, width
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.lean.mapped import near, place, suits
from hpcadmm.datasets.lean.window import Window
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import READING, Array, Source, step
from hpcadmm.datasets.transform import BLOCK, Affine
from hpcadmm.model.inputs import Coming, Inputs
from hpcadmm.model.tiles import Tiles


class Streamed(Inputs):
    """x (features + ones, m) of a part whose rows stay in the file; what it gives are the bits of `fill.filled`.

    source: the rows. factor: of down-sampling. transform: of the features, in float64, before they are cast to `dtype`.
    """

    def __init__(
        self,
        source: Source,
        window: Window,
        dtype: Any,
        ones: bool,
        factor: int = 1,
        transform: Affine | None = None,
        mapped: Any = None,
    ) -> None:
        self.source, self.window, self.ones, self.factor, self.transform = source, window, ones, factor, transform
        self.features, self.dtype = width(source.table, factor), np.dtype(dtype)
        self.shape = self.features + ones, len(source.rows)
        self.capacity = window.capacity(self.shape[0] * self.dtype.itemsize)
        self._mapped: Any = source.table.mapped() if mapped is None else mapped
        self._extremes: tuple[Array, Array] | None = None

    def like(self, source: Source, dtype: Any, ones: bool, transform: Affine | None) -> "Streamed":
        """Other rows or values of the same table, in the same buffer."""
        return Streamed(source, self.window, dtype, ones, self.factor, transform, self._mapped)

    def transformed(self, transform: Affine, dtype: Any) -> "Streamed":
        return self.like(self.source, dtype, self.ones, transform)

    def part(self, columns: slice) -> "Streamed":
        rows = self.source.rows[columns]
        return self.like(Source(self.source.table, rows), self.dtype, self.ones, self.transform)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            if key != slice(None, self.features):
                raise IndexError(f"rows {key} of streamed samples: only all, or all features")
            features = self.like(self.source, self.dtype, False, self.transform)
            if self._extremes is not None:
                features._extremes = self._extremes[0][key], self._extremes[1][key]
            return features
        rows, columns = key
        found = self._between(*columns.indices(self.shape[1])[:2])
        return found if rows == slice(None) else found[rows]

    def _between(self, lo: int, hi: int) -> Array:
        """The columns from lo to hi: from the buffer, or a new array if they do not fit there."""
        if hi - lo > self.capacity:
            return self._filled(np.arange(lo, hi), np.empty((self.shape[0], hi - lo), self.dtype, order="F"))
        w = self.window
        if w.owner is not self or not w.first <= lo <= hi <= w.last:
            last = min(lo + self.capacity, self.shape[1])
            self._fill([np.arange(lo, last)])
            w.first, w.last = lo, last
        return w.x[:, lo - w.first : hi - w.first]

    def taken(self, columns: Array, scratch: Callable[[int, int], Array], coming: Coming) -> Array:
        out = scratch(self.shape[0], len(columns))
        if len(columns):
            w, key = self.window, id(columns)
            for ahead in (coming, lambda: [columns]):
                if w.owner is self and key in w.places:
                    break
                self._fill(ahead())
            at = w.places[key]
            out[...] = w.x[:, at : at + len(columns)]
        return out

    def _fill(self, coming: Iterable[Array]) -> None:
        """Fill the buffer with the columns that come, as many as fit, at least the first array."""
        w, count = self.window, 0
        some: list[Array] = []
        w.empty()
        for columns in coming:
            if some and count + len(columns) > self.capacity:
                break
            if len(columns):
                w.places[id(columns)] = count
            some.append(columns)
            count += len(columns)
        w.x, w.held = self._filled(np.concatenate(some), w.array(self.shape[0], count, self.dtype)), some
        w.owner = self

    def _filled(self, columns: Array, out: Array) -> Array:
        """out = x[:, columns], read in the order of the file."""
        rows = pick(self.source.rows, columns)
        order = np.argsort(rows)
        out[self.features :] = 1
        (self._read if self._mapped is None else self._copy)(rows[order], out.T, order)
        return out

    def _read(self, rows: Array, out: Array, put: Array) -> None:
        """out[put] = the features of increasing rows, by the reader of the format."""
        with self.source.table.reader() as read:
            for start, stop, got, at in visits(rows, step(self.source.table.features)):
                out[put[at], : self.features] = self._values(read(start, stop)[0][got], rows[at])

    def _copy(self, rows: Array, out: Array, put: Array) -> None:
        """The same from a mapped file."""
        mapped, change = self._mapped, self.transform or Affine.identity(self.features)
        fast, largest = suits(mapped) and self.factor == 1, np.finfo(self.dtype).max
        for t in near(mapped, rows):
            some = rows[t]
            bad = place(mapped, some, change.shift, change.divisor, out, put[t], largest) if fast else 0
            if not fast:
                out[put[t], : self.features] = self._values(np.take(mapped, some, axis=0), some)
            elif bad >= 0:
                self._values(mapped[some[bad : bad + 1]], some[bad : bad + 1])  # raises the error that names it

    def _values(self, raw: Array, rows: Array) -> Array:
        """The features of raw rows; raises UsageError for one that is not finite."""
        table = self.source.table
        block = features_of(raw, table, self.factor, self.transform, self.dtype)
        if not np.isfinite(block).all():
            check_finite(block, raw, *table.origin(rows))
        return block

    def stretches(self, columns: slice) -> list[slice]:
        wide = max(1, min(self.capacity, BLOCK // self.shape[0]))
        return [slice(lo, min(lo + wide, columns.stop)) for lo in range(columns.start, columns.stop, wide)]

    def min(self, axis: int, initial: float) -> Array:
        return np.minimum(self.extremes[0], initial).astype(self.dtype)

    def max(self, axis: int, initial: float) -> Array:
        return np.maximum(self.extremes[1], initial).astype(self.dtype)

    @property
    def extremes(self) -> tuple[Array, Array]:
        """The least and the largest value of each row; one pass over the file."""
        if self._extremes is None:
            low, high = np.full(self.shape[0], np.inf), np.full(self.shape[0], -np.inf)
            for t in self.stretches(slice(0, self.shape[1])):
                x = self[:, t]
                low, high = np.minimum(low, x.min(axis=1)), np.maximum(high, x.max(axis=1))
            self._extremes = low, high
        return self._extremes


def samples(
    source: Source,
    labelling: Labelling | None,
    tiles: Tiles,
    window: Window,
    dtype: Any,
    ones: bool,
    factor: int = 1,
    transform: Affine | None = None,
) -> Samples:
    """This rank's columns of one part, as `fill.filled`, with x streamed; every value is looked at once."""
    table, rows = source.table, source.rows[tiles.lo : tiles.hi]
    mine = Source(table, rows)
    labels = labels_of(mine).copy()
    if table.targets:
        check_finite(labels, labels, table, np.asarray(rows), target=True)
    labels = encoded(labels, labelling, table, rows)
    x: Any = Streamed(mine, window, dtype, ones, factor, transform)
    _ = x.extremes
    return Samples(tiles.n, tiles, x, labels)


def transformed(x: Any, transform: Affine, dtype: Any, world: World) -> Any:
    """Raw streamed features, transformed and cast; every value is looked at once. Collective."""
    with world.together(READING):
        found: Streamed = x.transformed(transform, dtype)
        _ = found.extremes
    return found
