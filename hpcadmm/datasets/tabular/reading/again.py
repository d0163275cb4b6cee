"""Read a text table once more when its blocks are known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from hpcadmm.datasets.disk.stream import opened
from hpcadmm.datasets.tabular.dialect import Layout
from hpcadmm.datasets.tabular.raw import CHANGED
from hpcadmm.datasets.tabular.reading.blocks import plain, streamed
from hpcadmm.errors import UsageError


@dataclass(frozen=True)
class Blocks:
    """(k) -> the columns of the blocks from block k on, each with its number.

    seeks: can the file be read from any byte on? sizes: bytes of each block, in the order of the file.
    """

    path: Path
    layout: Layout
    seeks: bool
    sizes: Sequence[int]

    def __call__(self, k: int) -> Iterator[tuple[int, list[Any]]]:
        from hpcadmm.datasets.tabular.reading.parse import Parser, Refused

        parser = Parser(self.layout)
        try:
            for number, data in enumerate(self.bytes(k), k):
                yield number, parser.columns(data)
        except (Refused, UnicodeError) as error:
            raise UsageError(f"{self.path}: {CHANGED}") from error

    def bytes(self, k: int) -> Iterator[bytes]:
        """The bytes of each block from block k on."""
        with opened(self.path) as file:
            if self.seeks:
                file.seek(self.layout.begin + sum(self.sizes[:k]))
                yield from cut(plain(file, b""), self.sizes[k:])
            else:
                yield from islice(cut(streamed(file, self.layout, b""), self.sizes), k, None)


def cut(chunks: Iterator[bytes], sizes: Sequence[int]) -> Iterator[bytes]:
    """Consecutive bytes as blocks of these sizes; fewer where the chunks end too early.

    >>> list(cut(iter([b"abc", b"de"]), [2, 2, 2]))
    [b'ab', b'cd', b'e']
    """
    held = b""
    for size in sizes:
        while len(held) < size and (more := next(chunks, b"")):
            held += more
        yield held[:size]
        held = held[size:]
