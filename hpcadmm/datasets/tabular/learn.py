"""Learn the schema of a table from its train part; the same on every rank and for any number of ranks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.columns.base import Column, Here
from hpcadmm.datasets.tabular.columns.category import Category
from hpcadmm.datasets.tabular.columns.date import SWAPPED, Date, pattern
from hpcadmm.datasets.tabular.columns.number import Number
from hpcadmm.datasets.tabular.columns.select import all_distinct, median, medians
from hpcadmm.datasets.tabular.columns.survey import LIMIT, Piece, Survey, merged, surveyed
from hpcadmm.datasets.tabular.columns.values import Vector
from hpcadmm.datasets.tabular.options import Asked, cure
from hpcadmm.datasets.tabular.raw import Raw, Shard
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.datasets.tabular.target import Target
from hpcadmm.errors import UsageError

SAMPLE = 1 << 16  # rows that give the median of a column without missing values
ROOM = 1 << 21  # numbers that travel at once
ENOUGH = 30  # rows from which a column of different values is an id
NEARLY = 0.9  # share of different texts that makes a column an id

Train = Callable[[Shard], NDArray[np.bool_]]
Lines = dict[str, list[str]]  # what happens to columns -> their names


def learn(
    raw: Raw, train: Train, target: Target | None, asked: Asked, world: World, aside: Sequence[int] = ()
) -> Schema:
    """The schema of the file, learned from the rows that `train` marks. Collective.

    aside: positions of columns that are no features, such as that of the weights. Raises UsageError if no feature is
    left.
    """
    with world.together("learning the columns"):
        given = asked.typed(raw)
        ignored = {place for place, kind in given.items() if kind == "ignore"} | set(aside)
        taken = ignored | set(target.places if target else ())
        used = [place for place in range(len(raw.names)) if place not in taken]
        part = Part(raw, [(shard, train(shard)) for shard in raw.shards], world)
        text = {place: as_text(raw, place, given.get(place)) for place in used}
        limits = [np.inf if place in given else LIMIT for place in used]
        own = [surveyed(part.pieces(c), text[c], limit) for c, limit in zip(used, limits, strict=True)]
    surveys = dict(zip(used, merged(own, limits, world), strict=True))
    left_out = {raw.names[place]: "ignored" for place in sorted(ignored - set(target.places if target else ()))}
    for keep_ids in (False, True):
        learner = Learner(part, surveys, text, given, asked.categories.most, keep_ids)
        columns = [column for place in used if (column := learner.column(place)) is not None]
        if columns:
            columns = learner.completed(columns)
            schema = Schema(raw.header, len(raw.names), columns, left_out | learner.left_out, target)
            facts, warnings = learner.facts(), learner.warnings
            if keep_ids:
                only = shown([column.name for column in columns])
                warnings.append(f"{raw.path}: the only features are columns of ids, which count rows: {only}")
            return replace(schema.matched(raw), facts=facts, warnings=tuple(warnings))
    raise UsageError(f"{raw.path}: no column is left as a feature: {learner.reasons(left_out) or 'there is none'}")


def as_text(raw: Raw, place: int, told: str | None) -> bool:
    """Is the column surveyed as text? told: the type that the user gave."""
    if told is None:
        return raw.kinds[place] == "text"
    return told == "category" or (told.startswith("date") and raw.kinds[place] != "date")


@dataclass
class Part:
    """The train part of this rank's shards."""

    raw: Raw
    shards: list[tuple[Shard, NDArray[np.bool_]]]
    world: World

    def pieces(self, place: int) -> Iterator[Piece]:
        """One column, shard by shard."""
        for shard, train in self.shards:
            yield shard.columns[place], train

    def values(self, columns: Sequence[Number], every: Sequence[int]) -> list[list[Vector]]:
        """The values of columns of numbers in the train part, of every `every`-th row of the file. Collective."""
        with self.world.together("learning the columns"):
            return [[*self.numbers(column, step)] for column, step in zip(columns, every, strict=True)]

    def numbers(self, column: Number, every: int) -> Iterator[Vector]:
        """The values of one column, shard by shard."""
        for shard, train in self.shards:
            here = Here(self.raw.place, column.place, shard.start, self.raw.kinds[column.place])
            picked = slice(-shard.start % every, None, every)
            values = column.numbers(shard.columns[column.place], here)[picked][train[picked]]
            yield values[~np.isnan(values)]


@dataclass
class Learner:
    """Decides what each column becomes. keep_ids: also numbers that count rows become features, for want of others."""

    part: Part
    surveys: dict[int, Survey]
    text: dict[int, bool]
    given: dict[int, str]
    most: int
    keep_ids: bool
    left_out: dict[str, str] = field(default_factory=dict)
    lines: Lines = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def column(self, place: int) -> Column | None:
        """What a column becomes; None if it is left out. Collective."""
        name, survey = self.part.raw.names[place], self.surveys[place]
        if not survey.valid:
            self.leave(name, "no value in the train part")
            return None
        form = self.date(place, name)
        if form is not None:
            self.lines.setdefault("dates, as days since 1970", []).append(name)
            return self.settled(Date(name, place, format=form))
        return self.category(name, place, survey) if self.text[place] else self.number(name, place, survey)

    def number(self, name: str, place: int, survey: Survey) -> Column | None:
        if place not in self.given and self.counts_rows(place, survey):
            said = "a different whole number in each row, like an id"
            self.leave(name, said, cure(name, "number"))
            return None
        if survey.constant and place not in self.given:
            self.lines.setdefault("numbers that are constant in the train part", []).append(name)
        return self.settled(Number(name, place))

    def category(self, name: str, place: int, survey: Survey) -> Column | None:
        missing, told = survey.missing > 0, place in self.given
        if survey.counts is None:
            self.leave(name, f"more than {LIMIT} different texts", cure(name, "category"))
            return None
        different = len(survey.counts)
        many = different > max(self.most, NEARLY * survey.valid) and survey.valid >= ENOUGH
        if many and not told:
            self.leave(name, "a different text in nearly each row, like an id", cure(name, "category"))
            return None
        if different == 1 and not missing and not told:
            self.leave(name, "the same text in all rows")
            return None
        what = "text, as categories" if different <= self.most else f"text of more than {self.most} categories"
        self.lines.setdefault(what, []).append(name)
        return Category.most(name, place, survey.counts, self.most, missing)

    def leave(self, name: str, why: str, to_keep: str = "") -> None:
        """Leave a column out; a warning says how to keep it, if it holds something."""
        self.left_out[name] = why
        if to_keep:
            self.warnings.append(f"{self.part.raw.path}: column {shown([name])} is left out: {why}{to_keep}")
        else:
            self.lines.setdefault(f"left out, {why}", []).append(name)

    def counts_rows(self, place: int, survey: Survey) -> bool:
        """Is the column an id: a different whole number in each row, in a range not much wider than the rows?
        Collective."""
        span = survey.high - survey.low + 1
        if self.keep_ids or not survey.whole or survey.valid < ENOUGH or not survey.valid <= span <= 2 * survey.valid:
            return False
        (parts,) = self.part.values([Number("", place)], [1])
        return all_distinct(parts, survey.low, survey.high, self.part.world)

    def date(self, place: int, name: str) -> str | None:
        """The form of a column of dates; "" if the file knows the type; None if it is no date."""
        told, survey, known = self.given.get(place), self.surveys[place], self.part.raw.kinds[place] == "date"
        if told in ("number", "category"):
            return None
        if known:
            return ""
        if told is not None and told != "date":
            pattern(form := told.removeprefix("date:"))  # raises for an unknown directive
            return form
        if not survey.formats and told == "date":
            some = shown(sorted(survey.counts or ())[:3])
            give = cure(name, "date:%d/%m/%Y", "give it: ")
            raise UsageError(f"{self.part.raw.path}: column {shown([name])}: no known form of dates ({some}){give}")
        return self.form(name, survey.formats) if self.text[place] and survey.formats else None

    def form(self, name: str, formats: list[str]) -> str:
        """The first of the forms that all dates have; a warning if day and month may be swapped."""
        if (swapped := SWAPPED.get(formats[0])) in formats:
            other = cure(name, f"date:{swapped}", "if the day comes first, set ")
            self.warnings.append(f"{self.part.raw.path}: column {shown([name])}: dates are read as {formats[0]}{other}")
        return formats[0]

    def settled(self, column: Number) -> Number:
        """With an indicator if the train part has missing values."""
        missing = self.surveys[column.place].missing > 0
        if missing:
            what = "missing numbers become the median of the train part, with an indicator"
            self.lines.setdefault(what, []).append(column.name)
        return replace(column, indicator=missing)

    def completed(self, columns: Sequence[Column]) -> list[Column]:
        """With the medians of the train part. Collective.

        Where the train part has no missing value, about SAMPLE rows of the file, evenly spaced, give the median.
        """
        every = -(-self.part.raw.rows // SAMPLE)
        numbers = [column for column in columns if isinstance(column, Number)]
        few = [column for column in numbers if not column.indicator or self.surveys[column.place].valid <= SAMPLE]
        found: dict[int, float | None] = {}
        wide = max(1, ROOM // max(1, min(self.part.raw.rows, SAMPLE)))
        for start in range(0, len(few), wide):
            block = few[start : start + wide]
            values = self.part.values(block, [1 if column.indicator else every for column in block])
            own = medians([np.concatenate([np.empty(0), *parts]) for parts in values], self.part.world)
            found |= {column.place: one for column, one in zip(block, own, strict=True)}
        for column in numbers:
            if found.get(column.place) is None:
                found[column.place] = median(self.part.values([column], [1])[0], self.part.world)
        return [replace(c, median=found[c.place]) if isinstance(c, Number) else c for c in columns]

    def facts(self) -> tuple[str, ...]:
        """What happens to columns, in a line each."""
        return tuple(f"{self.part.raw.path}: {what}: {shown(names)}" for what, names in self.lines.items())

    def reasons(self, ignored: dict[str, str]) -> str:
        return "; ".join(f"{shown([name])}: {why}" for name, why in (ignored | self.left_out).items())
