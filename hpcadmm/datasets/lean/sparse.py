"""Samples of a sparse format that stay sparse in memory."""

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets.choose import labels_of
from hpcadmm.datasets.fill import check_finite, encoded
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.lean.keeping import Keeping
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import READING, Array, Source, Table
from hpcadmm.datasets.tabular.exchange import Route, edges_of
from hpcadmm.datasets.transform import Affine, Kind
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import Tiles

if TYPE_CHECKING:
    from hpcadmm.datasets.base import Dataset
    from hpcadmm.model.sparse import Sparse

DENSITY = 0.1  # share of entries up to which samples stay sparse by default
SHIFTED = 'data.sparse = true: the scaling shifts the features, so that zeros become numbers; set data.scale = "max"'


def wanted(dataset: "Dataset", table: Table, kind: Kind | None, transform: Affine | None, keeping: Keeping) -> bool:
    """Do the samples stay sparse? Raises UsageError if data.sparse = true and they cannot."""
    asked = getattr(dataset, "sparse", False)
    if not asked or not table.sparse:
        return False
    shifts = kind in ("standard", "unit") if transform is None else bool(transform.shift.any())
    if asked is True and not keeping.sparse:
        able = ", ".join(keeping.keeping())
        raise UsageError(f"data.sparse = true: {keeping.who} needs dense samples; these solvers do not: {able}")
    if asked is True and (shifts or dataset.downsample > 1):
        raise UsageError(SHIFTED)
    held: Any = table
    density = held.total / max(table.rows * table.features, 1)
    return keeping.sparse and not shifts and dataset.downsample == 1 and (asked is True or density < DENSITY)


def samples(
    source: Source,
    labelling: Labelling | None,
    tiles: Tiles,
    dtype: Any,
    ones: bool,
    transform: Affine | None,
    world: World,
) -> Samples:
    """This rank's columns of one part, as `fill.filled`, with x sparse. Collective."""
    table, rows = source.table, np.asarray(source.rows[tiles.lo : tiles.hi], np.int64)
    with world.together(READING), memory.spared("the labels"):
        labels = labels_of(Source(table, rows))
        if table.targets:
            check_finite(labels, labels, table, rows, target=True)
        labels = encoded(labels, labelling, table, rows)
    with memory.spared("the samples"):
        counts, at, data = owned(source, tiles, world)
    with world.together(READING), memory.spared("the samples"):
        starts = np.concatenate([[0], np.cumsum(counts)])
        with np.errstate(over="ignore"):
            values = data if transform is None else data / transform.divisor[at]
            cast = values.astype(dtype)
        if not np.isfinite(cast).all():
            column = int(np.searchsorted(starts, np.argmin(np.isfinite(cast)), side="right")) - 1
            name_fault(table, rows[column : column + 1], slice(*starts[column : column + 2]), at, data, dtype)
        x: Any = with_ones(counts, at, cast, table.features, ones)
    return Samples(tiles.n, tiles, x, labels)


def owned(source: Source, tiles: Tiles, world: World) -> tuple[Array, Array, Array]:
    """The number of entries of each of this rank's columns, and the features and values of all of them. Collective."""
    table: Any = source.table
    if table.shares is None:
        rows = np.asarray(source.rows[tiles.lo : tiles.hi], np.int64)
        taken = entries_of(table.starts, rows)
        return np.diff(table.starts)[rows], table.at[taken], table.data[taken]
    route = Route.of(source, edges_of(tiles), world.rank, world.size)
    rows, sent = route.sorted(table.shares[world.rank])
    expected, columns = route.expected(table.shares)
    rows = rows - table.first
    counts, taken = np.diff(table.starts)[rows], entries_of(table.starts, rows)
    arrived = world.exchange(counts, sent, expected)
    totals = totalled(counts, sent), totalled(arrived, expected)
    at, data = (world.exchange(array[taken], *totals) for array in (table.at, table.data))
    order = np.argsort(columns)
    back = entries_of(np.concatenate([[0], np.cumsum(arrived)]), order)
    return arrived[order], at[back], data[back]


def entries_of(starts: Array, rows: Array) -> Array:
    """Where the entries of these rows are, one row after the other.

    >>> entries_of(np.array([0, 2, 2, 5]), np.array([2, 0])).tolist()
    [2, 3, 4, 0, 1]
    """
    counts = np.diff(starts)[rows]
    return np.repeat(starts[rows] - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))


def totalled(counts: Array, rows: Any) -> Array:
    """The entries to or from each rank, from those of its rows."""
    return np.diff(np.concatenate([[0], np.cumsum(counts)])[np.concatenate([[0], np.cumsum(rows)])])


def with_ones(counts: Array, at: Array, data: Array, features: int, ones: bool) -> "Sparse":
    """x (features + ones, columns): the entries of each column, then one of the row of ones."""
    from hpcadmm.model.sparse import Sparse

    starts = np.concatenate([[0], np.cumsum(counts + ones)])
    put = np.arange(len(at)) + ones * np.repeat(np.arange(len(counts)), counts)
    every, held = np.full(starts[-1], features, np.int32), np.ones(starts[-1], data.dtype)
    every[put], held[put] = at, data
    return Sparse.of(held, every, starts, features + ones)


def name_fault(table: Table, row: Array, held: slice, at: Array, data: Array, dtype: Any) -> None:
    """Raise UsageError for the first value of a row that is not finite in `dtype`."""
    raw = np.zeros((1, table.features))
    raw[0, at[held]] = data[held]
    with np.errstate(over="ignore"):
        check_finite(raw.astype(dtype), raw, table, row)


def transformed(x: Any, transform: Affine, dtype: Any) -> Any:
    """x divided by the divisors of its features, and cast."""
    from hpcadmm.model.sparse import Sparse

    held, divisors = x.matrix, np.ones(len(x))
    divisors[: len(transform.divisor)] = transform.divisor
    data = held.data if transform.trivial else held.data / divisors[held.indices]
    return Sparse.of(data.astype(dtype, copy=False), held.indices, held.indptr, len(x))


def share(source: Source, tiles: Tiles) -> float:
    """Bytes of the entries of this rank's columns, as float64 and their features."""
    table: Any = source.table
    return 12.0 * table.total * (tiles.hi - tiles.lo) / max(table.rows, 1)
