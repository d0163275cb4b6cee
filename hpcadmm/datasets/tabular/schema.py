"""The schema of a table: how the columns of a file become features and labels, as learned from the train part."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import Columns as OldColumns
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.columns.base import SOME, Column, Here, Tally
from hpcadmm.datasets.tabular.columns.category import Category
from hpcadmm.datasets.tabular.columns.date import Date
from hpcadmm.datasets.tabular.columns.number import Number
from hpcadmm.datasets.tabular.columns.values import texts
from hpcadmm.datasets.tabular.match import Match, matched
from hpcadmm.datasets.tabular.raw import Kind, Raw, Shard
from hpcadmm.datasets.tabular.target import UNKNOWN, Target
from hpcadmm.errors import UsageError

KINDS: dict[str, Any] = {column.becomes: column for column in (Number, Date, Category)}
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Schema:
    """How a table is encoded. The record of a checkpoint holds the first five fields.

    header: does the training file name its columns?
    width: its number of columns, those without features included.
    columns: those that become features, in the order of the features.
    left_out: the others beside the target, {name: why}.
    target: None if there is none.

    Of the file that is encoded now, which `matched` sets:
    at, target_at: positions of `columns` and of the target (None: the file has none).
    now: the kinds of its columns. place: (row, column) -> where that is. where: the file.
    tally: what encoding met that the schema does not know. facts, warnings: lines for the user.
    """

    header: bool
    width: int
    columns: list[Column]
    left_out: dict[str, str]
    target: Target | None
    at: Sequence[int] = field(default=(), compare=False)
    target_at: Sequence[int] | None = field(default=None, compare=False)
    now: Sequence[Kind] = field(default=(), compare=False)
    place: Callable[[int, int], str] = field(default=lambda row, column: "", compare=False)
    where: str = field(default="", compare=False)
    tally: Tally = field(default_factory=Tally, compare=False)
    facts: tuple[str, ...] = field(default=(), compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def names(self) -> list[str]:
        """The names of the features."""
        return [name for column in self.columns for name in column.features]

    @property
    def features(self) -> int:
        """Their number."""
        return len(self.names)

    @property
    def kinds(self) -> dict[str, Kind]:
        """What a reader of another file shall read the columns as, by name."""
        found: dict[str, Kind] = {c.name: "number" if type(c) is Number else "text" for c in self.columns}
        if self.target is not None and self.target.numbers is None:
            found |= dict.fromkeys(self.target.names, "number" if self.target.labels is None else "text")
        return found

    def matched(self, raw: Raw) -> "Schema":
        """This schema for another file: its columns are found by name if both files have headers, else by position.

        Further columns are ignored. Raises UsageError that names the columns that are missing.
        """
        found: Match = matched(self, raw)
        here: dict[str, Any] = {"now": raw.kinds, "place": raw.place, "where": str(raw.path)}
        return replace(self, tally=Tally(), **here, **found._asdict())

    def encode(self, shard: Shard) -> Vector:
        """The features of a shard, (rows, features), all finite."""
        out = np.zeros((shard.rows, self.features))
        lo = 0
        for column, at in zip(self.columns, self.at, strict=True):
            hi = lo + len(column.features)
            column.encode(shard.columns[at], out[:, lo:hi], Here(self.place, at, shard.start, self.now[at], self.tally))
            lo = hi
        return out

    def labels(self, shard: Shard) -> NDArray[Any]:
        """int64 classes (rows,), -1 where missing; or float64 targets (rows, targets), NaN where missing.

        Raises UsageError for a label that the training does not have.
        """
        if self.target is None or self.target_at is None:
            raise UsageError(f"{self.where}: the file has no target")
        found = self.target.values(shard, self.target_at)
        if self.target.labels is not None and (bad := np.flatnonzero(found == UNKNOWN)).size:
            where = self.place(shard.start + int(bad[0]), self.target_at[0])
            raise UsageError(f"{where}: the label is unknown; the labels are {shown(self.target.labels)}")
        return found

    def remarks(self, world: World) -> list[str]:
        """Warnings about what encoding met so far. Collective."""
        return self.tally.lines(self.where, world)

    def record(self) -> dict[str, Any]:
        """As JSON, for a checkpoint."""
        columns = [column.record() for column in self.columns]
        target = self.target.record() if self.target else None
        own = {"header": self.header, "width": self.width, "left_out": self.left_out}
        return {"schema": 1, **own, "columns": columns, "target": target}

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Schema":
        """From an untrusted record. Raises TypeError, KeyError or ValueError."""
        columns = [KINDS[one["becomes"]].of(one) for one in record["columns"]]
        target = Target.of(record["target"]) if record["target"] is not None else None
        left_out = {str(name): str(why) for name, why in record["left_out"].items()}
        made = cls(bool(record["header"]), int(record["width"]), columns, left_out, target)
        places = Counter([column.place for column in columns] + (target.places if target else []))
        if not columns or max(places.values()) > 1 or min(places) < 0 or max(places) >= made.width:
            raise ValueError("the places of the columns do not fit together")
        return made

    @classmethod
    def plain(cls, old: OldColumns, features: int) -> "Schema":
        """The schema of a table of numbers, as runs of earlier versions describe it."""
        width = features + (old.place is not None)
        places = [place for place in range(width) if place != old.place]
        names = old.features or [str(place + 1) for place in places]
        columns: list[Column] = [Number(name, place) for name, place in zip(names, places, strict=True)]
        return cls(bool(old.features), width, columns, {}, old_target(old))


def old_target(old: OldColumns) -> Target | None:
    """The target of a run of an earlier version; its labels are unknown."""
    return None if old.place is None else Target([old.target or str(old.place + 1)], [old.place])


def columns_of(record: dict[str, Any]) -> Schema | OldColumns:
    """The columns of the training from a checkpoint's untrusted record. Raises TypeError, KeyError or ValueError."""
    return Schema.of(record) if "schema" in record else OldColumns.of(record)


def unknown_labels(schema: Schema, raw: Raw, world: World) -> None:
    """Raise UsageError if a file has labels that the training does not have; it names and counts them. Collective."""
    target, at = schema.target, schema.target_at
    counts: Counter[str] = Counter()
    with world.together("reading the target"):
        if target is not None and target.labels is not None and at is not None:
            for shard in raw.shards:
                different, codes = texts(shard.columns[at[0]])
                strange = [code for code, label in enumerate(different) if target.code(label) == UNKNOWN]
                counts.update({different[code]: int(np.count_nonzero(codes == code)) for code in strange})
    total: Counter[str] = sum(map(Counter, world.gather(+counts)), Counter())
    if total:
        said = ", ".join(f"{shown([label])} ({count} rows)" for label, count in sorted(total.items())[:SOME])
        more = f" and {len(total) - SOME} more" if len(total) > SOME else ""
        known = shown(target.labels or []) if target else ""
        raise UsageError(f"{schema.where}: labels that the training does not have: {said}{more}; it has {known}")
