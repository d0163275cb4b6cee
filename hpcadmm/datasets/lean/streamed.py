"""Samples that do not fit in memory: they stay in the file, and a bounded buffer holds those that are used next.

A buffer is filled with the columns of the next minibatches, as many as fit, read in the order of the file. So a pass
over the file serves many minibatches, and a disk reads forward.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.choose import labels_of, pick
from hpcadmm.datasets.disk.flat import Flat
from hpcadmm.datasets.fill import check_finite, encoded, features_of, visits, width
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.lean import blocks
from hpcadmm.datasets.lean.blocks import suits
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
        flat: Flat | None = None,
    ) -> None:
        self.source, self.window, self.ones, self.factor, self.transform = source, window, ones, factor, transform
        self.features, self.dtype = width(source.table, factor), np.dtype(dtype)
        self.shape = self.features + ones, len(source.rows)
        self.column = self.shape[0] * self.dtype.itemsize  # bytes
        self.capacity = window.capacity(self.column)
        self._flat = source.table.flat() if flat is None else flat
        self._extremes: tuple[Array, Array] | None = None

    def like(self, source: Source, dtype: Any, ones: bool, transform: Affine | None) -> "Streamed":
        """Other rows or values of the same table, in the same buffer."""
        return Streamed(source, self.window, dtype, ones, self.factor, transform, self._flat)

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
            w.empty()
            last = min(lo + self.capacity, self.shape[1])
            w.x = self._filled(np.arange(lo, last), w.array(self.shape[0], last - lo, self.dtype))
            w.owner, w.first, w.last = self, lo, last
        return w.x[:, lo - w.first : hi - w.first]

    def taken(self, columns: Array, coming: Coming) -> Array:
        w = self.window
        if w.owner is not self or id(columns) not in w.places:
            self._fill(self._next(columns, coming))
        start = w.places[id(columns)]
        return w.x[:, start : start + len(columns)]

    def _next(self, columns: Array, coming: Coming) -> Iterator[Sequence[Array]]:
        """What to read: the group of `columns` and those after it; what does not fit together, one by one, from
        `columns` on."""
        at: int | None = None  # of `columns` in its group
        for group in coming():
            first = at is None
            if first and (at := next((k for k, one in enumerate(group) if one is columns), None)) is None:
                continue
            if self.window.need(group, self.column) <= self.window.size:
                yield group
            else:
                yield from ([one] for one in group[at if first else 0 :])

    def _fill(self, groups: Iterable[Sequence[Array]]) -> None:
        """Fill the buffer with the columns that come, as many groups as fit, at least the first."""
        w, some, need = self.window, list[Array](), 0
        w.empty()
        for group in groups:
            need += w.need(group, self.column)
            if some and need > w.size:
                break
            some += group
        starts = np.cumsum([0, *map(len, some)]).tolist()
        w.places, w.held = dict(zip(map(id, some), starts, strict=False)), some
        w.x = self._filled(np.concatenate(some), w.array(self.shape[0], starts[-1], self.dtype))
        w.owner = self

    def _filled(self, columns: Array, out: Array) -> Array:
        """out = x[:, columns], read in the order of the file."""
        rows = pick(self.source.rows, columns)
        del columns
        (self._read if self._flat is None else self._copy)(rows, out.T)
        return out

    def _read(self, rows: Array, out: Array) -> None:
        """out = the features of the rows, by the reader of the format."""
        with self.source.table.reader() as read:
            for start, stop, got, put in visits(rows, step(self.source.table.features)):
                self._put(read(start, stop)[0][got], rows[put], out, put)

    def _copy(self, rows: Array, out: Array) -> None:
        """The same from a file in which they lie one after the other; values that are not finite are copied, too."""
        flat: Any = self._flat
        fast, change = suits(flat.dtype) and self.factor == 1, self.transform or Affine.identity(self.features)
        for raw, at, put in blocks.visits(flat, rows):
            if not fast:
                self._put(raw[at], rows[put], out, put)
            elif change.trivial:
                blocks.copy(raw, at, out, put)
            else:
                blocks.place(raw, at, change.shift, change.divisor, out, put)

    def _put(self, raw: Array, rows: Array, out: Array, put: Any) -> None:
        """out[put] = the features of raw rows, and ones. Raises UsageError for a value that is not finite."""
        out[put, : self.features] = self._values(raw, rows)
        out[put, self.features :] = 1

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
        """The least and the largest value of each row; one pass over the file. Raises UsageError for a value that is
        not finite."""
        if self._extremes is None:
            low, high = np.full(self.shape[0], np.inf), np.full(self.shape[0], -np.inf)
            for t in self.stretches(slice(0, self.shape[1])):
                x = self[:, t]
                low, high = np.minimum(low, x.min(axis=1)), np.maximum(high, x.max(axis=1))
                if not (np.isfinite(low).all() and np.isfinite(high).all()):
                    self._refuse(np.arange(t.start, t.stop)[~np.isfinite(x).all(axis=0)])
            self._extremes = low, high
        return self._extremes

    def _refuse(self, columns: Array) -> None:
        """Raise the error that names the first value that is not finite in these columns."""
        rows = np.sort(pick(self.source.rows, columns))
        with self.source.table.reader() as read:
            self._values(read(int(rows[0]), int(rows[0]) + 1)[0], rows[:1])


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
