"""The target of a table: classes or real targets, and the rows that lack it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.columns.labels import GAP, UNKNOWN, among, exact, key_of, real
from hpcadmm.datasets.tabular.columns.values import Vector, floats, texts
from hpcadmm.datasets.tabular.options import Asked, Place, position
from hpcadmm.datasets.tabular.raw import Raw, Shard
from hpcadmm.datasets.tabular.task import MOST, Found, Task
from hpcadmm.errors import UsageError


@dataclass(frozen=True)
class Target:
    """The target's columns in the training files, and its classes.

    names, places: of the columns in the training file; places count from 0.
    labels: of the classes 0, 1, ...: numbers in increasing order, else texts in text order; None in a regression.
    lacking: for each of the files that it was learned from, the rows (from 0, increasing) without a target.
    facts, warnings: how the target is read, in words.
    """

    names: list[str]
    places: list[int]
    labels: list[str] | None = None
    lacking: list[NDArray[np.int64]] = field(default_factory=list, compare=False)
    facts: tuple[str, ...] = field(default=(), compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def targets(self) -> int:
        """Real targets per row; 0: a row has a class."""
        return 0 if self.labels is not None else len(self.places)

    def at(self, raw: Raw, header: bool) -> list[int] | None:
        """The target's positions in a file, by name or else by position; None if it is not there.

        header: does the training file name its columns?
        """
        if raw.header and header:
            known = [raw.names.index(name) for name in self.names if name in raw.names]
        else:
            known = [place for place in self.places if place < len(raw.names)]
        return known if len(known) == len(self.places) else None

    def values(self, shard: Shard, at: Sequence[int]) -> NDArray[Any]:
        """int64 classes (rows,), GAP where missing and UNKNOWN if no training file has the label; or float64 targets
        (rows, targets), NaN where missing."""
        if self.labels is None:
            return np.column_stack([real(shard.columns[c]) for c in at])
        column = shard.columns[at[0]]
        if self.numbers is not None and not hasattr(column, "dictionary"):
            return among(floats(column), self.numbers)
        different, codes = texts(column)
        return np.array([*map(self.code, different), GAP], np.int64)[codes]

    def code(self, label: str) -> int:
        """The class of a label; UNKNOWN if there is none."""
        return self.keys.get(key_of(label, self.numbers is not None), UNKNOWN)

    def codes(self, wanted: Sequence[Place], key: str) -> list[int]:
        """The classes named by data.classes or data.positive. Raises UsageError for an unknown one."""
        found = [self.code(str(one)) for one in wanted]
        if strange := [one for one, code in zip(wanted, found, strict=True) if code == UNKNOWN]:
            raise UsageError(f"data.{key}: no label {strange}; the labels are {shown(self.labels or [])}")
        return found

    @cached_property
    def numbers(self) -> Vector | None:
        """The labels as numbers; None if one is a text."""
        found = [exact(label) for label in self.labels or ["?"]]
        return None if None in found else np.array(found, np.float64)

    @cached_property
    def keys(self) -> dict[str, int]:
        return {key_of(label, self.numbers is not None): code for code, label in enumerate(self.labels or [])}

    def record(self) -> dict[str, Any]:
        """As JSON, for a checkpoint."""
        return {"names": self.names, "places": self.places, "labels": self.labels}

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Target":
        """From an untrusted record. Raises TypeError, KeyError or ValueError."""
        labels = None if record["labels"] is None else [str(one) for one in record["labels"]]
        made = cls([str(name) for name in record["names"]], [int(place) for place in record["places"]], labels)
        one_column = labels is None or (len(made.places) == 1 and len(made.keys) == len(labels))
        if not made.places or len(made.names) != len(made.places) or min(made.places) < 0 or not one_column:
            raise ValueError("names, places and labels of the target do not fit together")
        return made


def target_of(raw: Raw, others: Sequence[Raw], asked: Asked, needs_classes: bool | None, world: World) -> Target:
    """The target of the train file `raw` and of `others`, the test file, say. Collective.

    needs_classes: does the loss need classes? None: it is not known. Raises UsageError if they do not fit.
    """
    with world.together("reading the target"):
        places = [position(raw, one, "target") for one in asked.targets]
        if len(set(places)) < len(places):
            raise UsageError(f"data.target = {asked.target}: names a column twice")
        plain = Target([raw.names[place] for place in places], places)
        files = [raw, *others]
        each = [located(plain, file, raw) for file in files]
        counts = [labels_in(file, at[0]) if len(at) == 1 else {} for file, at in zip(files, each, strict=True)]
        gaps = [lacking(file, at) for file, at in zip(files, each, strict=True)]
    labels = merged(counts, world)
    gone = [np.concatenate([part.view(np.int64) for part in world.gather_bytes(own.view(np.uint8))]) for own in gaps]
    if gone[0].size == raw.rows:
        raise UsageError(f"{raw.path}: no row has a target: the column {shown(plain.names)} is empty")
    with world.together("reading the target"):
        text = [name for name, place in zip(plain.names, places, strict=True) if raw.kinds[place] == "text"]
        where = f"{raw.path}: target {shown(plain.names)}"
        decided = Task(where, plain.names, labels, text, asked, needs_classes)
        names = decided.labels() if decided.classes() else None
        facts, warnings = decided.said(names, gone)
        return Target(plain.names, plain.places, names, gone, facts, warnings)


def located(plain: Target, file: Raw, train: Raw) -> list[int]:
    """The target's columns in one of the files. Raises UsageError if it has none."""
    at = plain.at(file, train.header)
    if at is None:
        raise UsageError(
            f"{file.path}: the target {shown(plain.names)} is missing; the columns are {shown(file.names)}"
        )
    return at


def labels_in(raw: Raw, place: int) -> Found:
    """The labels of this rank's rows, and how often each occurs; more than MOST of them are cut."""
    found: Found = {}
    for shard in raw.shards:
        different, codes = texts(shard.columns[place])
        counts = np.bincount(codes[codes >= 0], minlength=len(different))
        for label, count in zip(different, counts.tolist(), strict=True):
            if count:
                found[label] = found.get(label, 0) + count
        if len(found) > MOST:
            break
    return found


def merged(files: Sequence[Found], world: World) -> Found:
    """The labels of all files over all ranks. Collective."""
    total: Found = {}
    for found in chain.from_iterable(world.gather(files)):
        for label, count in found.items():
            total[label] = total.get(label, 0) + count
    return total


def lacking(raw: Raw, at: Sequence[int]) -> NDArray[np.int64]:
    """The numbers of this rank's rows that lack a target."""
    found = [np.empty(0, np.int64)]
    for shard in raw.shards:
        gone = np.zeros(shard.rows, bool)
        for place in at:
            column = shard.columns[place]
            if column.null_count:
                gone |= np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool)
        found.append(shard.start + np.flatnonzero(gone))
    return np.concatenate(found)
