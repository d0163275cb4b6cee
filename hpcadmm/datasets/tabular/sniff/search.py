"""The first findings in a sample: quote, delimiter, comments."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hpcadmm.datasets.tabular.dialect import Dialect
from hpcadmm.datasets.tabular.sniff.delimiter import LINES, PREFIXES, delimiter_of, quote_of
from hpcadmm.datasets.tabular.sniff.fields import number
from hpcadmm.datasets.tabular.sniff.records import records, starts

Row = Sequence[str]


@dataclass
class Search:
    """The sample's lines, of which those before `start` are skipped, and what has been found so far.

    head: the number of a line and its fields, if it is a header behind a "#" or "%", as numpy.savetxt writes it.
    """

    where: str
    lines: list[str]
    asked: Dialect
    start: int = 0
    delimiter: str = ","
    quote: str = '"'
    comment: str = ""
    head: tuple[int, Row] | None = None
    facts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add a fact."""
        self.facts.append(f"{self.where}: {text}")

    @cached_property
    def rows(self) -> list[tuple[int, list[str]]]:
        """The number of its first line, and the fields, of each record; once the delimiter is known."""
        cut = records(self.lines[self.start :], self.delimiter, self.quote, self.comment)
        return [(self.start + i, fields) for i, fields in cut]

    def fields(self, line: str) -> list[str]:
        """The fields of one line."""
        return next((fields for _, fields in records([line], self.delimiter, self.quote)), [])


def delimit(search: Search) -> None:
    """Find the quote, the delimiter and the comments."""
    asked, first = search.asked, search.lines[0].strip()
    excel = first[4:] if first.lower().startswith("sep=") and len(first) == 5 else ""
    if excel:
        search.start = 1
        search.say(f"the first line, {first}, is skipped")
    rest = search.lines[search.start :]
    search.quote = quote_of(rest) if asked.quote is None else asked.quote
    search.delimiter = asked.delimiter or excel or delimiter_of(rest, search.quote)
    search.comment = comment_of(search) if asked.comment is None else asked.comment
    if search.comment and asked.comment is None:
        search.say(f'lines that begin with {search.comment} are skipped (data.comment = "" reads them)')


def comment_of(search: Search) -> str:
    """The beginning of comment lines: they stand above the table, or have another number of fields than its rows.

    The last line above the table may be its header behind the sign.
    """
    lines = [(i, line) for i, line in enumerate(search.lines) if i >= search.start and not line.isspace()]
    for prefix in PREFIXES:
        marked = [i for i, line in lines if starts(line, prefix)]
        plain = [i for i, line in lines if not starts(line, prefix)]
        if not marked or not plain:
            continue
        width = usual(search.fields(search.lines[i]) for i in plain[:LINES])
        above = [i for i in marked if i < plain[0]]
        if any(len(search.fields(search.lines[i])) == width > 1 for i in marked[len(above) :]):
            continue  # rows that begin so
        last = search.fields(search.lines[above[-1]].lstrip()[1:]) if above and prefix in "#%" else []
        if len(last) == width > 1:
            search.head = above[-1], last
        return prefix
    return ""


def usual(rows: Iterable[Row]) -> int:
    """The most frequent number of fields; of equals that of the first row if it holds a number, else the largest.

    >>> usual([["1", "2"], ["3"]]), usual([["a"], ["1", "2"]]), usual([["1"], ["2", "3"]])
    (2, 2, 1)
    """
    every = list(rows)
    counts = Counter(map(len, every))
    first = len(every[0]) if every and any(map(number, every[0])) else 0
    return max(counts, key=lambda one: (counts[one], one == first, one), default=0)
