"""Which rows of a table become samples, in which order: class subset, then split, then the first n."""

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.table import Rows, Source
from hpcadmm.errors import UsageError


def shuffled(n: int, seed: int) -> NDArray[np.int64]:
    """The permutation of range(n) that sorts n raw draws of PCG64(seed), whose stream numpy keeps for ever.

    >>> shuffled(6, 0).tolist()
    [3, 2, 1, 0, 4, 5]
    """
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")


def pick(rows: Rows, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """rows[index], also for a range (of step 1)."""
    return index + rows.start if isinstance(rows, range) else rows[index]


def subset(source: Source, classes: list[int]) -> Source:
    """The rows whose label is one of `classes`, in file order."""
    found = [np.isin(block, classes) for block in source.table.labels()]
    mask = np.concatenate(found) if found else np.zeros(0, bool)
    rows = source.rows
    inside = mask[rows.start : rows.stop] if isinstance(rows, range) else mask[rows]
    chosen = pick(rows, np.flatnonzero(inside))
    if not chosen.size:
        raise UsageError(f"data.classes = {classes}: no sample of {source.table.where} has such a label")
    return Source(source.table, chosen)


def split(source: Source, fraction: float, shuffle: bool, seed: int) -> tuple[Source, Source]:
    """The first floor(fraction * n) rows for training and the rest for testing, after a permutation or not."""
    n = len(source.rows)
    kept = int(Decimal(str(fraction)) * n)
    rows = pick(source.rows, shuffled(n, seed)) if shuffle else source.rows
    return Source(source.table, rows[:kept]), Source(source.table, rows[kept:])


def first(source: Source, count: int | None, key: str) -> Source:
    """The first `count` rows, all if None."""
    if count is None:
        return source
    if count > len(source.rows):
        raise UsageError(f"data.{key} = {count}: that part has {len(source.rows)} samples after the other options")
    return Source(source.table, source.rows[:count])
