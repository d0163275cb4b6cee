"""The lines of a text file, and what is a number in it."""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from io import IncrementalNewlineDecoder
from itertools import islice

from hpcadmm.datasets.disk.stream import CHUNK, Stream, foreign
from hpcadmm.errors import UsageError

LONGEST = 1 << 28  # characters of one line
NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|nan|inf(inity)?)\s*", re.I | re.A)


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
