"""Tables of numbers in text: csv, tab or space separated, plain or gzipped; read in blocks of lines."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Len
from numpy.typing import NDArray

from hpcadmm.datasets.generic import Generic, as_labels
from hpcadmm.datasets.lookup import Stream, opened
from hpcadmm.datasets.table import Array, Read, Source, Table, step
from hpcadmm.errors import UsageError


def lines(file: Stream) -> Iterator[bytes]:
    """The lines that are not blank."""
    return (line for line in file if not line.isspace())


def number(text: bytes) -> bool:
    """Is this a number as float() reads it?"""
    try:
        float(text)
    except ValueError:
        return False
    return True


class TextTable(Table):
    """A file of lines, one column of which is the target (none if None: all labels are then 0).

    It is read through once to count the rows.
    """

    def __init__(
        self, path: Path, delimiter: str, header: bool | None, target: int | str | None, classes: bool
    ) -> None:
        self.files = (path,)
        self.separator = None if delimiter == " " else delimiter  # a space: any run of blanks
        with opened(path) as file:
            top = [self.fields(line) for line in islice(lines(file), 2)]
            count = len(top) + sum(1 for _ in lines(file))
        first = top[0] if top else []
        self.header = header if header is not None else not any(map(number, first))
        self.rows = count - self.header
        self.columns = len(top[min(int(self.header), len(top) - 1)]) if top else 0
        least = 1 if target is None else 2
        if self.rows < 1 or self.columns < least:
            said = f"{max(self.rows, 0)} rows of {self.columns} columns; at least 1 of {least} are needed"
            raise UsageError(f"{path}: {said}")
        self.target = None if target is None else self.column(target, first)
        self.inputs = [c for c in range(self.columns) if c != self.target]
        self.features = len(self.inputs)
        self.targets = 0 if classes else 1

    def only(self, features: Sequence[int]) -> None:
        """Keep these features, by number from 0, in this order. UsageError where there are no such."""
        if not features or len(set(features)) < len(features) or not set(features) <= set(range(self.features)):
            known = f"{self.where} has features 0 to {self.features - 1}"
            raise UsageError(f"data.columns = {list(features)}: {known}; choose at least one, each once")
        self.inputs = [self.inputs[k] for k in features]
        self.features = len(self.inputs)

    def fields(self, line: bytes) -> list[bytes]:
        """The fields of one line."""
        separator = None if self.separator is None else self.separator.encode()
        return [text.strip() for text in line.removeprefix(b"\xef\xbb\xbf").split(separator)]

    def column(self, target: int | str, first: list[bytes]) -> int:
        """The target's column, counted from 0."""
        names = [text.decode("utf-8", "replace").strip('"') for text in first] if self.header else []
        if isinstance(target, str):
            if target not in names:
                known = f"the columns are {', '.join(names)}" if names else "there is no header line"
                raise UsageError(f"data.target = {target!r}: {self.where}: {known}")
            return names.index(target)
        if not -self.columns <= target < self.columns:
            raise UsageError(f"data.target = {target}: {self.where} has columns 0 to {self.columns - 1}")
        return target % self.columns

    @contextmanager
    def rows_of(self) -> Iterator[Iterator[bytes]]:
        """The lines of data."""
        with opened(self.files[0]) as file:
            yield islice(lines(file), int(self.header), None)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        with self.rows_of() as stream:
            position = 0

            def read(start: int, stop: int) -> tuple[Array, Array]:
                nonlocal position
                taken = list(islice(stream, start - position, stop - position))
                position = stop
                values = self.parse(taken, start)
                found = np.zeros(len(values)) if self.target is None else values[:, self.target]
                return values[:, self.inputs], as_labels(found, self.targets, self.where, start)

            yield read

    def labels(self) -> Iterator[Array]:
        size = step(self.columns)
        with self.rows_of() as stream:
            for start in range(0, self.rows, size):
                values = self.parse(list(islice(stream, size)), start, self.target)
                yield as_labels(values, self.targets, self.where, start)

    def parse(self, taken: list[bytes], start: int, only: int | None = None) -> NDArray[np.float64]:
        """The numbers of lines (start is the first one's row): (lines, columns), or (lines,) of one column."""
        if start == 0:
            taken[0] = taken[0].removeprefix(b"\xef\xbb\xbf")
        try:
            shape = {"ndmin": 2, "usecols": None} if only is None else {"ndmin": 1, "usecols": only}
            text = [line.decode("ascii") for line in taken]
            values = np.loadtxt(text, dtype=np.float64, delimiter=self.separator, comments=None, **shape)
        except ValueError as error:
            raise self.fault(taken, start, error) from error
        if len(values) != len(taken) or (only is None and values.shape[1] != self.columns):
            raise self.fault(taken, start, "rows of different lengths")
        return np.asarray(values)

    def fault(self, taken: list[bytes], start: int, why: object) -> UsageError:
        """The error for the first line that cannot be parsed."""
        for row, line in enumerate(taken, start + 1):
            found = self.fields(line)
            if len(found) != self.columns:
                return UsageError(f"{self.where}: row {row} has {len(found)} columns, the others {self.columns}")
            for column, text in enumerate(found, 1):
                if not number(text):
                    shown = text[:40].decode("utf-8", "replace")
                    at = f"row {row}, column {column} (counted from 1)"
                    return UsageError(f"{self.where}: {at}: {shown!r} is no number")
        return UsageError(f"{self.where}: rows {start + 1} to {start + len(taken)}: {why}")


@dataclass(frozen=True, kw_only=True)
class Csv(Generic):
    """target: the column of labels or targets, by number (from 0; -1 is the last) or by its name in the header.

    header: is the first line one (left out: it is, if no field of it is a number); delimiter: one character, a space
    stands for any run of blanks.
    """

    name: ClassVar[str] = "csv"
    what: ClassVar[str] = "your table of numbers in text (.csv, .tsv, .gz)"
    expects: ClassVar[tuple[str, ...]] = ("data.path or data.train",)

    target: int | str = -1
    task: Literal["classification", "regression"] = "classification"
    header: bool | None = None
    delimiter: Annotated[str, Len(1, 1)] = ","

    def sources(self, seed: int) -> tuple[Source, Source | None]:
        train = self.trained()
        test = self.tested(train)
        return self.part(train), self.part(test) if test else None

    def part(self, path: Path) -> Source:
        classes = self.task == "classification"
        return self.described(TextTable(path, self.delimiter, self.header, self.target, classes))
