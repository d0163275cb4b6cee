"""Which field of a table of text is at fault, and what to do about it."""

import re
from collections.abc import Sequence

from hpcadmm.datasets.formats.lines import DELIMITERS, Style, delimiter_of, number

SHOWN = 40  # characters of a field in a message
LONG = 100  # characters of a field that is tried with repairs
CURES = (
    (("", "?", "na", "n/a", "null", "none", "-", "."), "a missing value: fill it in, or remove the row"),
    (("true", "false", "yes", "no"), "write 1 and 0"),
)
REPAIRS = (  # what to take out or replace, by what, and the words for it
    (r"^'(.*)'$", r"\1", "without quotes"),
    (r"[\s_'\u2019]", "", "without separators"),
    (r"^[$\u20ac\u00a3\u00a5]|[%$\u20ac\u00a3\u00a5]$", "", "without the sign"),
    ("\u2212", "-", "with the sign - of ASCII"),
    (r"[dD](?=[-+]?\d+$)", "e", "with an e before the exponent"),
    (r"(?<=\d),(?=\d{3}(\D|$))", "", "without the thousands separator"),
    (",", ".", "with a decimal point"),
)
FIRSTS = (  # what the first line of a file begins with, and what that means
    (("#", "%", "//", "@"), "if lines that begin with {0!r} are comments, set data.comment = {0!r}"),
    (("sep=",), "remove the first line, which is Excel's, and set data.delimiter"),
    (("{", "["), "is it JSON? save it as csv"),
    (("<",), "is it XML or HTML? save it as csv"),
)


def cause(text: str, style: Style, target: bool) -> str:
    """What is wrong with a field that is no number, with the cure.

    >>> cause("1,234", Style(), False)
    "'1,234' is no number: write it without the thousands separator, 1234"
    """
    said = f"{text[:SHOWN]!r} is no number"
    for words, cure in CURES:
        if text.lower() in words:
            return f"{said}: {cure}"
    for pattern, by, how in REPAIRS:
        if number(plain := re.sub(pattern, by, text[:LONG])):
            return f"{said}: write it {how}, {plain}"
    if other := delimiter_of([text], style.delimiter):
        return f"{said}; the fields look separated by {DELIMITERS[other]}: set data.delimiter = {DELIMITERS[other]}"
    if not text.isascii() or "\\x" in text or not text.isprintable():
        return f"{said}: perhaps the file is damaged, or is no text"
    return f"{said}: {'the name of a class in text' if target else 'text'}; number the " + (
        "classes 0, 1, 2, ..." if target else "values, or leave the column out"
    )


def first_line(line: str) -> str:
    """What the beginning of the first line suggests, as the end of a message; "" if nothing."""
    for begins, cure in FIRSTS:
        if found := next((begin for begin in begins if line.lower().startswith(begin)), None):
            return "; " + cure.format(found)
    return ""


def fault(records: Sequence[str], start: int, style: Style, columns: int, target: int | None, named: str) -> str | None:
    """What is wrong with the first record that cannot be parsed; None if none is found.

    start: its row, from 0; columns: of the table; named: what a header would be called if the first row is one.
    """
    for row, record in enumerate(records, start + 1):
        found = style.fields(record)
        hint = named if row == 1 else ""
        if len(found) != columns:
            quotes = "; its quotes close some lines later: is one a part of a value?" if "\n" in record else ""
            return f"row {row} has {len(found)} columns, the others {columns}{quotes or hint}"
        for column, text in enumerate(found):
            if not number(text):
                at = f"row {row}, column {column + 1} (counted from 1)"
                return f"{at}: {cause(text, style, column == target)}{hint}"
    return None
