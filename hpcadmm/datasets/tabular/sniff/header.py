"""The lines before the records of a text table: what is skipped, and the names of the columns."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.sniff.fields import absent, number, shares
from hpcadmm.errors import UsageError

Row = Sequence[str]
PREAMBLE = 30  # records before the table, at most


def preamble(rows: Sequence[Row], width: int) -> int:
    """How many records stand before the table: text in one field, where the table has several."""
    for count, row in enumerate(rows[:PREAMBLE]):
        filled = [text for text in row if text]
        title = width > 2 and len(filled) < 2 and len(row) > 1
        alone = width > 1 and len(row) == 1
        if not (title or alone) or any(map(number, filled)):
            return count
    return 0


def is_header(first: Row, body: Sequence[Row], asked: bool | None, decimal: str, where: str) -> bool:
    """Is the first record a header? `asked` (data.header) decides.

    By default it is if it has no number above a column of numbers; in a table of text only, if its fields differ from
    one another and from all fields below, also in the shape of those with digits. Raises UsageError if a header is
    asked for and the record holds numbers that are not names: names count (0, 1, 2, ... or 1, 2, 3, ...) or increase.
    """
    if asked and first and all(map(number, first)) and not counts(first):
        values = [float(text) for text in first]
        if len(values) < 3 or any(a >= b for a, b in pairwise(values)):  # not years or wavelengths either
            said = f"{where}: data.header = true, but the first line holds numbers: {shown(first)}"
            raise UsageError(f"{said}; set header = false if this file has no header, or leave it out")
    if asked is not None or not body:
        return not any(map(number, first)) if asked is None else asked
    shift = len(body[0]) - len(first)
    columns = [[row[c + shift] for row in body] for c in range(len(first))]
    votes = [not number(text) for text, below in zip(first, columns, strict=True) if numeric(below, decimal)
             and not absent(text, (), numbers=True)]  # fmt: skip
    if votes:
        return all(votes)
    below = {text for column in columns for text in column}
    alike = any(shape(text) and shape(text) in map(shape, column) for text, column in zip(first, columns, strict=True))
    return len(set(first)) == len(first) and not below & set(first) and not alike


def shape(text: str) -> str:
    """The text with 9 for each run of digits, "" if it has none: such as of dates, codes and addresses.

    >>> shape("192.168.1.12"), shape("age")
    ('9.9.9.9', '')
    """
    return re.sub(r"\d+", "9", text) if re.search(r"\d", text) else ""


def numeric(column: Sequence[str], decimal: str) -> bool:
    """Are most fields numbers?"""
    found = shares(column, (), decimal)
    return found.numbers > found.texts


def counts(first: Row) -> bool:
    """Are the fields 0, 1, 2, ... or 1, 2, 3, ..., the names that pandas gives?

    >>> counts(["0", "1", "2"]), counts(["1", "0", "2"])
    (True, False)
    """
    n = len(first)
    return n > 2 and list(first) in (list(map(str, range(n))), list(map(str, range(1, n + 1))))


def doubtful(first: Row, header: bool, asked: bool | None, where: str) -> str | None:
    """A warning if the first record may have been misread as a header or as a sample; None if it is clear."""
    given = [text for text in first if number(text)]
    if asked is None and not header and len(given) > 2 and rises(given):
        cure = "if these are names, set data.header = true; if not, false"
        return f"{where}: the first line, {shown(first)}, is read as a sample; {cure}"
    if not first or len(given) < len(first):
        return None
    if header and not counts(first):
        return f"{where}: the first line, {shown(first)}, is read as a header because data.header = true"
    return None


def rises(numbers: Row) -> bool:
    """Does each number exceed the one before it by 1, as years in a header do?"""
    return all(float(b) - float(a) == 1 for a, b in pairwise(numbers))


def check_names(names: Row, width: int, line: int, where: str) -> None:
    """Raise UsageError unless the header names each of `width` columns, with different names."""
    place = f"{where}: line {line}"
    if len(names) != width:
        said = f"the header has {len(names)} names, the rows have {width} columns: {shown(names)}"
        raise UsageError(f"{place}: {said}; name each column, or set data.header = false if these are no names")
    if twice := [name for name, count in Counter(names).items() if count > 1 and name]:
        at = " and ".join(str(i + 1) for i, name in enumerate(names) if name == twice[0])
        raise UsageError(f"{place}: the header has the name {twice[0]!r} twice (columns {at}); rename one")


def named(names: Row) -> tuple[str, ...]:
    """The names, with "column 3" where the third is empty."""
    return tuple(name or f"column {i}" for i, name in enumerate(names, 1))
