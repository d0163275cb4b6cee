"""From raw rows of a table to the columns of one rank, block by block."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.table import Array, Rows, Source, Table, step
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError

Index = slice | NDArray[np.int64]


def visits(rows: Rows, stride: int) -> Iterator[tuple[int, int, Index, Index]]:
    """How to collect `rows` with increasing reads of at most `stride` rows: start, stop, which of those, to where.

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
    """The means of factor x factor pixels, channel by channel; integer sums, so exact for bytes.

    >>> averaged(np.array([[1, 3, 5, 7, 1, 3, 5, 7]], np.uint8), (1, 2, 4), 2).tolist()
    [[2.0, 6.0]]
    """
    channels, height, width = image
    pixels = block.reshape(len(block), channels, height // factor, factor, width // factor, factor)
    total = pixels.sum(axis=(3, 5), dtype=np.int64 if block.dtype.kind in "iu" else np.float64)
    return (total / factor**2).reshape(len(block), -1)


def check_image(table: Table, factor: int) -> tuple[int, int, int]:
    """The image shape of a table that is to be down-sampled, or a UsageError."""
    if table.image is None:
        raise UsageError(f"data.downsample = {factor}: {table.where} holds no images (set data.image?)")
    _, height, width = table.image
    if height % factor or width % factor:
        common = np.gcd(height, width)
        allowed = [d for d in range(1, common + 1) if common % d == 0]
        raise UsageError(f"data.downsample = {factor}: images of {height} x {width} take one of {allowed}")
    return table.image


def width(table: Table, factor: int) -> int:
    """Features of a sample after down-sampling."""
    if factor == 1:
        return table.features
    check_image(table, factor)
    return table.features // factor**2


def empty_labels(table: Table, count: int) -> Array:
    """Room for `count` labels: int64 (count,), or float64 targets (count, targets)."""
    return np.empty((count, table.targets)) if table.targets else np.empty(count, np.int64)


def room(size: tuple[int, int], dtype: Any) -> NDArray[Any]:
    """An empty array in Fortran order, a view of one that `transform.narrowed` may shrink."""
    return np.empty(size[0] * size[1], dtype).reshape(size, order="F")


def check_finite(block: Array, read: Array, table: Table, rows: Array, target: bool = False) -> None:
    """Raise UsageError at the first value of a cast block (samples, features or targets) that is not finite."""
    if np.isfinite(block).all():
        return
    row, column = (int(i) for i in np.argwhere(~np.isfinite(block))[0])
    same = read.shape == block.shape
    raw = read[row, column] if same else "a value"
    cause = "is too large for" if np.isfinite(raw if not isinstance(raw, str) else 0.0) else "is no number for"
    at = f"target {column + 1}" if target else f"column {table.feature(column) if same else column + 1}"
    where = f"{table.where}: row {int(rows[row]) + 1}, {at}"
    raise UsageError(f"{where} (counted from 1): {raw} {cause} {block.dtype}; remove or mend that row")


def fill(source: Source, out: Array, labels: Array, factor: int = 1, transform: Affine | None = None) -> None:
    """Read the source's rows, in their order, into `out` (samples, features) and `labels`.

    transform: of the features, computed in float64 before they are cast to the type of `out`.
    Peak memory beyond the two is a few blocks.
    """
    with source.table.reader() as read:
        gather(source.table, read, source.rows, out, labels, factor, transform)


def gather(
    table: Table, read: Any, rows: Rows, out: Array, labels: Array, factor: int = 1, transform: Affine | None = None
) -> None:
    """`fill` with a reader that is open already."""
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
