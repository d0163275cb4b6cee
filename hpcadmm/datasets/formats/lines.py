"""The lines of a text file, however they end and whatever packs them, and their fields."""

import csv
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from io import IncrementalNewlineDecoder
from itertools import islice

from hpcadmm.datasets.formats.foreign import foreign
from hpcadmm.datasets.formats.stream import CHUNK, Stream
from hpcadmm.errors import UsageError

LONGEST = 1 << 28  # characters of one line
JOINED = 100  # lines that one quoted field may span
NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|nan|inf(inity)?)\s*", re.I | re.A)


def number(text: str) -> bool:
    """Is this a number: digits with a point and an exponent, nan or inf? Not 1_000, 1,5 or digits beyond ASCII."""
    return NUMBER.fullmatch(text) is not None


def physical(file: Stream) -> Iterator[str]:
    """All lines without their ends (LF, CR LF or CR), decoded from UTF-8, other bytes as \\xff.

    Raises UsageError for what is no text, or has a line of more than LONGEST characters.
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
            raise UsageError(f"{file.path}: line {row} holds NUL bytes: the file is damaged, or is no text")
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
    """The lines that are not blank, nor only a comment."""
    for line in physical(file):
        text = line.strip()
        if text and not (comment and text.startswith(comment)):
            yield line


@dataclass(frozen=True)
class Style:
    """How the fields of a table are written. delimiter: one character, a space: any run of blanks; header: see
    `header.is_header`; comment: what begins a line that is skipped."""

    delimiter: str = ","
    header: bool | None = None
    comment: str | None = None

    def records(self, file: Stream) -> Iterator[str]:
        """The lines; one whose quotes are open is joined with those that follow, up to JOINED."""
        stream = lines(file, self.comment)
        for line in stream:
            odd = '"' in line and line.count('"') % 2
            yield self.joined(line, stream, file) if odd else line

    def joined(self, line: str, stream: Iterator[str], file: Stream) -> str:
        """The line with those up to the one that closes its quotes; the line itself if none does."""
        parts = [line]
        for more in islice(stream, JOINED):
            parts.append(more)
            if more.count('"') % 2:
                return "\n".join(parts)
        raise UsageError(f"{file.path}: quotes are opened and not closed within {len(parts)} lines, from {line[:60]!r}")

    def fields(self, record: str) -> list[str]:
        """The fields of a record, out of their quotes and without blanks around them.

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
        except (csv.Error, ValueError):  # an odd number of quotes, or a field of more than 128 kB in quotes
            found = record.split(self.delimiter)
        return [text.strip() for text in found]

    def unquoted(self, record: str) -> str:
        """The record without its quotes. Raises ValueError where a field could then be taken for several or none.

        >>> Style().unquoted('"1", "2"')
        '1,2'
        """
        if '"' not in record:
            return record
        found = self.fields(record)
        if any(text.split() != [text] if self.delimiter == " " else self.delimiter in text for text in found):
            raise ValueError("a delimiter within quotes")
        return self.delimiter.join(found)


DELIMITERS = {",": '","', ";": '";"', "\t": '"\\t"', "|": '"|"', " ": '" "'}  # as a job file writes them


def delimiter_of(records: list[str], but: str) -> str | None:
    """The delimiter, another than `but`, that cuts all records into equally many fields, most of them numbers."""
    found = []
    for delimiter in DELIMITERS:
        cut = [Style(delimiter).fields(record) for record in records]
        widths = set(map(len, cut))
        numbers = sum(number(text.replace(",", ".")) for text in cut[-1]) if cut else 0
        if delimiter != but and len(widths) == 1 and max(widths) > 1 and 2 * numbers >= max(widths):
            found.append((max(widths), delimiter))
    return max(found, key=lambda one: one[0])[1] if found else None  # of equal ones the first: a blank is last
