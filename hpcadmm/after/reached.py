"""What a run reached on its test part and what that cost, from the rows of metrics.jsonl."""

from collections.abc import Mapping, Sequence
from typing import Any

from hpcadmm.plotting import finite

Row = dict[str, Any]


def measured(rows: Sequence[Row]) -> str:
    """The measure of the test part: "accuracy", "error" (mean squared), or "" if nothing was measured."""
    return next((name for name in ("accuracy", "error") for row in rows if f"test_{name}" in row), "")


def scores(rows: Sequence[Row]) -> list[tuple[float, Row]]:
    """The test accuracy or error, and the row, wherever it is a number."""
    key = f"test_{measured(rows)}"
    return [(float(row[key]), row) for row in rows if finite(row.get(key))]


def best(rows: Sequence[Row]) -> tuple[float, Row] | None:
    """The best test accuracy or error, and the first row that has it."""
    sign = 1 if measured(rows) == "accuracy" else -1
    return max(scores(rows), key=lambda one: sign * one[0], default=None)


def at(rows: Sequence[Row], target: float) -> Row | None:
    """The first row whose test accuracy is at least the target, or whose test error is at most that."""
    sign = 1 if measured(rows) == "accuracy" else -1
    return next((row for value, row in scores(rows) if sign * value >= sign * target), None)


def with_costs(row: Mapping[str, Any], ranks: int) -> Row:
    """A row with its `iterations` and `synchronisations`. `messages` counts those of all ranks: a sum over the ranks is
    one message of each."""
    messages = row.get("messages")
    return {
        **row,
        "iterations": row.get("iteration"),
        "synchronisations": messages / ranks if finite(messages) else None,
    }
