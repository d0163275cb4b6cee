"""Which field of a table of text is at fault, and what to do about it."""

from collections.abc import Sequence

from hpcadmm.datasets.lines import DELIMITERS, Style, delimiter_of, number

SHOWN = 40  # characters of a field in a message
CURES = (
    (("", "?", "na", "n/a", "null", "none", "-", "."), "a missing value: fill it in, or remove the row"),
    (("true", "false", "yes", "no"), "write 1 and 0"),
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
    plain = text.replace("_", "").replace("'", "").replace(" ", "")
    if "," not in text and number(plain):
        return f"{said}: write it without separators, {plain}"
    if number(text.replace(",", "")):
        head, *groups = text.lstrip("+-").split(".")[0].split(",")
        if head and all(len(group) == 3 for group in groups):
            return f"{said}: write it without the thousands separator, {text.replace(',', '')}"
        return f"{said}: write it with a decimal point, {text.replace(',', '.')}"
    if other := delimiter_of([text], style.delimiter):
        return f"{said}; the fields look separated by {DELIMITERS[other]}: set data.delimiter = {DELIMITERS[other]}"
    if not text.isascii() or "\\x" in text or not text.isprintable():
        return f"{said}: perhaps the file is damaged, or is no text"
    return f"{said}: {'the name of a class in text' if target else 'text'}; number the " + (
        "classes 0, 1, 2, ..." if target else "values, or leave the column out"
    )


def fault(records: Sequence[str], start: int, style: Style, columns: int, target: int | None, named: str) -> str | None:
    """What is wrong with the first record that cannot be parsed; None if none is found.

    start: its row, from 0; columns: of the table; named: what a header would be called if the first row is one.
    """
    for row, record in enumerate(records, start + 1):
        found = style.fields(record)
        hint = named if row == 1 else ""
        if len(found) != columns:
            return f"row {row} has {len(found)} columns, the others {columns}{hint}"
        for column, text in enumerate(found):
            if not number(text):
                at = f"row {row}, column {column + 1} (counted from 1)"
                return f"{at}: {cause(text, style, column == target)}{hint}"
    return None
