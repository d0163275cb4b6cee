"""Samples of a file whose rows cannot be read again: kept in a scratch file, from which they are streamed."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets.choose import pick
from hpcadmm.datasets.disk.flat import Flat
from hpcadmm.datasets.disk.unnamed import full, unnamed
from hpcadmm.datasets.fill import Destination, Index, filled
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.lean.streamed import Streamed
from hpcadmm.datasets.lean.window import Window
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import READING, Array, Read, Source, Table
from hpcadmm.datasets.tabular.table import RawTable
from hpcadmm.datasets.transform import Affine
from hpcadmm.model.tiles import Tiles


class Spool:
    """Raw features (rows, features) in a scratch file, in the order in which they come.

    at: the row of the file that holds each column of the part.
    """

    def __init__(self, rows: int, features: int, dtype: Any) -> None:
        self.shape, self.dtype, self.count = (rows, features), np.dtype(dtype), 0
        self.at = np.full(rows, -1, np.int64)
        with full(self.bytes):
            self.file = unnamed(self.bytes)

    @property
    def bytes(self) -> int:
        """Bytes of the file."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    def add(self, block: Array, put: Index) -> None:
        """Write rows, which are the columns `put` of the part."""
        with full(self.bytes):
            self.file.write(np.ascontiguousarray(block, self.dtype).data)
        self.at[put] = np.arange(self.count, self.count + len(block))
        self.count += len(block)

    def flat(self) -> Flat:
        """All rows; the file goes with this."""
        with full(self.bytes):
            self.file.flush()
        return Flat(Path(tempfile.gettempdir()), self.file, 0, self.shape, self.dtype)


class Spooled(Destination):
    """A part whose rows go to a scratch file as they come."""

    @staticmethod
    def room(features: int, rows: int, ones: bool, dtype: Any) -> Any:
        return Spool(rows, features, dtype)

    def put(self, block: Array, columns: Index) -> None:
        spool: Any = self.x
        spool.add(block, columns)


class Scratch(Table):
    """This rank's columns of one part, as rows of a scratch file."""

    streams = True

    def __init__(self, source: Source, tiles: Tiles, spool: Spool) -> None:
        self.table, self.numbers, self.at = source.table, source.rows[tiles.lo : tiles.hi], spool.at
        (self.rows, self.features), self.dtype, self.kept = spool.shape, spool.dtype, spool.flat()

    @contextmanager
    def reader(self) -> Iterator[Read]:
        yield lambda start, stop: (self.kept.read(start, stop), np.zeros(stop - start, np.int64))

    def flat(self) -> Flat:
        return self.kept

    def origin(self, rows: Array) -> tuple[Table, Array]:
        return self.table, pick(self.numbers, np.argsort(self.at)[rows])


@dataclass(frozen=True)
class Kept:
    """Both parts on this rank, with raw features in scratch files."""

    sources: Sequence[Source]
    parts: Sequence[Samples]
    window: Window

    @classmethod
    def of(
        cls,
        sources: Sequence[Source],
        labelling: Labelling | None,
        tiles: Sequence[Tiles],
        window: Window,
        factor: int,
        world: World,
    ) -> "Kept":
        """Read both parts, down-sampled by `factor`; collective."""
        dtype = raw_type(sources, factor)
        parts = filled(sources, labelling, tiles, dtype, False, factor, world=world, form=Spooled)
        own = []
        with world.together(READING):
            for source, part in zip(sources, parts, strict=True):
                spool: Any = part.x
                own.append(Source(Scratch(source, part.tiles, spool), spool.at))
                if isinstance(source.table, RawTable):
                    source.table.raw.shards.clear()
        memory.trim()
        return cls(own, parts, window)

    def streamed(self, index: int, dtype: Any, ones: bool, transform: Affine | None) -> Samples:
        """The train (0) or the test (1) part, with x streamed; every value is looked at once."""
        x: Any = Streamed(self.sources[index], self.window, dtype, ones, 1, transform)
        _ = x.extremes
        return replace(self.parts[index], x=x)


def raw_type(sources: Sequence[Source], factor: int) -> Any:
    """The type of the raw features after down-sampling."""
    return np.result_type(*(s.table.dtype for s in sources)) if factor == 1 else np.float64


def said(sources: Sequence[Source], features: int, factor: int) -> str:
    """Where the samples are, for the user."""
    size = sum(len(s.rows) for s in sources) * features * np.dtype(raw_type(sources, factor)).itemsize
    where = f"scratch files of {memory.size(size)} in {tempfile.gettempdir()}"
    return f"{sources[0].table.where}: samples exceed data.memory: kept in {where}"
