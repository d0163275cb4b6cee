"""The lines of a text file that a rank reads: those that begin in its share of the bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from hpcadmm.datasets.disk.stream import Stream, opened, packing
from hpcadmm.model.tiles import block

LINE = 1 << 13  # bytes read at a time to find the end of a line


@dataclass
class Section:
    """The next `left` bytes of a file."""

    file: Stream
    left: int

    def read(self, count: int) -> bytes:
        data = self.file.read(min(count, self.left))
        self.left -= len(data)
        return data


@contextmanager
def part_of(path: Path, rank: int, size: int) -> Iterator[Stream]:
    """The lines that begin in this rank's share of the bytes; of a packed file all, on the first rank."""
    with opened(path) as file:
        if packing(path) is not None:
            lo, hi = 0, (1 << 62) * (rank == 0)
        else:
            lo, hi = (line_from(file, at, path.stat().st_size) for at in block(path.stat().st_size, size, rank))
            file.seek(lo)
        yield Stream(path, cast(IO[bytes], Section(file, hi - lo)))


def line_from(file: Stream, at: int, length: int) -> int:
    """Where the first line begins at or after this byte."""
    if at in (0, length):
        return at
    file.seek(at - 1)
    before = at - 1
    while data := file.read(LINE):
        if (end := data.find(b"\n")) >= 0:
            return before + end + 1
        before += len(data)
    return length
