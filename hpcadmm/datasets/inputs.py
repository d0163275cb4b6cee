"""The features of a table, some whole tiles of samples at a time, so that a file of any size can be predicted from."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.fill import empty_labels, gather, width
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import Table, step
from hpcadmm.datasets.transform import Affine
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles, tile_width

Block = tuple[Array, list[slice]]  # x (features + ones, columns) in Fortran order, and its tiles


def dealt(table: Table, world: World) -> Tiles:
    """The tiles of the samples on this rank: of up to 1024 samples and about `step`, whatever the number of ranks."""
    widest = max(16, 1 << (step(table.features).bit_length() - 1))
    return Tiles(table.rows, min(tile_width(table.rows), widest), world.size, world.rank)


def blocks(table: Table, tiles: Tiles, inputs: Affine, dtype: Any, ones: bool, factor: int = 1) -> Iterator[Block]:
    """This rank's samples in the order of the rows, transformed and down-sampled by `factor`; one block in memory."""
    features = width(table, factor)
    with table.reader() as read:
        for group in grouped([t for _, t in tiles], step(table.features)):
            start, stop = group[0].start, group[-1].stop
            x = np.empty((features + ones, stop - start), dtype, order="F")
            x[features:] = 1
            rows = range(tiles.lo + start, tiles.lo + stop)
            gather(table, read, rows, x.T[:, :features], empty_labels(table, stop - start), factor, inputs)
            yield x, [slice(t.start - start, t.stop - start) for t in group]


def whole(samples: Samples) -> Iterator[Block]:
    """The same of samples in memory: one block."""
    if len(samples.tiles):
        yield samples.x, [t for _, t in samples.tiles]


def grouped(tiles: list[slice], most: int) -> Iterator[list[slice]]:
    """Consecutive tiles in groups of at most `most` columns, at least one tile each.

    >>> [len(group) for group in grouped([slice(0, 4), slice(4, 8), slice(8, 12)], 9)]
    [2, 1]
    """
    count = max(1, most // max((t.stop - t.start for t in tiles), default=1))
    for first in range(0, len(tiles), count):
        yield tiles[first : first + count]
