"""The records of a piece of text, in plain Python: for samples, and to find a fault."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

TOKEN = {quote: re.compile(rf"{quote}(?:[^{quote}]|{quote}{quote})*{quote}|\S+") for quote in ("'", '"')}


def physical(text: str) -> list[str]:
    r"""The lines with their ends, which may be LF, CR LF or CR.

    >>> physical("a\r\nb\rc")
    ['a\r\n', 'b\r', 'c']
    """
    return list(io.StringIO(text, newline=""))


def records(lines: Sequence[str], delimiter: str, quote: str, comment: str = "") -> Iterator[tuple[int, list[str]]]:
    """The number of its first line (from 0), and the fields, of each record; without blanks around fields.

    Lines that are blank or begin with `comment` are skipped.
    """
    kept = [i for i, line in enumerate(lines) if not line.isspace() and not (comment and starts(line, comment))]
    if delimiter == " ":
        yield from ((i, tokens(lines[i], quote)) for i in kept)
        return
    style: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader((lines[i] for i in kept), delimiter=delimiter, skipinitialspace=True, **style)
    done = 0
    try:
        for fields in reader:
            yield kept[done], [field.strip() for field in fields]
            done = reader.line_num
    except csv.Error:  # a field of more than 128 kB
        yield kept[done], []


def starts(line: str, prefix: str) -> bool:
    """Does the line begin with the prefix, after blanks?"""
    return line.lstrip().startswith(prefix)


def tokens(line: str, quote: str) -> list[str]:
    """The fields between runs of blanks.

    >>> tokens(' 1  "a b" 2', '"')
    ['1', 'a b', '2']
    """
    if not quote or quote not in line:
        return line.split()
    found = TOKEN[quote].findall(line)
    return [
        one[1:-1].replace(quote * 2, quote).strip() if one[0] == quote == one[-1] and one[1:] else one for one in found
    ]
