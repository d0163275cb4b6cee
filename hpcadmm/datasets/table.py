"""A table: rows of features with labels or targets, as they lie in files of one format."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.formats.header import Columns
from hpcadmm.datasets.formats.stream import Stream, take

Array = NDArray[Any]
Rows = range | NDArray[np.int64]  # row numbers of a table, in the order wanted
Read = Callable[[int, int], tuple[Array, Array]]  # (start, stop) -> the rows' features and labels

BLOCK = 1 << 22  # bytes of float64 in one block of rows


def step(features: int) -> int:
    """Rows in one block."""
    return max(1, BLOCK // (8 * max(features, 1)))


class Table(ABC):
    """What every format offers. Attributes:

    rows, features: its size; targets: real targets of a row (0: a row has a class);
    dtype: of the raw values; files: for the digest and for messages;
    image: (channels, height, width) if a row is an image, channel by channel;
    maximum: the top of the raw values' range where it is known (255 for bytes), bottom 0;
    values: the class labels where the format fixes them; names: theirs;
    facts, warnings: lines that a user is to see of how the file is read;
    sparse: does the format leave zeros out? real: why the targets are real, for one who meant classes.
    """

    rows: int
    features: int
    targets: int = 0
    dtype: Any = np.float64
    files: Sequence[Path] = ()
    image: tuple[int, int, int] | None = None
    maximum: float | None = None
    values: Sequence[int] | None = None
    names: Sequence[str] | None = None
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sparse: bool = False
    real: str = 'the data are a regression: use loss.name = "squared"'

    @abstractmethod
    def reader(self) -> AbstractContextManager[Read]:
        """Open the files; the function given reads rows start..stop, for increasing, disjoint ranges.

        It returns raw features (stop - start, features) and int64 labels (stop - start,) or float64 targets
        (stop - start, targets).
        """

    def labels(self) -> Iterator[Array]:
        """The labels of all rows, in blocks."""
        with self.reader() as read:
            for start in range(0, self.rows, step(self.features)):
                yield read(start, min(start + step(self.features), self.rows))[1]

    def feature(self, index: int) -> str:
        """A feature, counted from 0, as a user knows it: by its column in the file, counted from 1."""
        return str(index + 1)

    def named(self) -> Columns:
        """The names of the columns, for `expect` of other files."""
        return Columns([])

    def expect(self, columns: Columns) -> None:  # noqa: B027 (a format without names has nothing to do)
        """Put the columns in the order of another file's, by their names, where this format has names.

        Raises UsageError that names the missing and the unknown ones.
        """

    @property
    def where(self) -> str:
        """The table's first file, for messages."""
        return str(self.files[0]) if self.files else type(self).__name__


@dataclass(frozen=True)
class Source:
    """One part of a dataset: a table, and which of its rows."""

    table: Table
    rows: Rows

    @classmethod
    def whole(cls, table: Table) -> "Source":
        return cls(table, range(table.rows))


def brought(parts: tuple[Source, Source | None], columns: Columns | None) -> tuple[Source, Source | None]:
    """The parts with their columns in the order of those of a training (None: as they are)."""
    for part in parts:
        if columns is not None and part is not None:
            part.table.expect(columns)
    return parts


def records(file: IO[bytes] | Stream, path: Path, offset: int, width: int, start: int, stop: int) -> NDArray[np.uint8]:
    """Records start..stop of `width` bytes each, the first of all at `offset`: uint8 (stop - start, width)."""
    file.seek(offset + start * width)
    return np.frombuffer(take(file, (stop - start) * width, path), np.uint8).reshape(stop - start, width)
