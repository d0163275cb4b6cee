"""A table for a person: each column of a file, what it holds and what it becomes."""

from typing import Any

import numpy as np

from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.columns.base import Column
from hpcadmm.datasets.tabular.columns.category import Category
from hpcadmm.datasets.tabular.columns.number import Number
from hpcadmm.datasets.tabular.columns.values import floats, texts
from hpcadmm.datasets.tabular.raw import Raw
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.datasets.tabular.target import Target

FREQUENT = 3  # most frequent texts in a row of the table
Row = dict[str, Any]


def described(raw: Raw, schema: Schema) -> list[Row]:
    """For each column of the file, which this rank holds as a whole: name, type, rows without a value, distinct values,
    minimum and maximum or the most frequent texts, what it becomes, and its number of features."""
    known = {column.place: column for column in schema.columns}
    targets = schema.target.places if schema.target else []
    rows = []
    for place, (name, kind) in enumerate(zip(raw.names, raw.kinds, strict=True)):
        column = known.get(place)
        if place in targets and schema.target:
            becomes = as_target(schema.target)
        else:
            becomes = meaning(column) if column else f"left out: {schema.left_out.get(name, 'ignored')}"
        features = len(column.features) if column else 0
        rows.append({"column": name, "type": kind, **contents(raw, place), "becomes": becomes, "features": features})
    return rows


def as_target(target: Target) -> str:
    """What the target's column becomes."""
    if target.labels is None:
        return "target of a regression"
    return f"target: {len(target.labels)} classes"


def meaning(column: Column) -> str:
    """What a column becomes."""
    if isinstance(column, Category):
        more = ", other" * column.other + ", missing" * column.missing
        return f"{len(column.values)} categories{more}"
    indicator = isinstance(column, Number) and column.indicator
    form = getattr(column, "format", "")
    return column.becomes + (f" ({form})" if form else "") + ", missing" * indicator


def contents(raw: Raw, place: int) -> Row:
    """The values of one column."""
    if raw.kinds[place] == "text":
        return words(raw, place)
    values = np.concatenate([np.empty(0), *(floats(shard.columns[place]) for shard in raw.shards)])
    held = values[~np.isnan(values)]
    low, high = (float(held.min()), float(held.max())) if held.size else (None, None)
    missing = len(values) - len(held)
    return {"missing": missing, "distinct": len(np.unique(held)), "minimum": low, "maximum": high, "frequent": {}}


def words(raw: Raw, place: int) -> Row:
    """The values of a column of text."""
    counts: dict[str, int] = {}
    missing = 0
    for shard in raw.shards:
        different, codes = texts(shard.columns[place])
        missing += int(np.count_nonzero(codes == -1))
        found = np.bincount(codes[codes >= 0], minlength=len(different))
        for text, count in zip(different, found.tolist(), strict=True):
            counts[text] = counts.get(text, 0) + count
    held = {text: count for text, count in counts.items() if count}
    most = dict(sorted(held.items(), key=lambda item: (-item[1], item[0]))[:FREQUENT])
    return {"missing": missing, "distinct": len(held), "minimum": None, "maximum": None, "frequent": most}


def as_row(row: Row) -> tuple[str, ...]:
    """One column as the table shows it."""
    if row["minimum"] is not None:
        say = day if row["type"] == "date" else "{:g}".format
        values = f"{say(row['minimum'])} to {say(row['maximum'])}"
    else:
        values = ", ".join(f"{shown([text])} ({count})" for text, count in row["frequent"].items())
    name, kind, becomes = shown([row["column"]]), row["type"], row["becomes"]
    return (name, kind, str(row["missing"]), str(row["distinct"]), values, becomes, str(row["features"]))


def day(days: float) -> str:
    """The date that is some days after 1970-01-01.

    >>> day(19723.5)
    '2024-01-01'
    """
    return str(np.datetime64(int(np.floor(days)), "D"))


HEAD = ("column", "type", "missing", "distinct", "range, or most frequent", "becomes", "features")
