"""The encoding of a text file, from its first bytes."""

import codecs
import re

from hpcadmm.errors import UsageError

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LATIN = "cp1252"
SIGNS = frozenset(
    b"\x80\x82\x84\x85\x86\x89\x8b\x91\x92\x93\x94\x95\x96\x97\x99\x9b".decode(LATIN)
    + bytes(range(0xA0, 0xC0)).decode(LATIN)
    + "\u00d7\u00f7"
)
SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
CONTROL = re.compile("[\x00-\x08\x0e-\x19\x1c-\x1f]")


def encoding_of(data: bytes, whole: bool, where: str) -> str:
    """Python's name of the encoding. whole: `data` is the whole file. Raises UsageError for a mix and for no text."""
    for bom, name in BOMS:
        if data.startswith(bom):
            return name
    if b"\0" in data[:4096] and (found := zeros(data[:4096])):
        return found
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, whole)
    except UnicodeDecodeError as error:
        check_latin(data, error.start, where)
        return LATIN
    return "utf-8"


def zeros(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, by where the zeros of its ASCII characters lie."""
    for width, name in ((4, "utf-32"), (2, "utf-16")):
        free = [data[i::width].count(0) / max(1, len(data[i::width])) for i in range(width)]
        for first, order in ((0, "le"), (width - 1, "be")):
            others = free[:first] + free[first + 1 :]
            if free[first] < 0.1 and min(others) > 0.7:
                return f"{name}-{order}"
    return None


def wide_text(top: bytes) -> bool:
    """Are these the first bytes of UTF-16 or UTF-32 text?"""
    name = next((name for bom, name in BOMS[1:] if top.startswith(bom)), None) or (zeros(top) if b"\0" in top else None)
    if name is None:
        return False
    text = codecs.getincrementaldecoder(name)("replace").decode(top)
    return not CONTROL.search(text) and "\ufffd" not in text


def check_latin(data: bytes, at: int, where: str) -> None:
    """Raise UsageError unless all bytes beyond ASCII are Western European letters; at: the first that is not UTF-8."""
    place = f"{where}: {line_of(data, at)}"
    if SEQUENCE.search(data):
        said = f"the byte {data[at]:#04x} is not UTF-8, but other lines are: the file mixes encodings"
        raise UsageError(f"{place}: {said}; save it as UTF-8, or set data.encoding")
    for found in re.finditer(rb"[\x80-\xff]", data):
        letter = found[0].decode(LATIN, "replace")
        if not letter.isalpha() and letter not in SIGNS:
            said = f"the byte {found[0][0]:#04x} belongs to no text in UTF-8 or Windows-1252"
            cure = "save it as UTF-8, or set data.encoding; is it a table in text?"
            raise UsageError(f"{where}: {line_of(data, found.start())}: {said}; {cure}")


def line_of(data: bytes, at: int) -> str:
    """Where a byte is, in words: its line and, counted in bytes, its place there."""
    before = data[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return f"line {before.count(10) + 1}, byte {len(before) - before.rfind(10)}"


def check_text(text: str, where: str) -> None:
    """Raise UsageError for characters that no table contains."""
    if found := CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        what = "NUL bytes" if found[0] == "\0" else f"the control character {ord(found[0]):#04x}"
        raise UsageError(f"{where}: line {line} contains {what}; the file is damaged, or is not text")
