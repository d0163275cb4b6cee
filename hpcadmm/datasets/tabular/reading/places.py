"""Where a row of a text table is in its file."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from hpcadmm.datasets.disk.stream import opened
from hpcadmm.datasets.tabular.dialect import Layout
from hpcadmm.datasets.tabular.reading.blocks import Cutter, streamed
from hpcadmm.datasets.tabular.reading.faults import Fault
from hpcadmm.datasets.tabular.sniff.records import physical, records


@dataclass(frozen=True)
class Places:
    """(row, column) -> where that is in words. lines, rows: of each block of the file, in its order."""

    path: Path
    layout: Layout
    lines: list[int]
    rows: list[int]

    def __call__(self, row: int, column: int) -> str:
        return f"{self.path}: line {self.line(row)}, column {self.layout.called(column)}"

    def line(self, row: int) -> int:
        """The number of the first line of a row, from 1; the file is read again if a block has more lines than rows."""
        starts = [0, *accumulate(self.rows)]
        block = bisect_right(starts, row) - 1
        if self.lines[block] == self.rows[block]:
            return self.layout.line + sum(self.lines[:block]) + row - starts[block]
        return self.scanned(row)

    def scanned(self, row: int) -> int:
        """The same, by reading the file up to this row."""
        one, line = self.layout, self.layout.line
        encoding = "utf-8" if one.wide else one.encoding
        with opened(self.path) as file:
            for block in Cutter(one).blocks(streamed(file, one, b""), 0, 1, last=True):
                lines = physical(block.data.decode(encoding, "replace"))
                found = [i for i, _ in records(lines, one.delimiter, one.quote, one.comment)]
                if row < len(found):
                    return line + found[row]
                row, line = row - len(found), line + len(lines)
        return line

    def said(self, before: int, fault: Fault) -> str:
        """The message of a fault in a block that begins `before` lines after the first record."""
        line = self.layout.line + before + fault.line
        column = "" if fault.column is None else f", column {self.layout.called(fault.column)}"
        first = before + fault.line == 0 and not self.layout.header
        hint = "; if the first line is a header, set data.header = true" if first else ""
        return f"{self.path}: line {line}{column}: {fault.said}{hint}"
