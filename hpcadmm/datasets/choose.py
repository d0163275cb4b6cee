"""Which rows of a table become samples, in which order: class subset, split, order, the first n, then validation."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.table import Rows, Source, Table
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import Tiles, tile_width

Order = Literal["file", "shuffled", "labels"]
# With split_seed the seeds of other draws than the split's own, whose permutation applied twice would be no shuffle.
ORDER, VALIDATION = 1, 2


def shuffled(n: int, seed: int | Sequence[int]) -> NDArray[np.int64]:
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


def held_out(source: Source, fraction: float, seed: int) -> tuple[Source, Source]:
    """The rows in their order without floor(fraction * n) of them, and those, in the order that `seed` draws them.

    Raises UsageError where one of the two would be empty.
    """
    n = len(source.rows)
    count = int(Decimal(str(fraction)) * n)
    if not 0 < count < n:
        raise UsageError(
            f"data.validation = {fraction}: {count} of the {n} samples of the train part would be held out"
        )
    drawn = shuffled(n, [seed, VALIDATION])[:count]
    kept = np.delete(np.arange(n), drawn)
    return Source(source.table, pick(source.rows, kept)), Source(source.table, pick(source.rows, drawn))


def ordered(source: Source, order: Order, seed: int) -> Source:
    """The rows as they come, permuted by a draw of their own from `seed`, or by their labels.

    "labels": increasing labels of the file (in a regression targets: by the first, then the next); equal ones stay as
    they come. Every rank reads the labels of the whole table, and nothing is said between ranks.
    """
    if order == "file":
        return source
    if order == "shuffled":
        return Source(source.table, pick(source.rows, shuffled(len(source.rows), [seed, ORDER])))
    read = list(source.table.labels())
    labels = np.concatenate(read) if read else np.empty(0, np.int64)
    rows = source.rows
    own = labels[rows.start : rows.stop] if isinstance(rows, range) else labels[rows]
    keys = own.T[::-1] if own.ndim == 2 else own[None]
    return Source(source.table, pick(rows, np.lexsort(keys)))


def check_parts(train: Source, test: Source) -> None:
    """Raise UsageError if there is nothing to train on, or the parts differ in their width."""
    if not len(train.rows):
        raise UsageError(f"{train.table.where}: no samples in the train part")
    if (train.table.features, train.table.targets) != (test.table.features, test.table.targets):
        raise UsageError(f"{test.table.where}: {shape(test.table)}, but the train part has {shape(train.table)}")


def shape(table: Table) -> str:
    """A table's width in words."""
    return f"{table.features} features and {table.targets or 'no'} real targets"


def first(source: Source, count: int | None, key: str) -> Source:
    """The first `count` rows, all if None."""
    if count is None:
        return source
    if count > len(source.rows):
        raise UsageError(f"data.{key} = {count}: that part has {len(source.rows)} samples after the other options")
    return Source(source.table, source.rows[:count])


def dealt(n: int, world: World, tile: int = 64, parts: int = 0) -> Tiles:
    """The tiles of n columns on this rank, each at least `tile` wide, or so many parts."""
    return Tiles(n, tile_width(n, tile), world.size, world.rank, parts)
