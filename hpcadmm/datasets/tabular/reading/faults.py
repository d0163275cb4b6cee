"""Find in plain Python what is wrong with a block of text that cannot be parsed."""

from collections.abc import Iterator
from dataclasses import dataclass

from hpcadmm.datasets.tabular.dialect import Layout
from hpcadmm.datasets.tabular.reading.blocks import Block
from hpcadmm.datasets.tabular.sniff.fields import SHOWN, absent, cause, number, value
from hpcadmm.datasets.tabular.sniff.records import physical, records

KEYS = "set data.encoding to the encoding of the file"


@dataclass(frozen=True)
class Fault:
    """The first fault of a block. line: of the block, from 0. column: those read, from 0; None: the whole line."""

    line: int
    column: int | None
    said: str


def first_fault(block: Block, layout: Layout, why: str) -> Fault:
    """What is wrong with the block; why: what the parser said, for want of better."""
    try:
        text = block.data.decode("utf-8" if layout.wide else layout.encoding)
    except UnicodeDecodeError as error:
        return undecoded(block.data, error, layout)
    if (at := text.find("\0")) >= 0:
        return Fault(
            len(physical(text[:at] + "x")) - 1, None, "contains NUL bytes; the file is damaged, or is not text"
        )
    lines = physical(text)
    found = list(records(lines, layout.delimiter, layout.quote, layout.comment))
    ends = [*(line for line, _ in found), len(lines)][1:]
    last = len(found) - 1 if block.open else -1
    for row, ((line, fields), end) in enumerate(zip(found, ends, strict=True)):
        if row == last:
            said = f"the quote that opens in {lines[line][:SHOWN].rstrip()!r} is not closed; close it, or remove it"
            return Fault(line, None, f'{said} (data.quote = "" reads quotes as text)')
        if len(fields) != layout.width:
            cut = row == len(found) - 1 and not text.endswith(("\n", "\r"))
            return Fault(line, None, ragged(fields, layout, end - line, cut))
        if block.stray and end - line > 1 and goes_on(lines[end - 1], layout):
            return Fault(line, None, f"a field in quotes spans {end - line} lines: is one quote part of a value?")
        for column, said in wrong(fields, layout):
            return Fault(line, column, said)
    return Fault(0, None, f"this line or one of the {len(lines) - 1} after it cannot be read: {why}")


def undecoded(data: bytes, error: UnicodeDecodeError, layout: Layout) -> Fault:
    """The fault of a byte that the encoding does not have."""
    line = physical(data[: error.start].decode(layout.encoding, "replace") + "x")
    column = len(next(iter(records(line[-1:], layout.delimiter, layout.quote)))[1]) - 1 - layout.skipped
    what = f"the byte {data[error.start]:#04x} is not {layout.encoding.removesuffix('-sig').upper()}"
    inside = column if 0 <= column < len(layout.names) else None
    return Fault(len(line) - 1, inside, f'{what}; {KEYS} ("cp1252", if this is Western European text of Windows)')


def goes_on(line: str, layout: Layout) -> bool:
    """Does text follow a quote that closes a field?"""
    at = line.find(layout.quote) + 1
    return 0 < at < len(line) and line[at] not in (layout.delimiter, layout.quote, " ", "\t", "\r", "\n")


def ragged(fields: list[str], layout: Layout, lines: int, cut: bool) -> str:
    """What to say of a record with too many or too few fields."""
    said = f"has {len(fields)} columns, the others have {layout.width}"
    if lines > 1:
        return f"{said}; it spans {lines} lines in quotes: is one quote part of a value?"
    if cut and len(fields) < layout.width:
        return f"{said}; the file ends here: if it was cut off, get it again, else remove the line"
    return f"{said}; correct or remove this line"


def wrong(fields: list[str], layout: Layout) -> Iterator[tuple[int, str]]:
    """The columns that do not hold what they should, and what is wrong."""
    for column, kind in enumerate(layout.kinds):
        text = fields[layout.skipped + column]
        if kind != "number" or absent(text, layout.missing, numbers=True):
            continue
        if not number(text, layout.decimal):
            yield column, f"{cause(text, layout.decimal)}; {cures(layout, column, text)}"
        elif abs(value(text, layout.decimal)) == float("inf"):
            yield column, f"{text[:SHOWN]} is too large for float64; correct or remove that row"
    if len(fields) > layout.skipped + len(layout.names) and fields[-1]:
        yield (
            len(layout.names) - 1,
            f"{fields[-1][:SHOWN]!r} follows the last delimiter, where other lines have nothing",
        )


def cures(layout: Layout, column: int, text: str) -> str:
    """The options that read such a field."""
    given = f"{text[:SHOWN]!r}" if '"' in text else f'"{text[:SHOWN]}"'
    kind = f'set data.types.{layout.key(column)} = "category" if the column holds text'
    return f"{kind}, data.missing = [{given}] if this is no value"
