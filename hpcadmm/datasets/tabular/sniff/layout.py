"""The layout of a text table from a sample: what the user has not given is found, and said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.dialect import Dialect, Layout, wide
from hpcadmm.datasets.tabular.raw import Kind
from hpcadmm.datasets.tabular.sniff import arff
from hpcadmm.datasets.tabular.sniff.delimiter import ambiguous, decimal_of
from hpcadmm.datasets.tabular.sniff.encoding import LATIN, check_text
from hpcadmm.datasets.tabular.sniff.fields import MOST, cause, meant, number, shares
from hpcadmm.datasets.tabular.sniff.header import check_names, doubtful, is_header, named, preamble
from hpcadmm.datasets.tabular.sniff.records import physical, records
from hpcadmm.datasets.tabular.sniff.sample import Sample
from hpcadmm.datasets.tabular.sniff.search import Row, Search, delimit, usual
from hpcadmm.errors import UsageError

Kinds = Mapping[str, Kind]
Numbered = list[tuple[int, list[str]]]
ROWS = 20_000  # of the sample, at even distances, whose fields show the types
WORDS = {"\t": "tab", " ": "blanks"}


def layout_of(sample: Sample, asked: Dialect, kinds: Kinds) -> Layout:
    """How the file is written. kinds: what the user says of columns, by name or number. Raises UsageError."""
    where, encoding = str(sample.path), sample.encoding(asked.encoding)
    text = sample.text(encoding)
    check_text(text, where)
    search = Search(where, physical(text), asked)
    if not text.strip():
        raise UsageError(f"{where}: the file is empty: 0 rows of 0 columns; at least 1 row is needed")
    if encoding == LATIN and asked.encoding is None:
        said = 'is not UTF-8, so it is read as Windows-1252 (data.encoding = "cp1252")'
        search.warnings.append(f"{where}: {said}; set data.encoding if letters look wrong")
    declared = arff.declared(search)
    if declared is None:
        delimit(search)
    found = table(search, encoding, declared)
    given = {c: kind for c, name in enumerate(found.names) if (kind := kinds.get(name) or kinds.get(str(c + 1)))}
    if declared:
        given = declared.kinds | given
    found = replace(found, kinds=tuple("text" if k == "date" else k for k in typed(search, sample, found, given)))
    if not text.endswith(("\n", "\r")) and sample.whole:
        search.say("the last line has no line end: is the file complete?")
    return replace(found, facts=tuple(search.facts), warnings=tuple(search.warnings))


def table(search: Search, encoding: str, declared: "arff.Declared | None") -> Layout:
    """The layout but for the types: what is skipped, the header, the names."""
    rows, where = search.rows, search.where
    if not rows:
        raise UsageError(f"{where}: line 1: the file holds only comments that begin with {search.comment}")
    width = usual(fields for _, fields in rows)
    rows = rows[skipped(search, rows, width) :]
    decimal = search.asked.decimal or decimal_of([fields for _, fields in rows], search.delimiter)
    check_decimal(search, rows, decimal)
    names, rows = (declared.names, rows) if declared else heading(search, rows, width, decimal)
    if not rows:
        said = f"0 rows: the file holds {'one line, a header,' * bool(names)} and no rows"
        raise UsageError(f"{where}: line {len(search.lines)}: {said}; set data.header = false if it is a sample")
    body = [fields for _, fields in rows if len(fields) == width]
    trailing = ends_with_delimiter(body, names, width)
    names = names[: width - trailing] if names else None
    skip = int(names is not None and not trailing and len(names) == width - 1)
    if names:
        check_names(names, width - trailing - skip, rows[0][0], where)
    explain(search, names, rows[0][1], trailing, bool(skip), decimal)
    return laid_out(search, encoding, decimal, names, rows[0][0], (width, skip, trailing))


def ends_with_delimiter(body: Sequence[Row], names: Row | None, width: int) -> bool:
    """Does a delimiter that separates nothing end each line? With a header, which does not name that: nearly each."""
    filled = sum(1 for fields in body if fields[-1])
    if names is None:
        return width > 1 and not filled
    return (len(names) < width or not names[-1]) and filled <= (1 - MOST) * len(body)


def laid_out(
    search: Search, encoding: str, decimal: str, names: Row | None, first: int, widths: tuple[int, int, bool]
) -> Layout:
    """The layout; first: the line of the first record, from 0; widths: fields, row names, delimiter at the end."""
    width, skip, trailing = widths
    before = "".join(search.lines[:first])
    columns = range(1, width - skip - trailing + 1)
    return Layout(
        delimiter=search.delimiter,
        quote=search.quote,
        header=bool(names),
        comment=search.comment,
        encoding=encoding,
        decimal=decimal,
        missing=tuple(search.asked.missing),
        names=named(names) if names else tuple(map(str, columns)),
        kinds=(),
        width=width,
        skipped=skip,
        begin=len(before.encode("utf-8" if wide(encoding) else encoding)),
        line=first + 1,
        end="\n" if any("\n" in line for line in search.lines) else "\r",
        padded=padded(search, search.lines[first:]),
    )


def padded(search: Search, lines: Sequence[str]) -> bool:
    """Do blanks stand before quotes?"""
    blanks = "[ ]+" if search.delimiter == "\t" else "[ \t]+"
    blank = re.compile(rf"(^|{re.escape(search.delimiter)}){blanks}{search.quote}")
    return bool(search.quote) and any(map(blank.search, lines))


def skipped(search: Search, rows: Numbered, width: int) -> int:
    """How many records stand before the table; said."""
    count = 0 if search.asked.header is False else preamble([fields for _, fields in rows], width)
    if count:
        first = next((text for _, fields in rows[:count] for text in fields if text), "")
        search.say(f"{count} lines before the table are skipped: {first[:40]!r}, ...")
    return count


def check_decimal(search: Search, rows: Numbered, decimal: str) -> None:
    """Raise UsageError if 1,234 may be a thousand or a decimal."""
    if decimal == "," and search.asked.decimal is None and (text := ambiguous([fields for _, fields in rows])):
        line = next(i for i, fields in rows if text in fields) + 1
        said = f'{text!r}: is it a decimal comma? then set data.decimal = ","; if not, write it without the comma'
        raise UsageError(f"{search.where}: line {line}: {said}")


def heading(search: Search, rows: Numbered, width: int, decimal: str) -> tuple[Row | None, Numbered]:
    """The names in the header, None without one, and the rows after it."""
    where, asked = search.where, search.asked.header
    if search.head is not None and asked is not False:
        return [text.lstrip("#%").strip() for text in search.head[1]], rows
    line, first = rows[0]
    body = [fields for _, fields in rows[1:] if len(fields) == width]
    if len(first) not in (width, width - 1) and asked is not False and not any(map(number, first)) and body:
        check_names(first, width, line + 1, where)
    fits = len(first) in (width, width - 1)
    header = fits and is_header(first, body, asked, decimal, where)
    if doubt := doubtful(first, header, asked, where):
        search.warnings.append(doubt)
    return (first, rows[1:]) if header else (None, rows)


def explain(search: Search, names: Row | None, first: Row, trailing: bool, skip: bool, decimal: str) -> None:
    """Say how the table is read, and which keys change that."""
    between = WORDS.get(search.delimiter, f'"{search.delimiter}"')
    line = f"a header: {shown(names)}" if names else f"a sample: {shown(first)}"
    extra = ", decimal comma" * (decimal == ",") + ", single quotes" * (search.quote == "'")
    search.say(f"separated by {between}{extra}; the first line is {line}")
    if trailing:
        search.say("each line ends with a delimiter, after which nothing is read")
    if skip:
        search.say("the first column has no name, so it holds row names and is left out; name it to read it")


def typed(search: Search, sample: Sample, found: Layout, given: Mapping[int, Kind]) -> list[Kind]:
    """The kinds of the columns. Raises UsageError."""
    rows = [fields for i, fields in search.rows if i >= found.line - 1]
    for text in () if found.wide else sample.spread(found.encoding):
        rows += [fields for _, fields in records(physical(text), found.delimiter, found.quote, found.comment)]
    rows = [fields for fields in rows if len(fields) == found.width]
    rows = rows[:: -(-len(rows) // ROWS) or 1]
    return [
        given.get(c) or kind_of(search, found, c, [row[found.skipped + c] for row in rows])
        for c in range(len(found.names))
    ]


def kind_of(search: Search, found: Layout, column: int, values: Sequence[str]) -> Kind:
    """The kind of a column. Raises UsageError if numbers are meant that must be rewritten."""
    count = shares(values, found.missing, found.decimal)
    if count.texts > count.numbers and (text := meant(values, found.missing, found.decimal)):
        alike = (i for i, row in search.rows if len(row) == found.width and row[found.skipped + column] == text)
        place = next((f"line {i + 1}, " for i in alike if i >= found.line - 1), "")
        cure = f'or set data.types.{found.key(column)} = "category" to read text'
        raise UsageError(f"{search.where}: {place}column {found.called(column)}: {cause(text, found.decimal)}; {cure}")
    if count.numbers >= count.texts and count.codes:
        said = f"{count.texts} of {count.numbers + count.texts} sampled fields are no numbers, so it is read as text"
        place = f"{search.where}: column {found.called(column)}"
        search.warnings.append(f'{place}: {said}; set data.types.{found.key(column)} = "category" if that is right')
    return "number" if count.numbers >= count.texts and not count.codes else "text"
