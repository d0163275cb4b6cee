"""The features of a table, some whole tiles of samples at a time, so that a file of any size can be predicted from."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.fill import Destination, width
from hpcadmm.datasets.table import Source, Table, empty_labels, step
from hpcadmm.datasets.transform import Affine
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles, tile_width

Block = tuple[Array, list[slice]]  # x (features + ones, columns) in Fortran order, and its tiles


def dealt(table: Table, world: World) -> Tiles:
    """The tiles of the samples on this rank: of up to 1024 samples and about `step`, whatever the number of ranks."""
    widest = max(16, 1 << (step(table.features).bit_length() - 1))
    return Tiles(table.rows, min(tile_width(table.rows), widest), world.size, world.rank)


def blocks(table: Table, tiles: Tiles, inputs: Affine, dtype: Any, ones: bool, factor: int) -> Iterator[Block]:
    """This rank's samples in the order of the rows, transformed and down-sampled by `factor`.

    Each block is read when it is asked for.
    """
    features = width(table, factor)
    with table.reader() as read:
        for group in grouped(tiles, step(table.features)):
            start, stop = group[0].start, group[-1].stop
            x = np.empty((features + ones, stop - start), dtype, order="F")
            x[features:] = 1
            rows = range(tiles.lo + start, tiles.lo + stop)
            labels = empty_labels(table, stop - start)
            Destination(Source.whole(table), tiles, rows, x, labels, factor, inputs).gather(read)
            yield x, moved(group)


def moved(group: list[slice]) -> list[slice]:
    """Consecutive tiles, counted from the first of them."""
    return [slice(t.start - group[0].start, t.stop - group[0].start) for t in group]


def grouped(tiles: Tiles, most: int) -> Iterator[list[slice]]:
    """This rank's tiles in groups of at most `most` columns, at least one tile each.

    >>> [len(group) for group in grouped(Tiles(12, 4), 9)]
    [2, 1]
    """
    own = (columns for _, columns in tiles)
    while group := list(islice(own, max(1, most // tiles.width))):
        yield group
