"""Tables as CSV and as Markdown."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpcadmm.errors import printable
from hpcadmm.storage.durable import spoken, write_text


def write(path: Path, text: str) -> None:
    """Write or replace a file. Raises UsageError if that fails."""
    with spoken(f"write {path}"):
        write_text(path, text)


def comma_separated(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the same keys as CSV; None is an empty cell, a list is JSON-like text."""
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of the same keys as a Markdown table, its columns aligned.

    >>> print(markdown([{"job": "a|b", "seconds": "1"}]))
    | job  | seconds |
    | :--- | :------ |
    | a\\|b | 1       |
    """
    lines = [[safe(key) for key in rows[0]], *([safe(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [lines[0], [":" + "-" * (width - 1) for width in widths], *lines[1:]]
    padded = ([text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in table)
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def safe(text: str) -> str:
    """Text that stays in its cell and is not taken for markup."""
    text = printable(" ".join(text.split())).replace("\\", "\\\\")
    return text.replace("|", "\\|").replace("&", "&amp;").replace("<", "&lt;")


def cell(value: tuple[float, float, float] | None) -> str:
    """Median, least and largest as one cell.

    >>> cell((2.0, 1.0, 3.0)), cell((1.5, 1.5, 1.5)), cell((math.inf, 1.0, math.inf)), cell(None)
    ('2 (1-3)', '1.5', 'never (1-never)', '')
    """
    if value is None:
        return ""
    middle, low, high = map(number, value)
    return middle if low == high else f"{middle} ({low}-{high})"


def number(value: float) -> str:
    """Three or more significant digits, whole numbers as they are.

    >>> number(12.345), number(0.012345), number(123456.0), number(27260832.0), number(math.inf)
    ('12.3', '0.0123', '123456', '27260832', 'never')
    """
    if math.isinf(value):
        return "never"
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
