"""The raw columns of one file of a table, dealt over the ranks: what every reader returns and a schema encodes."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hpcadmm.errors import UsageError

if TYPE_CHECKING:
    import pyarrow

Kind = Literal["number", "text", "date"]
CHANGED = "the file has changed while it was read; run the command again when nothing writes to it"


@dataclass
class Shard:
    """Consecutive rows of the file, held by this rank.

    start: the number of the first row in the file, from 0; the header and skipped lines do not count.
    columns: one array for each column of the file, null where a value is missing: float64 for a number; a dictionary
    of text (indices int32) for text; float64 days since 1970-01-01 for a date. A reader may unpack them when they are
    asked for: ask for a column once. A sequence of columns that has `rows` need not be asked for one to count them.
    """

    start: int
    columns: "Sequence[pyarrow.Array]"

    @property
    def rows(self) -> int:
        known: int | None = getattr(self.columns, "rows", None)
        return len(self.columns[0]) if known is None else known

    def forget(self, places: Sequence[int]) -> None:
        """Free the values of these columns; they become null."""
        import pyarrow as pa

        held: Any = getattr(self.columns, "held", self.columns)
        for place in places:
            held[place] = pa.nulls(self.rows)


@dataclass(frozen=True)
class Again:
    """Reads a file once more, forward from any row.

    rows: of each part of the file, in its order. read: (k) -> the columns of the parts from part k on, in pieces, each
    with the number of its part.
    """

    path: Path
    rows: Sequence[int]
    read: Callable[[int], Iterator[tuple[int, "Sequence[pyarrow.Array]"]]]

    def shards(self, row: int) -> Iterator[Shard]:
        """The shards from the one that has this row on. Raises UsageError if the file is not as it was before."""
        starts = [0, *accumulate(self.rows)]
        first = bisect_right(starts, row) - 1
        at = starts[first]
        for k, columns in self.read(first):
            shard = Shard(at, columns)
            at += shard.rows
            self.check(starts[k] <= shard.start <= at <= starts[k + 1])
            if at > row:
                yield shard
        self.check(at == starts[-1])

    def check(self, same: bool) -> None:
        """Raise UsageError if the file is not as it was before."""
        if not same:
            raise UsageError(f"{self.path}: {CHANGED}")


@dataclass
class Raw:
    """One file. Ranks hold disjoint shards, in increasing order; together they hold each row once.

    names: of the columns: the header's, else "1", "2", ... by position.
    header: does the file name its columns?
    kinds: of the columns, the same on every rank.
    rows: of the whole file, over all ranks.
    place: (row, column) -> where that is in words, for messages: "FILE: line 17, column 3 (age)"; both from 0.
    facts, warnings: lines for the user about how the file is read.
    again: of a file whose values are not kept in memory, and which has no shards: reads them.
    """

    path: Path
    names: list[str]
    header: bool
    kinds: list[Kind]
    rows: int
    shards: list[Shard]
    place: Callable[[int, int], str]
    facts: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
    again: Again | None = None
