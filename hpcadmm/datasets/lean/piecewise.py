"""Large tables of mixed columns: some features at a time are encoded, exchanged, scaled and cast.

So a rank holds its share of the file as it was read and its samples as the solver wants them, never both whole, and
float64 only of a few features.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets.fill import check_range, filled
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import READING, Array, Source
from hpcadmm.datasets.tabular.exchange import Plan
from hpcadmm.datasets.tabular.table import RawTable
from hpcadmm.datasets.transform import Affine, Kind, fitted
from hpcadmm.model.tiles import Tiles

HELD = 1 << 25  # bytes of float64 features that a rank holds at a time
STRETCH = 1 << 15  # columns that are put together at a time


def large(sources: Sequence[Source], features: int, world: World) -> bool:
    """Are both parts of tables of mixed columns, and large?"""
    rows = sum(len(source.rows) for source in sources)
    return (
        all(isinstance(source.table, RawTable) for source in sources)
        and 8 * rows * features > HELD * world.samples.size
    )


@dataclass(frozen=True)
class Pieces:
    """The parts to read. ones: add a last row of ones to x, which is of `dtype`."""

    sources: Sequence[Source]
    labelling: Labelling | None
    tiles: Sequence[Tiles]
    dtype: Any
    ones: bool
    features: int
    world: World

    def read(self, kind: Kind, known: Affine | None) -> tuple[list[Samples], Affine]:
        """This rank's columns of each part, and the transform of the features (None: by `kind`). Collective."""
        rows = sum(len(source.rows) for source in self.sources)
        views = self.views(max(2, HELD * self.world.samples.size // (8 * rows)))
        found, lo, labels = [], 0, list[Array]()
        inputs, plans = [], dict[int, Plan]()
        for sources in views:
            memory.trim()
            hi = lo + sources[0].table.features
            labelling = None if labels else self.labelling  # only the first views have labels
            parts = filled(sources, labelling, self.tiles, np.float64, False, world=self.world, plans=plans)
            own = known and Affine(known.shift[lo:hi], known.divisor[lo:hi])
            inputs.append(own or fitted(kind, parts[0].x, self.tiles[0], self.world.samples))
            with self.world.together(READING), memory.spared("the samples"):
                found.append([self.cast(*one, inputs[-1]) for one in zip(parts, sources, strict=True)])
            lo, labels = hi, labels or [part.labels for part in parts]
            del parts
        memory.trim()
        with self.world.together(READING), memory.spared("the samples"):
            whole = [self.whole(p, found, own_labels) for p, own_labels in enumerate(labels)]
        return whole, Affine(*(np.concatenate([getattr(a, key) for a in inputs]) for key in ("shift", "divisor")))

    def views(self, most: int) -> list[list[Source]]:
        """The parts with some of the features each."""
        tables: dict[Any, list[RawTable]] = {}
        for source in self.sources:
            assert isinstance(source.table, RawTable)
            tables.setdefault(source.table, source.table.views(most))
        each = [[Source(view, source.rows) for view in tables[source.table]] for source in self.sources]
        return [list(sources) for sources in zip(*each, strict=True)]

    def cast(self, part: Samples, source: Source, inputs: Affine) -> list[Array]:
        """Some features of a part, transformed and cast, in stretches of columns; the table forgets them, and part.x
        is invalid afterwards."""
        inputs.apply(part.x)
        check_range(part.x, self.dtype, source, part.tiles)
        assert isinstance(source.table, RawTable)
        source.table.release()
        return freed(part, self.dtype)

    def whole(self, index: int, found: list[list[list[Array]]], labels: Array) -> Samples:
        """A part put together from its stretches, which are freed on the way."""
        tiles = self.tiles[index]
        x = np.empty((self.features + self.ones, tiles.hi - tiles.lo), self.dtype, order="F")
        for k, (a, b) in enumerate(pairwise(stretches(x.shape[1]))):
            lo, x[self.features :, a:b] = 0, 1
            for group in found:
                piece = group[index][k]
                x[lo : lo + len(piece), a:b] = piece
                lo += len(piece)
                group[index][k] = piece[:, :0].copy()
            del piece
        return Samples(tiles.n, tiles, x, labels)


def stretches(columns: int) -> list[int]:
    """The edges of stretches of columns."""
    return [*range(0, columns, STRETCH), columns]


def freed(part: Samples, dtype: Any) -> list[Array]:
    """x, as `fill.filled` has made it, in stretches of columns, cast; its memory is given back from its end on."""
    (rows, columns), found = part.x.shape, list[Array]()
    owner: Any = part.x.base
    for a, b in reversed([*pairwise(stretches(columns))]):
        found.append(copied(owner[a * rows : b * rows].reshape((rows, b - a), order="F"), dtype))
        owner.resize(a * rows, refcheck=False)
    return found[::-1]


def copied(x: Array, dtype: Any) -> Array:
    """A copy in memory that goes back to the system as soon as it is freed."""
    size = prod(x.shape) * np.dtype(dtype).itemsize
    out = np.frombuffer(mmap.mmap(-1, max(size, 1)), dtype, prod(x.shape)).reshape(x.shape, order="F")
    out[...] = x
    return out
