"""LIBSVM (svmlight) text: lines `label index:value ...`, plain or packed, held as its entries.

`#` begins a comment. Blank lines, comment lines and the `qid:` of rankings are skipped.
https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Count
from hpcadmm.datasets.disk.share import part_of
from hpcadmm.datasets.disk.stream import Stream, opened
from hpcadmm.datasets.formats.generic import Generic, as_labels
from hpcadmm.datasets.formats.lines import lines, number
from hpcadmm.datasets.table import READING, Array, Parts, Read, Table, step
from hpcadmm.errors import UsageError

MOST = 10_000_000  # features of a dense row
DIGITS = 20  # of an index
PAIR = re.compile(r"(\d+|qid):")
QUERY = re.compile(r"(?<=\s)qid:\S*")
AT_ONCE = 1 << 22  # characters of the lines that are parsed at once
Block = tuple[
    Array, Array, Array, Array
]  # labels and numbers of entries of rows, then the entries' features and values


class LibsvmTable(Table):
    """A file of lines, read once: by every rank, or with a `world` of several each rank its share (collective).

    y: the labels of all rows. The rows held here begin with `first`; starts: (rows held + 1,), where the entries of
    each begin. at, data: of the entries, the feature (from 0) and the value. shares: the rows that each rank holds;
    None: every rank holds all. total: entries of all rows.
    """

    sparse = True
    stride = step(1)

    def __init__(self, path: Path, lowest: int, classes: bool, world: World | None = None) -> None:
        self.files, self.lowest, self.targets = (path,), lowest, 0 if classes else 1
        self.first = 0
        if world is None or world.size == 1:
            with opened(path) as file:
                self.hold(file)
            self.rows, self.total = len(self.y), len(self.data)
            self.features = int(self.at.max(initial=0)) + 1
        else:
            self.share(world)
        if not self.rows:
            raise UsageError(f"{path}: no rows; the file is empty, or holds only comments")

    def hold(self, file: Stream) -> None:
        """Parse all lines of a stream."""
        found: list[Block] = [(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0))]
        row = 0
        for some in batches(file):
            found.append(self.entries(some, row))
            row += len(some)
        self.y, counts, self.at, self.data = (np.concatenate(each) for each in zip(*found, strict=True))
        self.starts = np.concatenate([[0], np.cumsum(counts)])

    def share(self, world: World) -> None:
        """Parse this rank's share of the lines, and learn what the others have. Collective.

        A packed file is read by the first rank. A fault is sought again by the first rank, which counts the rows."""
        path, failure = self.files[0], None
        try:
            with part_of(path, world.rank, world.size) as file:
                self.hold(file)
        except Exception as error:  # noqa: BLE001 (all ranks must hear of any)
            failure = error
        if world.max(float(failure is not None))[0]:
            with world.together(READING):
                if world.first:
                    LibsvmTable(path, self.lowest, not self.targets)
                if failure is not None:
                    raise failure
        every = world.gather([len(self.y), len(self.data), int(self.at.max(initial=0))])
        edges = np.cumsum([0, *(rows for rows, *_ in every)]).tolist()
        self.shares, self.first, self.rows = list(pairwise(edges)), edges[world.rank], edges[-1]
        self.total, self.features = sum(one[1] for one in every), max(one[2] for one in every) + 1
        self.y = np.concatenate([labels.view(np.float64) for labels in world.gather_bytes(self.y.view(np.uint8))])
        self.apart = False

    def entries(self, some: list[str], row: int) -> Block:
        """The checked labels and entries of these lines; `row`: the number of the first one."""
        from hpcadmm.datasets.tabular.pairs import LABEL, parsed

        at, values = parsed(some) or (np.zeros(0, np.int64), np.zeros(0))
        label = at == LABEL
        good = label | ((at >= self.lowest) & (at < MOST))
        good[1:] &= label[1:] | (at[1:] > at[:-1])
        if not at.size or not good.all():
            return self.one_by_one(some, row)
        counts = np.diff(np.flatnonzero(np.append(label, True))) - 1
        return values[label], counts, (at[~label] - self.lowest).astype(np.int32), values[~label]

    def one_by_one(self, some: list[str], row: int) -> Block:
        """The same, line by line: it names the first that is wrong."""
        found = [self.parse(line.split(), row + i) for i, line in enumerate(some)]
        labels, at, values = zip(*found, strict=True)
        return np.array(labels), np.array([len(one) for one in at]), np.concatenate(at), np.concatenate(values)

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

    def parse(self, sample: list[str], row: int) -> tuple[float, Array, Array]:
        """The label of a sample, and the features and values of its entries."""
        label, *pairs = sample
        cut = [pair.partition(":") for pair in pairs]
        if strange := [pair for pair, (_, colon, v) in zip(pairs, cut, strict=True) if not colon or not number(v)]:
            said = f"row {row + 1}: {strange[0][:60]!r} is not index:value with a number as its value"
            raise UsageError(f"{self.where}: {said}; a line is `label index:value ...`")
        at = np.array([self.index(i, row) for i, _, _ in cut], np.int64) - self.lowest
        if (np.diff(at) <= 0).any():
            raise UsageError(f"{self.where}: row {row + 1}: the indices must increase; sort them")
        return self.label(label, row), at.astype(np.int32), np.array([float(v) for _, _, v in cut])

    @contextmanager
    def reader(self) -> Iterator[Read]:
        def read(start: int, stop: int) -> tuple[Array, Array]:
            out: NDArray[np.float64] = np.zeros((stop - start, self.features))
            starts = self.starts[start - self.first : stop - self.first + 1]
            held = slice(starts[0], starts[-1])
            row = np.repeat(np.arange(stop - start), np.diff(starts))
            out[row, self.at[held]] = self.data[held]
            return out, as_labels(self.y[start:stop], self.targets, self.where, start)

        yield read

    @contextmanager
    def label_reader(self) -> Iterator[Callable[[int, int], Array]]:
        yield lambda start, stop: as_labels(self.y[start:stop], self.targets, self.where, start)


def batches(file: Stream) -> Iterator[list[str]]:
    """The lines, some at a time, without comments and queries."""
    some: list[str] = []
    size = 0
    for line in lines(file, "#"):
        text = line.partition("#")[0]
        some.append(QUERY.sub("", text, count=1) if "qid:" in text else text)
        size += len(text)
        if size > AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


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

    task: are the labels classes or real targets? Default "classification".
    features: number of columns (default: the highest index of both parts).
    zero_based: indices begin at 0, not 1.
    sparse: keep only the entries in memory, if the features are not shifted (scale = "none" or "max"). "auto"
    (default): if fewer than a tenth of the values are not 0. The last bits of a result differ from those of dense
    samples. taylor, mpadmm and pdadmm with update = "exact" hold a matrix of features x features.
    """

    name: ClassVar[str] = "libsvm"
    what: ClassVar[str] = "your sparse table in LIBSVM's text format"
    expects: ClassVar[tuple[str, ...]] = ("data.path or data.train",)

    task: Literal["classification", "regression"] = "classification"
    features: Count | None = None
    zero_based: bool = False
    sparse: bool | Literal["auto"] = "auto"

    def sources(self, seed: int, world: World, classes: bool | None = None, columns: Any = None) -> Parts:
        with world.together(READING):
            paths = [self.trained()]
            paths += [path for path in [self.tested(paths[0])] if path]
        lowest = int(not self.zero_based)
        with memory.spared("the rows"):
            tables = [LibsvmTable(path, lowest, self.task == "classification", world) for path in paths]
        width = max(table.features for table in tables)
        with world.together(READING):
            if self.features is not None and width > self.features:
                raise UsageError(f"data.features = {self.features}: the highest index needs {width}; set this or more")
            for table in tables:
                table.features = self.features or width
            found = [self.described(table) for table in tables]
        return found[0], found[1] if len(found) > 1 else None
