"""The lines and fields of a text file, and what is wrong with a field that is not a number."""

import csv
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import IncrementalNewlineDecoder
from itertools import islice

from hpcadmm.datasets.disk.stream import CHUNK, Stream, foreign
from hpcadmm.errors import UsageError

LONGEST = 1 << 28  # characters of one line
JOINED = 100  # lines that one quoted field may span
NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|nan|inf(inity)?)\s*", re.I | re.A)
DELIMITERS = {",": '","', ";": '";"', "\t": '"\\t"', "|": '"|"', " ": '" "'}  # as a job file writes them
SHOWN = 40  # characters of a field in a message
LONG = 100  # characters of a field that repairs are tried on
CURES = (
    (("", "?", "na", "n/a", "null", "none", "-", "."), "a missing value: fill it in, or remove the row"),
    (("true", "false", "yes", "no"), "write 1 and 0"),
)
REPAIRS = (  # pattern, replacement, how the field is then written
    (r"^'(.*)'$", r"\1", "without quotes"),
    (r"[\s_'\u2019]", "", "without separators"),
    (r"^[$\u20ac\u00a3\u00a5]|[%$\u20ac\u00a3\u00a5]$", "", "without the sign"),
    ("\u2212", "-", "with the ASCII sign -"),
    (r"[dD](?=[-+]?\d+$)", "e", "with an e before the exponent"),
    (r"(?<=\d),(?=\d{3}(\D|$))", "", "without the thousands separator"),
    (",", ".", "with a decimal point"),
)
FIRSTS = (  # beginnings of the first line, and the cure
    (("#", "%", "//", "@"), "if lines that begin with {0!r} are comments, set data.comment = {0!r}"),
    (("sep=",), "remove the first line, which Excel wrote, and set data.delimiter"),
    (("{", "["), "is it JSON? save it as csv"),
    (("<",), "is it XML or HTML? save it as csv"),
)


def number(text: str) -> bool:
    """Is this a number: digits with a point and an exponent, nan or inf? Not 1_000, 1,5 or non-ASCII digits."""
    return NUMBER.fullmatch(text) is not None


def physical(file: Stream) -> Iterator[str]:
    r"""All lines without their ends (LF, CR LF or CR), decoded from UTF-8; other bytes become \xff.

    Raises UsageError for a file that is not text or has a line longer than LONGEST characters.
    """
    decoder = IncrementalNewlineDecoder(getincrementaldecoder("utf-8-sig")("backslashreplace"), translate=True)
    held: list[str] = []
    count = 0
    while block := file.read(CHUNK):
        if not count and (what := foreign(block)):
            raise UsageError(f"{file.path}: {what}")
        first, *rest = decoder.decode(block).split("\n")
        held.append(first)
        if b"\0" in block:
            row = count + 1 + next((i for i, line in enumerate([first, *rest]) if "\0" in line), 0)
            raise UsageError(f"{file.path}: line {row} contains NUL bytes; the file is damaged, or is not text")
        if rest:
            yield "".join(held)
            yield from islice(rest, len(rest) - 1)
            held = [rest[-1]]
            count += len(rest)
        elif sum(map(len, held)) > LONGEST:
            raise UsageError(f"{file.path}: line {count + 1} has more than {LONGEST} characters; the file is damaged")
    held.append(decoder.decode(b"", final=True))
    if last := "".join(held):
        yield last


def lines(file: Stream, comment: str | None = None) -> Iterator[str]:
    """The lines that are neither blank nor comments."""
    for line in physical(file):
        text = line.strip()
        if text and not (comment and text.startswith(comment)):
            yield line


@dataclass(frozen=True)
class Style:
    """How the fields of a table are written.

    delimiter: one character; a space stands for any run of blanks. header: see `header.is_header`.
    comment: the beginning of lines to skip.
    """

    delimiter: str = ","
    header: bool | None = None
    comment: str | None = None

    def records(self, file: Stream) -> Iterator[str]:
        """The lines; one with an open quote is joined with the following, up to JOINED."""
        stream = lines(file, self.comment)
        for line in stream:
            odd = '"' in line and line.count('"') % 2
            yield self.joined(line, stream, file) if odd else line

    def joined(self, line: str, stream: Iterator[str], file: Stream) -> str:
        """The line and those that follow, up to the one that closes its quotes."""
        parts = [line]
        for more in islice(stream, JOINED):
            parts.append(more)
            if more.count('"') % 2:
                return "\n".join(parts)
        said = f"quotes opened in {line[:60]!r} are not closed within {len(parts)} lines"
        raise UsageError(f"{file.path}: {said}; close them, or remove them")

    def fields(self, record: str) -> list[str]:
        """The fields of a record without their quotes and the blanks around them.

        >>> Style().fields('"a, b", 2'), Style(" ").fields(" 1  2 ")
        (['a, b', '2'], ['1', '2'])
        """
        blanks = self.delimiter == " "
        if '"' not in record:
            return [text.strip() for text in record.split(None if blanks else self.delimiter)]
        if blanks:
            record = record.strip().replace("\t", " ")
        try:
            (found,) = csv.reader([record], delimiter=self.delimiter, skipinitialspace=True)
        except (csv.Error, ValueError):  # an odd number of quotes, or more than 128 kB in quotes
            found = record.split(self.delimiter)
        return [text.strip() for text in found]

    def unquoted(self, record: str) -> str:
        """The record without its quotes. Raises ValueError if a field contains the delimiter.

        >>> Style().unquoted('"1", "2"')
        '1,2'
        """
        if '"' not in record:
            return record
        found = self.fields(record)
        if any(text.split() != [text] if self.delimiter == " " else self.delimiter in text for text in found):
            raise ValueError("a delimiter within quotes")
        return self.delimiter.join(found)


def delimiter_of(records: list[str], but: str) -> str | None:
    """The delimiter other than `but` that cuts all records into equally many fields, most of them numbers."""
    found = []
    for delimiter in DELIMITERS:
        cut = [Style(delimiter).fields(record) for record in records]
        widths = set(map(len, cut))
        numbers = sum(number(text.replace(",", ".")) for text in cut[-1]) if cut else 0
        if delimiter != but and len(widths) == 1 and max(widths) > 1 and 2 * numbers >= max(widths):
            found.append((max(widths), delimiter))
    return max(found, key=lambda one: one[0])[1] if found else None  # the first of equals: a blank is the last


def separated(other: str) -> str:
    """What to say of fields that another delimiter separates."""
    return f"the fields look separated by {DELIMITERS[other]}: set data.delimiter = {DELIMITERS[other]}"


def cause(text: str, style: Style, target: bool) -> str:
    """Why a field is not a number, and the cure.

    >>> cause("1,234", Style(), False)
    "'1,234' is not a number: write it without the thousands separator, 1234"
    """
    said = f"{text[:SHOWN]!r} is not a number"
    for words, cure in CURES:
        if text.lower() in words:
            return f"{said}: {cure}"
    for pattern, by, how in REPAIRS:
        if number(plain := re.sub(pattern, by, text[:LONG])):
            return f"{said}: write it {how}, {plain}"
    if other := delimiter_of([text], style.delimiter):
        return f"{said}; {separated(other)}"
    if not text.isascii() or "\\x" in text or not text.isprintable():
        return f"{said}; the file may be damaged, or may not be text"
    if target:
        return f"{said}; number the classes 0, 1, 2, ..."
    return f"{said}; replace the text by numbers, or leave the column out"


def first_line(line: str) -> str:
    """The cure that the beginning of the first line suggests, to end a message with; "" if none."""
    for begins, cure in FIRSTS:
        if found := next((begin for begin in begins if line.lower().startswith(begin)), None):
            return "; " + cure.format(found)
    return ""


def fault(records: Sequence[str], start: int, style: Style, columns: int, target: int | None, named: str) -> str | None:
    """What is wrong with the first record that cannot be parsed; None if there is none.

    start: its row, from 0. columns: of the table. named: the cure to add if the first row may be a header.
    """
    for row, record in enumerate(records, start + 1):
        found = style.fields(record)
        hint = named if row == 1 else ""
        if len(found) != columns:
            quotes = "; it spans several lines in quotes: is one quote part of a value?" if "\n" in record else ""
            return f"row {row} has {len(found)} columns, the others have {columns}{quotes or hint}"
        for column, text in enumerate(found):
            if not number(text):
                at = f"row {row}, column {column + 1} (counted from 1)"
                return f"{at}: {cause(text, style, column == target)}{hint}"
    return None
