"""LIBSVM (svmlight) text: lines `label index:value ...`, plain or packed, read as a dense table.

`#` begins a comment. Blank lines, comment lines and the `qid:` of rankings are skipped.
https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.base import Count
from hpcadmm.datasets.disk.stream import Stream, opened
from hpcadmm.datasets.formats.generic import Generic, as_labels
from hpcadmm.datasets.formats.lines import lines, number
from hpcadmm.datasets.table import Array, Read, Source, Table, step
from hpcadmm.errors import UsageError

MOST = 10_000_000  # features of a dense row
DIGITS = 20  # of an index
PAIR = re.compile(r"(\d+|qid):")


class LibsvmTable(Table):
    """A file of lines, read once for the number of rows and the highest index."""

    sparse = True

    def __init__(self, path: Path, lowest: int, classes: bool) -> None:
        self.files, self.lowest, self.targets = (path,), lowest, 0 if classes else 1
        self.rows, highest = 0, lowest
        with opened(path) as file:
            for _, *pairs in samples(file):
                self.rows += 1
                if pairs and ":" in pairs[-1]:
                    highest = max(highest, self.index(pairs[-1].partition(":")[0], self.rows - 1))
        if not self.rows:
            raise UsageError(f"{path}: no rows; the file is empty, or holds only comments")
        self.features = highest - lowest + 1

    def index(self, text: str, row: int) -> int:
        """One index, checked."""
        digits = text.isascii() and text.isdigit() and len(text) < DIGITS
        if not digits or not self.lowest <= int(text) < MOST:
            cure = "; if indices begin at 0, set data.zero_based = true" if text == "0" else ""
            said = f"index {text[:40]!r} is not a whole number from {self.lowest} to {MOST}"
            raise UsageError(f"{self.where}: row {row + 1}: {said}{cure}")
        return int(text)

    def label(self, text: str, row: int) -> float:
        """One label, checked."""
        if not number(text):
            cure = "one number; keep one of several labels" if "," in text else "a number"
            raise UsageError(f"{self.where}: row {row + 1}: the label {text[:40]!r} must be {cure}")
        return float(text)

    def parse(self, sample: list[str], row: int, out: Array) -> float:
        """Write the values of a sample to `out` (features,); return the label."""
        label, *pairs = sample
        cut = [pair.partition(":") for pair in pairs]
        if strange := [pair for pair, (_, colon, v) in zip(pairs, cut, strict=True) if not colon or not number(v)]:
            said = f"row {row + 1}: {strange[0][:60]!r} is not index:value with a number as its value"
            raise UsageError(f"{self.where}: {said}; a line is `label index:value ...`")
        at = np.array([self.index(i, row) for i, _, _ in cut], np.int64) - self.lowest
        if at.size and (at[-1] >= self.features or (np.diff(at) <= 0).any()):
            raise UsageError(f"{self.where}: row {row + 1}: the indices must increase; sort them")
        out[at] = [float(v) for _, _, v in cut]
        return self.label(label, row)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        with opened(self.files[0]) as file:
            stream, position = samples(file), 0

            def read(start: int, stop: int) -> tuple[Array, Array]:
                nonlocal position
                taken = islice(stream, start - position, stop - position)
                position = stop
                out: NDArray[np.float64] = np.zeros((stop - start, self.features))
                found = [self.parse(sample, start + i, out[i]) for i, sample in enumerate(taken)]
                return out, as_labels(np.array(found), self.targets, self.where, start)

            yield read

    def labels(self) -> Iterator[Array]:
        with opened(self.files[0]) as file:
            stream, size = samples(file), step(self.features)
            for start in range(0, self.rows, size):
                found = [self.label(text, start + i) for i, (text, *_) in enumerate(islice(stream, size))]
                yield as_labels(np.array(found), self.targets, self.where, start)


def samples(file: Stream) -> Iterator[list[str]]:
    """The fields of each line: label, then index:value pairs without `qid`."""
    for line in lines(file, "#"):
        label, *pairs = line.partition("#")[0].split()
        yield [label, *pairs[pairs[:1] != [] and pairs[0].startswith("qid:") :]]


def pairs_or_numbers(line: str) -> bool | None:
    """Does the line belong to a LIBSVM file (True) or a table (False)? None if to either: a label without pairs.

    >>> [pairs_or_numbers(line) for line in ("1 3:0.5 4:2", "1 qid:7 3:1", "-1", "1,2", "1 2")]
    [True, True, None, False, False]
    """
    found = line.partition("#")[0].split(maxsplit=2)
    if len(found) > 1 and PAIR.match(found[1]):
        return True
    return None if len(found) == 1 and number(found[0]) else False


@dataclass(frozen=True, kw_only=True)
class Libsvm(Generic):
    """A LIBSVM file.

    features: number of columns (default: the highest index of both parts).
    zero_based: indices begin at 0, not 1.
    """

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
            raise UsageError(f"data.features = {self.features}: the highest index needs {width}; set this or more")
        for table in tables:
            table.features = self.features or width
        parts = [self.described(table) for table in tables]
        return parts[0], parts[1] if test else None
