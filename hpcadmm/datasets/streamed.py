"""Samples that do not fit in memory: they stay in the file, and a bounded buffer holds those that are used next.

A buffer is filled with the columns of the next minibatches, as many as fit, read in the order of the file. So a pass
over the file serves many minibatches, and a disk reads forward.
"""

import mmap
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from hpcadmm.comm.memory import size
from hpcadmm.comm.world import World
from hpcadmm.datasets.choose import labels_of, pick
from hpcadmm.datasets.fill import averaged, check_finite, check_image, visits, width
from hpcadmm.datasets.keeping import Keeping
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import Array, Source, Table, step
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError
from hpcadmm.model.inputs import Coming, Inputs
from hpcadmm.model.tiles import Tiles

UNITS = {"": 1, "B": 1} | {
    f"{prefix}{kind}": base**power
    for power, prefix in enumerate("kMGT", 1)
    for kind, base in (("B", 1000), ("iB", 1024))
}
AMOUNT = re.compile(r"(\d+(?:\.\d*)?) *([kKMGT]?i?B?)")
BESIDE = 48  # bytes of a column in the buffer for its numbers in the part and in the file, and their order
TOUCHED = 1 << 26  # bytes of a mapped file that may count as this process's memory
AT_ONCE = 4096  # rows that are taken from a mapped file at once
FORMATS = "an HDF5 file (hpcadmm data convert FILE OUT.h5)"


def amount(given: int | str) -> int:
    """Bytes of data.memory. Raises UsageError.

    >>> amount("2 GB"), amount("1.5 MiB"), amount(4096)
    (2000000000, 1572864, 4096)
    """
    found = AMOUNT.fullmatch(str(given).strip())
    unit = found and found[2].replace("K", "k")
    if found is None or unit not in UNITS or float(found[1]) * UNITS[unit] < 1:
        raise UsageError(f'data.memory = {given!r}: must be bytes, as "2 GB", "500 MB" or 1073741824')
    return int(float(found[1]) * UNITS[unit])


class Window:
    """The buffer of a rank: columns of one streamed part. Parts take turns in it.

    size: bytes of the buffer and of what it needs beside it.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._flat = np.empty(0, np.uint8)
        self.empty()

    def empty(self) -> None:
        """Forget the contents."""
        self.owner: Streamed | None = None
        self.columns: Array = np.empty(0, np.int64)
        self.first: int | None = None  # of columns that follow one another
        self.places: dict[tuple[int, int, int], int] = {}  # where columns begin that are asked for together
        self.x: Array = np.empty((0, 0))

    def capacity(self, column: int) -> int:
        """Columns of this many bytes that fit."""
        return max(1, self.size // (column + BESIDE))

    def array(self, rows: int, columns: int, dtype: Any) -> Array:
        """An array (rows, columns) in the buffer, which grows if it must."""
        need = rows * columns * np.dtype(dtype).itemsize
        if need > self._flat.size:
            self._flat = np.empty(0, np.uint8)  # free it first
            self._flat = np.empty(need, np.uint8)
        return self._flat[:need].view(dtype).reshape((rows, columns), order="F")


class Streamed(Inputs):
    """x (features + ones, m) of a part whose rows stay in the file; what it gives are the bits of `fill.filled`.

    source: the rows. factor: of down-sampling. transform: of the features, in float64, before they are cast to `dtype`.
    """

    def __init__(
        self, source: Source, window: Window, dtype: Any, ones: bool, factor: int = 1, transform: Affine | None = None
    ) -> None:
        self.source, self.window, self.ones, self.factor, self.transform = source, window, ones, factor, transform
        self.features, self.dtype = width(source.table, factor), np.dtype(dtype)
        self.shape = self.features + ones, len(source.rows)
        self.capacity = window.capacity(self.shape[0] * self.dtype.itemsize)
        self._mapped: Array | None = source.table.mapped()
        self._extremes: tuple[Array, Array] | None = None

    def like(self, source: Source, dtype: Any, ones: bool, transform: Affine | None) -> "Streamed":
        """Other rows or values of the same table, in the same buffer."""
        return Streamed(source, self.window, dtype, ones, self.factor, transform)

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
        if w.owner is not self or w.first is None or not w.first <= lo <= hi <= w.first + len(w.columns):
            self._fill([np.arange(lo, min(lo + self.capacity, self.shape[1]))])
            w.first = lo
        return w.x[:, lo - (w.first or 0) : hi - (w.first or 0)]

    def taken(self, columns: Array, scratch: Callable[[int, int], Array], coming: Coming) -> Array:
        out = scratch(self.shape[0], len(columns))
        if len(columns):
            at = self._place(columns)
            if at is None:
                self._fill(coming())
                at = self._place(columns)
            if at is None:
                self._fill([columns])
            out[...] = self.window.x[:, at or 0 : (at or 0) + len(columns)]
        return out

    def _place(self, columns: Array) -> int | None:
        """Where in the buffer these columns lie side by side; None if they do not."""
        w = self.window
        at = w.places.get(together(columns)) if w.owner is self else None
        return at if at is not None and np.array_equal(w.columns[at : at + len(columns)], columns) else None

    def _fill(self, coming: Iterable[Array]) -> None:
        """Fill the buffer with the columns that come, as many as fit, at least the first array."""
        w, count = self.window, 0
        some: list[Array] = []
        w.empty()
        for columns in coming:
            if some and count + len(columns) > self.capacity:
                break
            if len(columns):
                w.places[together(columns)] = count
            some.append(columns)
            count += len(columns)
        w.columns = np.concatenate(some)
        w.x = self._filled(w.columns, w.array(self.shape[0], count, self.dtype))
        w.owner = self

    def _filled(self, columns: Array, out: Array) -> Array:
        """out = x[:, columns], read in the order of the file."""
        rows = pick(self.source.rows, columns)
        order = np.argsort(rows)
        out[self.features :] = 1
        with self._raw(rows[order]) as blocks:
            for lo, raw in blocks:
                put = order[lo : lo + len(raw)]
                out.T[put, : self.features] = self._values(raw, rows[put])
        return out

    @contextmanager
    def _raw(self, rows: Array) -> Iterator[Iterator[tuple[int, Array]]]:
        """Blocks of the raw features of increasing rows, and the place of the first of each among `rows`."""
        if self._mapped is not None:
            yield from_map(self._mapped, rows)
            return
        with self.source.table.reader() as read:
            cut: Any = visits(rows, step(self.source.table.features))
            yield ((int(put[0]), read(start, stop)[0][got]) for start, stop, got, put in cut)

    def _values(self, raw: Array, rows: Array) -> Array:
        """The features of raw rows, as `fill.gather` makes them."""
        table = self.source.table
        values = averaged(raw, check_image(table, self.factor), self.factor) if self.factor > 1 else raw
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = values if self.transform is None else self.transform.rows(values)
            block = scaled.astype(self.dtype, copy=False)
        check_finite(block, raw, table, rows)
        return block

    def stretches(self, columns: slice) -> list[slice]:
        edges = range(columns.start, columns.stop, self.capacity)
        return [slice(lo, min(lo + self.capacity, columns.stop)) for lo in edges]

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


def together(columns: Array) -> tuple[int, int, int]:
    """A mark of columns that are asked for together."""
    return int(columns[0]), int(columns[-1]), len(columns)


def from_map(mapped: Array, rows: Array) -> Iterator[tuple[int, Array]]:
    """Blocks of increasing rows of a mapped file, whose pages are given back on the way."""
    touched, wide = 0, mapped.strides[0]
    for lo in range(0, len(rows), AT_ONCE):
        some = rows[lo : lo + AT_ONCE]
        yield lo, np.take(mapped, some, axis=0, mode="clip")
        touched += min(int(some[-1] - some[0] + 1) * wide, len(some) * (wide + (1 << 16)))
        if touched > TOUCHED or lo + AT_ONCE >= len(rows):
            give_back(mapped)
            touched = 0


def give_back(mapped: Array) -> None:
    """Let the pages of a mapped file no longer count as this process's memory; the system's cache keeps them."""
    base: Any = mapped
    while not isinstance(base, mmap.mmap) and base is not None:
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def window_for(
    memory: int | str | None, table: Table, parts: Sequence[Tiles], column: int, keeping: Keeping, world: World
) -> Window | None:
    """The buffer for the parts' columns of this many bytes, None if they fit into `memory` on every rank. Collective.

    Raises UsageError, on all ranks, if they do not fit and the solver or the format cannot stream.
    """
    if memory is None:
        return None
    most, need = amount(memory), float(world.max(float(column * sum(t.hi - t.lo for t in parts)))[0])
    if need <= most:
        return None
    said = f"data.memory = {memory!r}: a rank's samples take {size(need)}"
    if not keeping.streams:
        cure = f"use more ranks, more data.memory, or a solver that streams: {', '.join(keeping.streaming())}"
        raise UsageError(f"{said}, and {keeping.who} cannot stream them: it needs them all in every iteration; {cure}")
    if not table.streams:
        raise UsageError(f"{said}, and {table.where} cannot be streamed; stream from {FORMATS}, or use more ranks")
    return Window(most)


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
    if labelling is not None:
        labelling.encode(labels, table, rows)
    elif table.targets == 1:
        labels = labels[:, 0]
    x: Any = Streamed(mine, window, dtype, ones, factor, transform)
    _ = x.extremes
    return Samples(tiles.n, tiles, x, labels.T)


def transformed(x: Any, transform: Affine, dtype: Any, world: World) -> Any:
    """Raw streamed features, transformed and cast; every value is looked at once. Collective."""
    with world.together("reading the data"):
        found: Streamed = x.transformed(transform, dtype)
        _ = found.extremes
    return found
