"""LIBSVM (svmlight) text: `label index:value ...` a line, plain or gzipped; read as a dense table.

https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.base import Count
from hpcadmm.datasets.generic import Generic, as_labels
from hpcadmm.datasets.lookup import opened
from hpcadmm.datasets.table import Array, Read, Source, Table, step
from hpcadmm.datasets.text import lines
from hpcadmm.errors import UsageError

MOST = 10_000_000  # features of a dense row


class LibsvmTable(Table):
    """A file of lines; it is read through once for the number of rows and the highest index."""

    def __init__(self, path: Path, lowest: int, classes: bool) -> None:
        self.files, self.lowest, self.targets = (path,), lowest, 0 if classes else 1
        self.rows, highest = 0, lowest
        with opened(path) as file:
            for line in lines(file):
                self.rows += 1
                last = fields(line)[-1:]
                if last and b":" in last[0]:
                    highest = max(highest, self.index(last[0].partition(b":")[0], self.rows - 1))
        if not self.rows:
            raise UsageError(f"{path}: no rows")
        self.features = highest - lowest + 1

    def index(self, text: bytes, row: int) -> int:
        """One index, checked."""
        if not text.isdigit() or not self.lowest <= int(text) < MOST:
            what = f"index {text[:40].decode('utf-8', 'replace')!r} is not a whole number from {self.lowest} to {MOST}"
            cure = " (data.zero_based = true?)" if text == b"0" else ""
            raise UsageError(f"{self.where}: row {row + 1}: {what}{cure}")
        return int(text)

    def parse(self, line: bytes, row: int, out: Array) -> float:
        """Put the values of a line into `out` (features,); returns the label."""
        label, *pairs = fields(line) or [b""]
        try:
            cut = [pair.split(b":") for pair in pairs]
            at = np.array([self.index(i, row) for i, _ in cut], np.int64) - self.lowest
            values = np.array([float(v) for _, v in cut])
            found = float(label)
        except ValueError as error:
            raise UsageError(f"{self.where}: row {row + 1}: not `label index:value ...`: {line[:60]!r}") from error
        if at.size and (at[-1] >= self.features or (np.diff(at) <= 0).any()):
            raise UsageError(f"{self.where}: row {row + 1}: indices must increase")
        out[at] = values
        return found

    @contextmanager
    def reader(self) -> Iterator[Read]:
        with opened(self.files[0]) as file:
            stream, position = lines(file), 0

            def read(start: int, stop: int) -> tuple[Array, Array]:
                nonlocal position
                taken = islice(stream, start - position, stop - position)
                position = stop
                out: NDArray[np.float64] = np.zeros((stop - start, self.features))
                found = [self.parse(line, start + i, out[i]) for i, line in enumerate(taken)]
                return out, as_labels(np.array(found), self.targets, self.where, start)

            yield read

    def labels(self) -> Iterator[Array]:
        with opened(self.files[0]) as file:
            stream, size = lines(file), step(self.features)
            for start in range(0, self.rows, size):
                texts = [(fields(line) or [b""])[0] for line in islice(stream, size)]
                try:
                    found = np.array([float(text) for text in texts])
                except ValueError as error:
                    raise UsageError(f"{self.where}: rows from {start + 1}: a label is no number: {error}") from error
                yield as_labels(found, self.targets, self.where, start)


def fields(line: bytes) -> list[bytes]:
    """The fields of a line without its comment."""
    return line.partition(b"#")[0].split()


@dataclass(frozen=True, kw_only=True)
class Libsvm(Generic):
    """features: the dense width; left out: the highest index of both parts."""

    name: ClassVar[str] = "libsvm"
    what: ClassVar[str] = "your sparse table in LIBSVM's text format, made dense"
    expects: ClassVar[tuple[str, ...]] = ("data.path or data.train",)

    task: Literal["classification", "regression"] = "classification"
    features: Count | None = None
    zero_based: bool = False

    def sources(self, seed: int) -> tuple[Source, Source | None]:
        train = self.trained()
        test = self.tested(train)
        tables = [LibsvmTable(p, int(not self.zero_based), self.task == "classification") for p in (train, test) if p]
        width = max(table.features for table in tables)
        if self.features is not None and width > self.features:
            raise UsageError(f"data.features = {self.features}: the highest index needs {width}")
        for table in tables:
            table.features = self.features or width
        parts = [self.described(table) for table in tables]
        return parts[0], parts[1] if test else None
