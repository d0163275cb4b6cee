"""Samples of a sparse format that stay sparse in memory."""

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcadmm.datasets.choose import labels_of
from hpcadmm.datasets.fill import check_finite
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.lean.keeping import Keeping
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import Array, Source, Table
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
    density = len(held.data) / max(table.rows * table.features, 1)
    return keeping.sparse and not shifts and dataset.downsample == 1 and (asked is True or density < DENSITY)


def samples(
    source: Source,
    labelling: Labelling | None,
    tiles: Tiles,
    dtype: Any,
    ones: bool,
    transform: Affine | None = None,
) -> Samples:
    """This rank's columns of one part, as `fill.filled`, with x sparse."""
    table, rows = source.table, np.asarray(source.rows[tiles.lo : tiles.hi], np.int64)
    labels = labels_of(Source(table, rows))
    if labelling is not None:
        labelling.encode(labels, table, rows)
    elif table.targets == 1:
        check_finite(labels, labels, table, rows, target=True)
        labels = labels[:, 0]
    x: Any = entries(table, rows, dtype, ones, transform)
    return Samples(tiles.n, tiles, x, labels.T)


def entries(table: Any, rows: Array, dtype: Any, ones: bool, transform: Affine | None) -> "Sparse":
    """x (features + ones, rows) of a table of entries: of each row its own entries, then one of the row of ones."""
    from hpcadmm.model.sparse import Sparse

    counts = np.diff(table.starts)[rows]
    ends = np.cumsum(counts)
    taken = np.repeat(table.starts[rows] - (ends - counts), counts) + np.arange(int(counts.sum()))
    starts = np.concatenate([[0], ends + ones * np.arange(1, len(rows) + 1)])
    put = np.arange(len(taken)) + ones * np.repeat(np.arange(len(rows)), counts)
    at = np.full(starts[-1], table.features, np.int32)
    data = np.ones(starts[-1], np.float64)
    at[put], data[put] = table.at[taken], table.data[taken]
    found = Sparse.of(data, at, starts, table.features + ones)
    found = found if transform is None else transformed(found, transform, np.float64)
    with np.errstate(over="ignore"):
        cast = found.matrix.data.astype(dtype)
    if not np.isfinite(cast).all():
        row = int(np.searchsorted(starts, np.flatnonzero(~np.isfinite(cast))[0], side="right")) - 1
        with table.reader() as read:
            raw = read(int(rows[row]), int(rows[row]) + 1)[0]
        with np.errstate(over="ignore"):
            check_finite(raw.astype(dtype), raw, table, rows[row : row + 1])
    return Sparse.of(cast, at, starts, table.features + ones)


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
    return 12.0 * len(table.data) * (tiles.hi - tiles.lo) / max(table.rows, 1)
