"""Choose the rows of a table and their order: class subset, split, order, the first n, validation, then shards."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.table import Rows, Source
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import Tiles, tile_width

Order = Literal["file", "shuffled", "labels"]
# Added to split_seed, so that these draws differ from that of the split; its permutation twice would be no shuffle.
ORDER, VALIDATION, SHARDS = 1, 2, 3


def shuffled(n: int, seed: int | Sequence[int]) -> NDArray[np.int64]:
    """The permutation of range(n) that sorts n raw draws of PCG64(seed), whose stream numpy guarantees.

    >>> shuffled(6, 0).tolist()
    [3, 2, 1, 0, 4, 5]
    """
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")


def pick(rows: Rows, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """rows[index], also for a range (of step 1)."""
    return index + rows.start if isinstance(rows, range) else rows[index]


def labels_of(source: Source) -> NDArray[Any]:
    """The labels or targets of the source's rows; reads those of the whole table."""
    read = list(source.table.labels())
    labels = np.concatenate(read) if read else np.empty(0, np.int64)
    rows = source.rows
    return labels[rows.start : rows.stop] if isinstance(rows, range) else labels[rows]


def subset(source: Source, classes: list[int], given: object) -> Source:
    """The rows whose label is one of `classes`, which the user calls `given`, in file order."""
    chosen = pick(source.rows, np.flatnonzero(np.isin(labels_of(source), classes)))
    if not chosen.size:
        raise UsageError(f"data.classes = {given}: {source.table.where} has no sample with these labels")
    return Source(source.table, chosen)


def split(source: Source, fraction: float, shuffle: bool, seed: int) -> tuple[Source, Source]:
    """The first floor(fraction * n) rows to train on and the rest to test on, shuffled or not."""
    n = len(source.rows)
    kept = int(Decimal(str(fraction)) * n)
    rows = pick(source.rows, shuffled(n, seed)) if shuffle else source.rows
    return Source(source.table, rows[:kept]), Source(source.table, rows[kept:])


def held_out(source: Source, fraction: float, seed: int) -> tuple[Source, Source]:
    """The rows in order without floor(fraction * n) held-out ones, and these in the order `seed` draws them."""
    n = len(source.rows)
    count = int(Decimal(str(fraction)) * n)
    if not 0 < count < n:
        said = f"holds out {count} of the {n} samples of the train part"
        raise UsageError(f"data.validation = {fraction}: {said}; choose a fraction that leaves both parts a sample")
    drawn = shuffled(n, [seed, VALIDATION])[:count]
    kept = np.delete(np.arange(n), drawn)
    return Source(source.table, pick(source.rows, kept)), Source(source.table, pick(source.rows, drawn))


def ordered(source: Source, order: Order, seed: int) -> Source:
    """The rows as they are, shuffled by `seed`, or stably sorted by label or by targets (the first, then the next).

    "labels" makes every rank read the labels of the whole table, without communication.
    """
    if order == "file":
        return source
    if order == "shuffled":
        return Source(source.table, pick(source.rows, shuffled(len(source.rows), [seed, ORDER])))
    own = labels_of(source)
    keys = own.T[::-1] if own.ndim == 2 else own[None]
    return Source(source.table, pick(source.rows, np.lexsort(keys)))


def sharded(source: Source, shards: int | None, seed: int) -> Source:
    """The rows, sorted as by `ordered` and cut into even `shards`, whose order `seed` draws; unchanged if None.

    The shard at each place is as long as the place: if N divides `shards`, each of N even parts is whole shards.
    """
    if shards is None:
        return source
    n = len(source.rows)
    if shards > n:
        raise UsageError(f"data.shards = {shards}: the train part has {n} samples; choose at most this number")
    drawn = shuffled(shards, [seed, SHARDS])
    sizes = np.empty(shards, np.int64)
    sizes[drawn] = np.diff(np.arange(shards + 1) * n // shards)
    cut = np.split(np.asarray(ordered(source, "labels", seed).rows), np.cumsum(sizes)[:-1])
    return Source(source.table, np.concatenate([cut[shard] for shard in drawn]))


def check_parts(train: Source, test: Source) -> None:
    """Raise UsageError if the train part is empty or the parts differ in width."""
    if not len(train.rows):
        raise UsageError(f"{train.table.where}: the train part has no samples; choose other classes or a larger split")
    mine, other = (f"{t.features} features and {t.targets or 'no'} real targets" for t in (train.table, test.table))
    if mine != other:
        raise UsageError(f"{test.table.where} has {other}, but the train part has {mine}")


def first(source: Source, count: int | None, key: str) -> Source:
    """The first `count` rows, all if None."""
    if count is None:
        return source
    if count > len(source.rows):
        left = f"after the other options that part has {len(source.rows)} samples"
        raise UsageError(f"data.{key} = {count}: {left}; choose at most this number")
    return Source(source.table, source.rows[:count])


def dealt(n: int, world: World, tile: tuple[int, int] = (64, 1024), parts: int = 0) -> Tiles:
    """The tiles of n columns on this rank, each within the limits of `tile`, or `parts` even ones."""
    return Tiles(n, tile_width(n, *tile), world.size, world.rank, parts)
