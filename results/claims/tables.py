"""Tables of this folder: CSV files."""

import csv
from pathlib import Path


def rows(path):
    """The rows of a table that may not be there."""
    if not Path(path).exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path, table, more=False):
    """Write a table, or append to it."""
    headed = not (more and Path(path).exists())
    with open(path, "a" if more else "w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, table[0], lineterminator="\n")
        if headed:
            lines.writeheader()
        lines.writerows(table)
