"""From raw rows of a table to the columns of one rank, block by block."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import Array, Rows, Source, Table, step
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import Tiles

Index = slice | NDArray[np.int64]


def filled(
    source: Source,
    labelling: Labelling | None,
    tiles: Tiles,
    dtype: Any,
    ones: bool,
    factor: int = 1,
    transform: Affine | None = None,
) -> Samples:
    """This rank's columns of one part, down-sampled by `factor` and transformed (None: raw); targets are raw.

    x is a view of an array that `transform.narrowed` can shrink.
    """
    table, rows = source.table, source.rows[tiles.lo : tiles.hi]
    features = width(table, factor)
    size = features + ones, len(rows)
    x = np.empty(size[0] * size[1], dtype).reshape(size, order="F")
    x[features:] = 1
    labels = empty_labels(table, len(rows))
    if len(rows):
        with table.reader() as read:
            gather(table, read, rows, x.T[:, :features], labels, factor, transform)
    if labelling is not None:
        labelling.encode(labels, table, rows)
    elif table.targets == 1:
        labels = labels[:, 0]
    return Samples(tiles.n, tiles, x, labels.T)


def gather(
    table: Table, read: Any, rows: Rows, out: Array, labels: Array, factor: int = 1, transform: Affine | None = None
) -> None:
    """Read rows in their order into `out` (samples, features) and `labels`, in blocks.

    transform: of the features, computed in float64 before they are cast to the type of `out`.
    """
    for start, stop, got, put in visits(rows, step(table.features)):
        raw, found = read(start, stop)
        raw, found = raw[got], found[got]
        values = averaged(raw, check_image(table, factor), factor) if factor > 1 else raw
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = values if transform is None else transform.rows(values)
            block = scaled.astype(out.dtype, copy=False)
        rows_read = np.arange(start, stop)[got]
        check_finite(block, raw, table, rows_read)
        if table.targets:
            check_finite(found, found, table, rows_read, target=True)
        out[put] = block
        labels[put] = found


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


def empty_labels(table: Table, count: int) -> Array:
    """An array for `count` labels: int64 (count,), or float64 targets (count, targets)."""
    return np.empty((count, table.targets)) if table.targets else np.empty(count, np.int64)


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
