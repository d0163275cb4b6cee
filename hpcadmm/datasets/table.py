"""A table: rows of features with labels or targets in files of one format."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.disk.flat import Flat
from hpcadmm.datasets.disk.stream import Stream, take
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import block

READING = "reading the data"  # a phase, for messages

Array = NDArray[Any]
Rows = range | NDArray[np.int64]  # row numbers of a table, in the order wanted
Read = Callable[[int, int], tuple[Array, Array]]  # (start, stop) -> the rows' features and labels
Span = tuple[int, int]  # rows start <= row < stop of a table

BLOCK = 1 << 22  # bytes of float64 in one block of rows
ROUND = 1 << 23  # bytes of float64 in the rows that a rank sends in one round


def step(features: int) -> int:
    """Rows in one block."""
    return max(1, BLOCK // (8 * max(features, 1)))


class Unweighted(UsageError):
    """There are no weights of this name."""


class Table(ABC):
    """What a reader of one file format offers.

    rows, features: number of each. targets: real targets per row (0: a row has a class).
    dtype: of the raw values. files: those read, for the digest and messages.
    image: (channels, height, width) if a row is an image, channel by channel.
    maximum: the largest possible raw value if known (255 for bytes; the least is 0).
    values, names: class labels fixed by the format, and their names.
    facts, warnings: lines for the user about how the file is read.
    mixed: the features were made of a table's columns of any kind.
    apart: rows can be read from anywhere in the file; else the first rank reads them and sends them to the others.
    sparse: the format leaves out zeros. streams: any rows can be read again at any time.
    made: no file or array holds the rows: they are made of the options and a seed.
    shares: the rows that each rank has in memory; None: any rank can read any row.
    stride: labels that are read at a time (0: as many as suit the features). every: those of all rows, once gathered.
    labelled: its rows have labels or targets.
    real: why the targets are real, to tell a user who meant classes.
    """

    rows: int
    features: int
    targets: int = 0
    labelled: bool = True
    dtype: Any = np.float64
    files: Sequence[Path] = ()
    image: tuple[int, int, int] | None = None
    maximum: float | None = None
    values: Sequence[int] | None = None
    names: Sequence[str] | None = None
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    mixed: bool = False
    apart: bool = True
    sparse: bool = False
    streams: bool = False
    made: bool = False
    shares: Sequence[Span] | None = None
    stride: int = 0
    every: Array | None = None
    real: str = 'the data are a regression: use loss.name = "squared"'

    @abstractmethod
    def reader(self) -> AbstractContextManager[Read]:
        """Open the files; the function read(start, stop) takes increasing, disjoint ranges.

        It returns raw features (stop - start, features) and int64 labels (stop - start,) or float64 targets
        (stop - start, targets).
        """

    def spans(self, world: World) -> list[Span]:
        """The share of the rows that this rank reads, in increasing pieces of at most ROUND bytes in float64."""
        lo, hi = self.portion(world) if self.shares is None else self.shares[world.rank]
        size = max(1, ROUND // (8 * self.features))
        return [(start, min(start + size, hi)) for start in range(lo, hi, size)]

    def remarks(self, world: World) -> list[str]:
        """Warnings of what was met while the rows were read. Collective."""
        return []

    def portion(self, world: World) -> Span:
        """The rows whose labels this rank reads for all ranks."""
        return block(self.rows, world.size, world.rank) if self.apart else (0, self.rows * world.first)

    def gather_labels(self, world: World) -> None:
        """Let every rank know the labels of all rows, before `labels` is called; each is read once. Collective."""
        with world.together(READING):
            own = np.concatenate([empty_labels(self, 0), *self.labels(self.portion(world))])
        parts = [part.view(own.dtype) for part in world.gather_bytes(own.reshape(-1).view(np.uint8))]
        self.every = np.concatenate(parts).reshape(-1, *own.shape[1:])

    def labels(self, rows: Span | None = None) -> Iterator[Array]:
        """The labels of these rows (None: all), in blocks."""
        lo, hi = rows or (0, self.rows)
        if self.every is not None:
            yield self.every[lo:hi]
            return
        stride = self.stride or step(self.features)
        with self.label_reader() as read:
            for start in range(lo, hi, stride):
                yield read(start, min(start + stride, hi))

    @contextmanager
    def label_reader(self) -> Iterator[Callable[[int, int], Array]]:
        """Open the files; the function read(start, stop) takes increasing, disjoint ranges and returns their labels."""
        with self.reader() as read:
            yield lambda start, stop: read(start, stop)[1]

    def origin(self, rows: Array) -> "tuple[Table, Array]":
        """The table and its rows that these rows are, for messages."""
        return self, rows

    def flat(self) -> Flat | None:
        """The raw features in the file; None if they do not lie there as numbers, one row after the other."""
        return None

    def weights_of(self, key: int | str) -> AbstractContextManager[Callable[[slice], Array]]:
        """Open the column or array `key` of weights: rows -> their weights (rows,). Raises Unweighted."""
        said = "this format has no columns to take weights from"
        raise Unweighted(f"data.weight = {key!r}: {self.where}: {said}")

    def spot(self, row: int, key: int | str) -> str:
        """Where a weight is, for messages; rows are counted from 0."""
        return f"{self.where}: row {row + 1} of {key}"

    def codes(self, wanted: Sequence[int | str], key: str) -> list[int]:
        """The labels as data.classes or data.positive give them. Raises UsageError for what is no label."""
        if strange := [one for one in wanted if isinstance(one, str)]:
            raise UsageError(f"data.{key}: {self.where} has whole numbers as labels, no {strange}")
        return [int(one) for one in wanted]

    def feature(self, index: int) -> str:
        """The name for the user of a feature (counted from 0): its column in the file, counted from 1."""
        return str(index + 1)

    def named(self) -> Any:
        """The Schema or Columns of the features, for `expect` of another file and for a checkpoint."""
        return Columns([])

    def expect(self, columns: Any) -> None:  # noqa: B027 (a format without names has nothing to do)
        """Order the columns as in the training, by name, if the format has names. Raises UsageError if they differ."""

    @property
    def where(self) -> str:
        """The table's first file, for messages."""
        return str(self.files[0]) if self.files else type(self).__name__


@dataclass(frozen=True)
class Source:
    """One part of a dataset: some rows of a table."""

    table: Table
    rows: Rows

    @classmethod
    def whole(cls, table: Table) -> "Source":
        return cls(table, range(table.rows))


Parts = tuple[Source, Source | None]  # train and test


def empty_labels(table: Table, count: int) -> Array:
    """An array for `count` labels: int64 (count,), or float64 targets (count, targets); or none (count, 0)."""
    if not table.labelled:
        return np.empty((count, 0))
    return np.empty((count, table.targets)) if table.targets else np.empty(count, np.int64)


def records(file: IO[bytes] | Stream, path: Path, offset: int, width: int, start: int, stop: int) -> NDArray[np.uint8]:
    """Records start..stop of `width` bytes each, the first of all at `offset`: uint8 (stop - start, width)."""
    file.seek(offset + start * width)
    return np.frombuffer(take(file, (stop - start) * width, path), np.uint8).reshape(stop - start, width)
