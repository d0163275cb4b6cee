"""From raw rows of a table to the columns of one rank, block by block."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets.choose import pick
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import READING, Array, Read, Rows, Source, Table, empty_labels, step
from hpcadmm.datasets.tabular.exchange import Plan, arriving, edges_of
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import Tiles

Index = slice | NDArray[np.int64]


def filled(
    sources: Sequence[Source],
    labelling: Labelling | None,
    tiles: Sequence[Tiles],
    dtype: Any,
    ones: bool,
    factor: int = 1,
    transform: Affine | None = None,
    *,
    world: World,
    plans: dict[int, Plan] | None = None,
    form: "type[Destination] | None" = None,
) -> list[Samples]:
    """This rank's columns of each part, down-sampled by `factor` and transformed (None: raw); targets are raw.

    x is a view of an array that `transform.narrowed` can shrink. Parts of one table are read together. plans: of
    exchanges, kept for the same rows of other views of a table. form: where the rows go; None: into memory.
    Collective; raises UsageError on all ranks.
    """
    with world.together(READING), memory.spared("the samples"):
        of = (form or Destination).of
        made = [of(s, t, dtype, ones, factor, transform) for s, t in zip(sources, tiles, strict=True)]
    direct = [to for to in made if to.direct and world.samples.size == world.size]  # else several ranks want a row
    for to in direct:
        with world.together(READING), memory.spared("the samples"):
            to.read()
    others = [to for to in made if to not in direct]
    for table in dict.fromkeys(s.table for s in sources):
        receive([to for to in others if to.source.table is table], world, {} if plans is None else plans)
    with world.together(READING):
        return [to.samples(labelling) for to in made]


def receive(made: "Sequence[Destination]", world: World, plans: dict[int, Plan]) -> None:
    """Read parts of one table, each rank a share, and send the rows to their owners. Collective."""
    if not made:
        return
    table = made[0].source.table
    key = id(getattr(table, "raw", table))
    if key not in plans:
        plans[key] = Plan.of([to.source for to in made], [edges_of(to.tiles) for to in made], world)
        memory.trim()
    for arrivals in arriving(table, plans[key], world):
        with world.together(READING):
            for to, arrival in zip(made, arrivals, strict=True):
                columns = arrival.columns - to.tiles.lo
                to.store(arrival.features, arrival.labels, pick(to.rows, columns), columns)


@dataclass(frozen=True)
class Destination:
    """Where this rank's rows of a part go: x (features + ones, samples) and labels; how they are changed."""

    source: Source
    tiles: Tiles
    rows: Rows
    x: Array
    labels: Array
    factor: int
    transform: Affine | None

    @classmethod
    def of(
        cls, source: Source, tiles: Tiles, dtype: Any, ones: bool, factor: int, transform: Affine | None
    ) -> "Destination":
        rows = source.rows[tiles.lo : tiles.hi]
        x = cls.room(width(source.table, factor), len(rows), ones, dtype)
        return cls(source, tiles, rows, x, empty_labels(source.table, len(rows)), factor, transform)

    @staticmethod
    def room(features: int, rows: int, ones: bool, dtype: Any) -> Any:
        """The place for the features, with a last row of ones if `ones`."""
        x = np.empty((features + ones) * rows, dtype).reshape((features + ones, rows), order="F")
        x[features:] = 1
        return x

    def put(self, block: Array, columns: Index) -> None:
        """Keep transformed features (samples, features) as these columns of x."""
        self.x.T[columns, : block.shape[1]] = block

    @property
    def direct(self) -> bool:
        """Does this rank read its own rows?"""
        return self.source.table.apart and isinstance(self.rows, range)

    def read(self) -> None:
        """Read this rank's own rows."""
        if len(self.rows):
            with self.source.table.reader() as read:
                self.gather(read)

    def gather(self, read: Read) -> None:
        """Read the rows in their order, in blocks."""
        for start, stop, got, put in visits(self.rows, step(self.source.table.features)):
            raw, found = read(start, stop)
            self.store(raw[got], found[got], np.arange(start, stop)[got], put)

    def store(self, raw: Array, found: Array, rows: Array, put: Index) -> None:
        """Write the raw features and labels of the table's `rows` to the samples `put`.

        The transform of the features is computed in float64 before they are cast.
        """
        table = self.source.table
        if not len(raw):
            return
        block = features_of(raw, table, self.factor, self.transform, self.x.dtype)
        check_finite(block, raw, table, rows)
        if table.targets:
            check_finite(found, found, table, rows, target=True)
        self.put(block, put)
        self.labels[put] = found

    def samples(self, labelling: Labelling | None) -> Samples:
        """The part, its labels encoded."""
        labels = encoded(self.labels, labelling, self.source.table, self.rows)
        return Samples(self.tiles.n, self.tiles, self.x, labels)


def encoded(labels: Array, labelling: Labelling | None, table: Table, rows: Rows) -> Array:
    """The labels of the table's `rows` as `Samples` holds them: classes (m,), or targets (m,) or (k, m)."""
    if labelling is not None:
        labelling.encode(labels, table, rows)
    return labels[:, 0] if table.targets == 1 else labels.T


def features_of(raw: Array, table: Table, factor: int, transform: Affine | None, dtype: Any) -> Array:
    """Raw rows, down-sampled by `factor`, transformed in float64 (None: not) and cast."""
    values = averaged(raw, check_image(table, factor), factor) if factor > 1 else raw
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = values if transform is None else transform.rows(values)
        return scaled.astype(dtype, copy=False)


def visits(rows: Rows, stride: int) -> Iterator[tuple[int, int, Index, Index]]:
    """How to collect `rows` by increasing reads of at most `stride` rows: start, stop, which of these, and where to.

    >>> [(a, b, g.tolist(), p.tolist()) for a, b, g, p in visits(np.array([7, 2, 3]), 4)]
    [(2, 4, [0, 1], [1, 2]), (7, 8, [0], [0])]
    """
    if isinstance(rows, range):
        for start in range(rows.start, rows.stop, stride):
            stop = min(start + stride, rows.stop)
            yield start, stop, slice(None), slice(start - rows.start, stop - rows.start)
        return
    order = np.argsort(rows, kind="stable")
    lo = 0
    while lo < order.size:
        start = int(rows[order[lo]])
        hi = lo + int(np.searchsorted(rows[order[lo : lo + stride]], start + stride))
        put = order[lo:hi]
        yield start, int(rows[put[-1]]) + 1, rows[put] - start, put
        lo = hi


def averaged(block: Array, image: tuple[int, int, int], factor: int) -> Array:
    """The means of factor x factor pixels, channel by channel; sums of integers, so exact for bytes.

    >>> averaged(np.array([[1, 3, 5, 7, 1, 3, 5, 7]], np.uint8), (1, 2, 4), 2).tolist()
    [[2.0, 6.0]]
    """
    channels, height, width = image
    pixels = block.reshape(len(block), channels, height // factor, factor, width // factor, factor)
    total = pixels.sum(axis=(3, 5), dtype=np.int64 if block.dtype.kind in "iu" else np.float64)
    return (total / factor**2).reshape(len(block), -1)


def check_image(table: Table, factor: int) -> tuple[int, int, int]:
    """The shape of the images to down-sample. Raises UsageError if there are none or `factor` does not divide them."""
    if table.image is None:
        raise UsageError(f"data.downsample = {factor}: {table.where} holds no images; set data.image if it does")
    _, height, width = table.image
    if height % factor or width % factor:
        common = np.gcd(height, width)
        allowed = [d for d in range(1, common + 1) if common % d == 0]
        raise UsageError(f"data.downsample = {factor}: allowed for images of {height} x {width} are {allowed}")
    return table.image


def width(table: Table, factor: int) -> int:
    """Features of a sample after down-sampling."""
    if factor > 1:
        check_image(table, factor)
    return table.features // factor**2


def check_finite(block: Array, read: Array, table: Table, rows: Array, target: bool = False) -> None:
    """Raise UsageError for the first value of a cast block (samples, features or targets) that is not finite."""
    if np.isfinite(block).all():
        return
    row, column = (int(i) for i in np.argwhere(~np.isfinite(block))[0])
    same = read.shape == block.shape
    raw = read[row, column] if same else "a value"
    cause = "is too large for" if np.isfinite(raw if not isinstance(raw, str) else 0.0) else "is not a finite"
    at = f"target {column + 1}" if target else f"column {table.feature(column) if same else column + 1}"
    where = f"{table.where}: row {int(rows[row]) + 1}, {at}"
    raise UsageError(f"{where} (counted from 1): {raw} {cause} {block.dtype}; correct or remove that row")


def check_range(x: Array, dtype: Any, source: Source, tiles: Tiles) -> None:
    """Raise UsageError for the first sample of x (features, samples) with a value beyond the range of dtype."""
    if x.dtype == dtype or not x.size or max(x.max(), -x.min()) <= np.finfo(dtype).max:
        return
    column = int(np.flatnonzero((np.abs(x) > np.finfo(dtype).max).any(axis=0))[0])
    with np.errstate(over="ignore"):
        block = x[:, [column]].T.astype(dtype)
    rows = source.rows[tiles.lo : tiles.hi]
    check_finite(block, x[:, [column]].T, source.table, np.array([rows[column]]))
