"""CIFAR-10 and CIFAR-100, binary version: records of 1 or 2 label bytes and 3,072 pixels, all red, all green, all blue.

A. Krizhevsky: Learning multiple layers of features from tiny images, 2009. https://www.cs.toronto.edu/~kriz/cifar.html
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from hpcadmm.datasets.base import Dataset, Remote
from hpcadmm.datasets.disk.lookup import find
from hpcadmm.datasets.disk.stream import length, opened, packing
from hpcadmm.datasets.table import Array, Parts, Read, Source, Table, records
from hpcadmm.errors import UsageError

PIXELS = 3 * 32 * 32
BATCHES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
URL = "https://www.cs.toronto.edu/~kriz/"


class CifarTable(Table):
    """Files of records; byte `label` of the `head` bytes at the start of a record is its class."""

    dtype = np.uint8
    maximum = 255.0
    features = PIXELS
    image = (3, 32, 32)

    def __init__(
        self, files: Sequence[Path], head: int, label: int, values: range, names: Sequence[str] | None
    ) -> None:
        self.files, self.head, self.label = tuple(files), head, label
        self.values, self.names = values, names
        self.starts = [0, *accumulate(self.count(path) for path in files)]
        self.rows = self.starts[-1]
        self.apart = all(packing(path) is None for path in files)

    def count(self, path: Path) -> int:
        """Records in one file (a gzip is read through)."""
        size = length(path)
        if size == 0 or size % (self.head + PIXELS):
            said = f"{size} bytes, not a whole number of {self.head + PIXELS}-byte records"
            raise UsageError(f"{path}: {said}; the file is incomplete, get it again")
        return size // (self.head + PIXELS)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        with ExitStack() as stack:
            streams = [stack.enter_context(opened(path)) for path in self.files]

            def read(start: int, stop: int) -> tuple[Array, Array]:
                blocks = []
                for i in range(bisect_right(self.starts, start) - 1, len(streams)):
                    lo, hi = max(start, self.starts[i]) - self.starts[i], min(stop, self.starts[i + 1]) - self.starts[i]
                    if lo < hi:
                        blocks.append(records(streams[i], self.files[i], 0, self.head + PIXELS, lo, hi))
                block = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
                return block[:, self.head :], block[:, self.label].astype(np.int64)

            yield read


@dataclass(frozen=True, kw_only=True)
class Cifar(Dataset):
    """Base class of both."""

    head: ClassVar[int] = 1  # bytes of labels before the pixels


@dataclass(frozen=True, kw_only=True)
class Cifar10(Cifar):
    """Ten classes; the train part is data_batch_1 and those of data_batch_2, ..., data_batch_5 that are found."""

    name: ClassVar[str] = "cifar-10"
    what: ClassVar[str] = "colour images 32 x 32, 50,000 + 10,000, 10 classes"
    expects: ClassVar[tuple[str, ...]] = BATCHES
    inside: ClassVar[str] = "cifar-10-batches-bin"
    names: ClassVar[tuple[str, ...]] = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            f"{URL}cifar-10-binary.tar.gz",
            "cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            {f"cifar-10-batches-bin/{file}": file for file in BATCHES},
        ),
    )

    def parts(self, seed: int) -> Parts:
        train = [self.located(self.train or BATCHES[0])]
        if self.train is None:
            train += [path for name in BATCHES[1:5] if (path := find([name], self.searched))]
        return self.part(train), self.part([self.located(self.test or BATCHES[5])])

    def part(self, files: Sequence[Path]) -> Source:
        return Source.whole(CifarTable(files, self.head, 0, range(10), self.names))


@dataclass(frozen=True, kw_only=True)
class Cifar100(Cifar):
    """A hundred fine or twenty coarse classes.

    labels: which of the two. Default "fine".
    """

    name: ClassVar[str] = "cifar-100"
    what: ClassVar[str] = "colour images 32 x 32, 50,000 + 10,000, 100 fine or 20 coarse classes"
    expects: ClassVar[tuple[str, ...]] = ("train.bin", "test.bin")
    inside: ClassVar[str] = "cifar-100-binary"
    head: ClassVar[int] = 2
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            f"{URL}cifar-100-binary.tar.gz",
            "cifar-100-binary.tar.gz",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            {f"cifar-100-binary/{part}.bin": f"{part}.bin" for part in ("train", "test")},
        ),
    )

    labels: Literal["fine", "coarse"] = "fine"

    def parts(self, seed: int) -> Parts:
        return self.part(self.train or self.expects[0]), self.part(self.test or self.expects[1])

    def part(self, name: str) -> Source:
        fine = self.labels == "fine"
        return Source.whole(CifarTable([self.located(name)], self.head, int(fine), range(100 if fine else 20), None))
