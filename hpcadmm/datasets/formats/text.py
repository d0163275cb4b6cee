"""Tables of numbers in text: comma, tab or space separated, plain or packed; read in blocks of lines."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Len
from numpy.typing import NDArray

from hpcadmm.datasets.columns import Columns, shown
from hpcadmm.datasets.disk.stream import opened
from hpcadmm.datasets.formats import header as headers
from hpcadmm.datasets.formats.generic import Generic, as_labels
from hpcadmm.datasets.formats.lines import Style, delimiter_of, fault, first_line, number, separated
from hpcadmm.datasets.table import Array, Parts, Read, Table, step
from hpcadmm.errors import UsageError

TOP = 20  # records that show the delimiter
WORDS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "blank": " "}


class TextTable(Table):
    """A file of lines; one column is the target (None: no target, all labels are 0). Read once to count the rows."""

    def __init__(self, path: Path, target: int | str | None, classes: bool, style: Style) -> None:
        self.files, self.style, self.asked = (path,), style, target
        with opened(path) as file:
            stream = style.records(file)
            top = list(islice(stream, TOP))
            count = len(top) + sum(1 for _ in stream)
        self.first = style.fields(top[0]) if top else []
        if self.first:
            self.first[0] = self.first[0].removeprefix("#").strip()  # numpy.savetxt marks its header
        self.header = headers.is_header(self.first, style.header, self.where)
        self.rows = count - self.header
        row = style.fields(top[min(int(self.header), len(top) - 1)]) if top else []
        self.columns = len(row)
        self.check_size(top, 1 if target is None else 2)
        if self.header:
            headers.check_names(self.first, row, self.where)
        self.target = None if target is None else self.column(target)
        self.inputs = [c for c in range(self.columns) if c != self.target]
        self.features = len(self.inputs)
        self.targets = 0 if classes else 1
        self.remark()

    def check_size(self, top: list[str], least: int) -> None:
        """Raise UsageError for a file without data, or one that another delimiter separates."""
        if len(self.first) == 1 and (other := delimiter_of(top, self.style.delimiter)):
            raise UsageError(f"{self.where}: the first line has 1 column; {separated(other)}")
        hint = first_line(top[0]) if top else ""
        if hint and len(self.first) == 1 < self.columns:
            raise UsageError(f"{self.where}: the first line has 1 column, the next has {self.columns}{hint}")
        if self.rows < 1 or self.columns < least:
            said = f"{max(self.rows, 0)} rows of {self.columns} columns; at least 1 row of {least} is needed"
            raise UsageError(f"{self.where}: {'the file is empty: ' if not top else ''}{said}{hint}")

    def remark(self) -> None:
        """Say how the first line is read."""
        first = f"a header: {shown(self.first)}" if self.header else f"a sample: {shown(self.first)}"
        target = "" if self.target is None else f"; target: column {self.called(self.target)}"
        self.facts = (f"{self.where}: the first line is {first}{target}",)
        doubt = headers.doubtful(self.first, self.header, self.style.header, self.where)
        self.warnings = (doubt,) if doubt else ()

    def called(self, column: int) -> str:
        """A column's number, counted from 1, and its name if it has one."""
        return f"{column + 1} ({shown([self.first[column]])})" if self.header else str(column + 1)

    def feature(self, index: int) -> str:
        return self.called(self.inputs[index])

    def only(self, features: Sequence[int]) -> None:
        """Keep these features (numbers from 0) in this order. Raises UsageError for unknown or repeated ones."""
        if not features or len(set(features)) < len(features) or not set(features) <= set(range(self.features)):
            known = f"{self.where} has features 0 to {self.features - 1}"
            raise UsageError(f"data.columns = {list(features)}: {known}; choose at least one, each once")
        self.inputs = [self.inputs[k] for k in features]
        self.features = len(self.inputs)

    def column(self, target: int | str) -> int:
        """The target's column, counted from 0."""
        if isinstance(target, str):
            if self.header and target in self.first:
                return self.first.index(target)
            known = f"the columns are {shown(self.first)}"
            if not self.header:
                known = f"there is no header line, the first line is {shown(self.first)}"
                known += "; set data.header = true if these are names" * (target in self.first)
            raise UsageError(f"data.target = {target!r}: {self.where}: {known}")
        if not -self.columns <= target < self.columns:
            raise UsageError(f"data.target = {target}: {self.where} has columns 0 to {self.columns - 1}")
        return target % self.columns

    def named(self) -> Columns:
        if not self.header:
            return Columns([], None, self.target)
        target = None if self.target is None else self.first[self.target]
        return Columns([self.first[c] for c in self.inputs], target, self.target)

    def expect(self, columns: Columns) -> None:
        if not self.header or not columns.features:
            self.by_place(columns)
            return
        names = self.first
        if all(map(number, names)) and not set(names) & set(columns.features):
            raise headers.numbers_for_header(names, self.where)
        if self.target is not None and not isinstance(self.asked, str) and columns.target is not None:
            headers.check_match(names, [columns.target], names, self.where)
            self.target = names.index(columns.target)
        own = None if self.target is None else names[self.target]
        headers.check_match(names, columns.features, [own, columns.target], self.where)
        inputs = [names.index(name) for name in columns.features]
        if inputs != sorted(inputs):
            self.facts += (f"{self.where}: the columns are reordered by name to match the training",)
        self.inputs, self.features = inputs, len(inputs)

    def by_place(self, columns: Columns) -> None:
        """Warn that columns are matched by position if only one of the two files has names."""
        if columns.features:
            said = f"no header; its columns are read in the order of the training: {shown(columns.features)}"
            self.warnings += (f"{self.where}: {said}",)
        elif self.header:
            said = f"the training file had no header; the columns {shown(self.first)} are read in this order"
            self.warnings += (f"{self.where}: {said}",)

    @contextmanager
    def data_lines(self) -> Iterator[Iterator[str]]:
        """The lines after the header."""
        with opened(self.files[0]) as file:
            yield islice(self.style.records(file), int(self.header), None)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        with self.data_lines() as stream:
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
        with self.data_lines() as stream:
            for start in range(0, self.rows, size):
                values = self.parse(list(islice(stream, size)), start, self.target)
                yield as_labels(values, self.targets, self.where, start)

    def parse(self, taken: list[str], start: int, only: int | None = None) -> NDArray[np.float64]:
        """The numbers of lines, the first of row `start`: (lines, columns), or (lines,) of column `only`."""
        try:
            shape = {"ndmin": 2, "usecols": None} if only is None else {"ndmin": 1, "usecols": only}
            separator = None if self.style.delimiter == " " else self.style.delimiter
            plain = map(self.style.unquoted, taken)
            values = np.loadtxt(plain, np.float64, delimiter=separator, comments=None, **shape)
        except (ValueError, OverflowError) as error:
            raise self.fault(taken, start, error) from error
        if len(values) != len(taken) or (only is None and values.shape[1] != self.columns):
            raise self.fault(taken, start, "rows of different lengths")
        return np.asarray(values)

    def fault(self, taken: list[str], start: int, why: object) -> UsageError:
        """The error for the first line that cannot be parsed."""
        named = "" if self.header else "; if the first line is a header, set data.header = true"
        found = fault(taken, start, self.style, self.columns, self.target, named)
        return UsageError(f"{self.where}: {found or f'rows {start + 1} to {start + len(taken)}: {why}'}")


@dataclass(frozen=True, kw_only=True)
class Csv(Generic):
    """A table in text.

    target: column of the labels or targets: a number (from 0; -1 is the last) or a name in the header.
    header: is the first line a header? Default: yes if none of its fields is a number. Columns of files with a header
    are matched by name.
    delimiter: one character, or "tab", "space", "comma", "semicolon"; a space stands for any run of blanks.
    comment: beginning of lines to skip.
    """

    name: ClassVar[str] = "csv"
    what: ClassVar[str] = "your table of numbers in text (.csv, .tsv; plain or .gz, .bz2, .xz)"
    plain: ClassVar[bool] = True
    expects: ClassVar[tuple[str, ...]] = ("data.path or data.train",)

    target: int | str = -1
    task: Literal["classification", "regression"] = "classification"
    header: bool | None = None
    delimiter: str = ","
    comment: Annotated[str, Len(1)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        delimiter = WORDS.get(self.delimiter, self.delimiter)
        object.__setattr__(self, "delimiter", delimiter)
        if len(delimiter) != 1 or delimiter.isalnum() or delimiter in "\"'+-.\r\n\0":
            known = 'one character, no letter, digit, quote or sign: ",", ";", "\\t", "|" or " " (any run of blanks)'
            raise UsageError(f"data.delimiter = {self.delimiter!r}: must be {known}")

    @property
    def style(self) -> Style:
        """How its files are written."""
        return Style(self.delimiter, self.header, self.comment)

    def parts(self, seed: int) -> Parts:
        train = self.table(self.trained())
        test = self.tested(train.files[0])
        if test is None:
            return self.described(train), None
        other = self.table(test, train.target)
        other.expect(train.named())
        return self.described(train), self.described(other)

    def table(self, path: Path, place: int | None = None) -> TextTable:
        """One file. place: the target's column in the training, for a file without a header."""
        classes = self.task == "classification"
        if place is None or not isinstance(self.target, str):
            return TextTable(path, self.target, classes, self.style)
        bare = TextTable(path, None, classes, self.style)
        return TextTable(path, self.target if bare.header else place, classes, self.style)
