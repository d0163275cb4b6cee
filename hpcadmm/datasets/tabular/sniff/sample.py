"""A sample of a text file: its beginning, and pieces spread over the rest, for the types of the columns."""

import codecs
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hpcadmm.datasets.disk.stream import Stream, foreign, opened, packing
from hpcadmm.datasets.tabular.sniff.encoding import encoding_of, wide_text
from hpcadmm.errors import UsageError

TOP = 1 << 20  # bytes of the beginning, more if it has fewer lines than LINES
LINES = 10
MOST = 1 << 26  # bytes of these lines
SMALL = 1 << 22  # bytes of a file that is read whole
PIECE = 1 << 16  # bytes of a piece
PIECES = 16
SPREAD = 1 << 26  # bytes from which on a file is worth pieces


@dataclass(frozen=True)
class Sample:
    """top: the first bytes, unpacked, from a file of `size` bytes that is `packed` or not; whole: that is all."""

    path: Path
    file: Stream
    top: bytes
    pieces: tuple[bytes, ...]
    size: int
    packed: bool
    whole: bool

    def encoding(self, asked: str | None) -> str:
        """The encoding that is asked for, or the one that the bytes show. Raises UsageError."""
        found = encoding_of(self.top, self.whole, str(self.path)) if asked is None else asked
        return "utf-8-sig" if found == "utf-8" and self.top.startswith(codecs.BOM_UTF8) else found

    def text(self, encoding: str) -> str:
        """The beginning, cut at the end of a line; so much of it that it shows the types."""
        text = decoded(self.top, encoding, str(self.path), self.whole)
        few = sum(1 for _ in zip(range(LINES), re.finditer(r"[\r\n]", text[:TOP]), strict=False)) < LINES
        if self.whole and (len(text) <= TOP or few):
            return text
        some = text if few else text[:TOP]
        return some[: max(some.rfind("\n"), some.rfind("\r")) + 1] or some

    def spread(self, encoding: str) -> Iterator[str]:
        """The whole lines of each piece; a damaged character is left for the reading to find."""
        rest = self.top[TOP:] if self.whole else b""
        for piece in self.pieces or (rest[at : at + PIECE] for at in range(0, len(rest), SMALL // PIECES)):
            text = piece.decode(encoding, "replace")
            first = min((at for at in (text.find("\n"), text.find("\r")) if at >= 0), default=len(text))
            yield text[first : max(text.rfind("\n"), text.rfind("\r")) + 1].lstrip("\r\n")


def decoded(data: bytes, encoding: str, where: str, final: bool) -> str:
    """The text, without a character that is cut at its end if not `final`. Raises UsageError."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data, final)
    except UnicodeError as error:
        line = data[: getattr(error, "start", 0)].count(b"\n") + 1
        said = f"is not {encoding} text ({error}); set data.encoding to the encoding of the file"
        raise UsageError(f"{where}: line {line}: {said}") from error


@contextmanager
def sampled(path: Path) -> Iterator[Sample]:
    """The sample, and the open file that follows it. Raises UsageError for a file that is no text."""
    with opened(path) as file:
        packed = packing(path) is not None
        size = path.stat().st_size
        top = beginning(file, SMALL + 1 if not packed and size <= SMALL else TOP)
        if not wide_text(top[: 1 << 12]) and (what := foreign(top)):
            raise UsageError(f"{path}: {what}")
        more = file.read(1)
        whole, top = not more, top + more
        spread = () if packed or size < SPREAD else tuple(pieces(file, size))
        yield Sample(path, file, top, spread, size, packed, whole)


def pieces(file: Stream, size: int) -> Iterator[bytes]:
    """Some bytes at even distances."""
    for k in range(1, PIECES + 1):
        file.seek(size * k // PIECES - PIECE if k == PIECES else size * k // PIECES, os.SEEK_SET)
        yield file.read(PIECE)


def beginning(file: Stream, count: int) -> bytes:
    """The first `count` bytes, or more if their lines are long."""
    top = file.read(count)
    while top.count(b"\n") + top.count(b"\r") < LINES and len(top) < MOST and (more := file.read(TOP)):
        top += more
    return top
