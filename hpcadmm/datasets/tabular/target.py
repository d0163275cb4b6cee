"""The target of a table: classes or real targets, and the rows that lack it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.tabular.columns.values import Codes, Vector, as_number, floats, spelled, texts
from hpcadmm.datasets.tabular.options import Asked, Place, cure, position, shown
from hpcadmm.datasets.tabular.raw import Raw, Shard
from hpcadmm.errors import UsageError

MOST = 10_000  # classes
MANY = 50  # classes that are not whole numbers
GAP, UNKNOWN = -1, -2  # codes of a missing label and of one that no training file has
Found = dict[str, int]  # label -> rows


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


def key_of(label: str, numbers: bool) -> str:
    """What equal labels have in common: the value of a number; a text without blanks and dots at its end.

    >>> key_of(" 1.0 ", True), key_of("<=50K.", False), key_of("...", False)
    ('1', '<=50K', '...')
    """
    plain = label.strip()
    if numbers and (value := exact(plain)) is not None:
        return spelled(value)
    return plain.rstrip(". ") or plain


def exact(label: str) -> float | None:
    """The number that a label spells, if a float64 holds it exactly and its neighbours too; else None."""
    value = as_number(label)
    return None if value is None or abs(value) >= 2**53 else value


def real(column: Any) -> Vector:
    """A column of real targets, NaN where missing."""
    if not hasattr(column, "dictionary"):
        return floats(column)
    different, codes = texts(column)
    return np.array([*(as_number(text) for text in different), np.nan], np.float64)[codes]


def among(values: Vector, known: Vector) -> Codes:
    """The index of each value in increasing `known`; GAP for NaN, UNKNOWN for another value."""
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[at] == values, at, np.where(np.isnan(values), GAP, UNKNOWN))


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
    with world.together("reading the target"):
        text = [name for name, place in zip(plain.names, places, strict=True) if raw.kinds[place] == "text"]
        decided = Decision(raw, plain, labels, text, asked, needs_classes)
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


@dataclass(frozen=True)
class Decision:
    """Are the values of the target classes, and which? counts: of its labels; text: its columns of text."""

    raw: Raw
    plain: Target
    counts: Found
    text: list[str]
    asked: Asked
    needs_classes: bool | None

    @property
    def where(self) -> str:
        return f"{self.raw.path}: target {shown(self.plain.names)}"

    def classes(self) -> bool:
        """Classes, or real targets? Raises UsageError if neither fits."""
        several, asked = len(self.plain.places) > 1, self.asked.task
        if asked == "regression" or (asked == "auto" and several):
            return self.refused_classes()
        if several:
            raise UsageError(f'{self.where}: classes stand in one column; name one, or set data.task = "regression"')
        if asked == "classification" or self.needs_classes or self.text:
            return self.checked()
        if self.needs_classes is None:
            return len(self.counts) <= 2 or (len(self.counts) <= MANY and self.whole)
        return len(self.counts) <= 2

    def refused_classes(self) -> bool:
        """False. Raises UsageError if the loss needs classes, or if a target is text."""
        if self.needs_classes:
            instead = 'set loss.name = "squared"' if self.asked.task == "regression" else "name one column"
            raise UsageError(f"{self.where}: real targets, but the loss needs classes; {instead}")
        if self.text:
            some = shown(sorted(label for label in self.counts if as_number(label) is None)[:3])
            said = f"the column {shown(self.text)} is text{f' ({some})' if some else ''}"
            raise UsageError(f'{self.where}: {said}, no real target; set data.task = "classification"')
        return False

    def checked(self) -> bool:
        """True. Raises UsageError for values that can be no classes."""
        instead = 'name another column in data.target, or set loss.name = "squared" and data.task = "regression"'
        if len(self.counts) > MOST:
            raise UsageError(f"{self.where}: more than {MOST} distinct labels, like an id; {instead}")
        if not self.text and (huge := [label for label in self.counts if exact(label) is None]):
            told = cure(self.plain.names[0], "category", "set ")
            raise UsageError(f"{self.where}: {shown(huge[:3])}: too large for an exact number{told}")
        if not self.text and not self.whole and len(self.counts) > MANY:
            some = shown(sorted(label for label in self.counts if "." in label)[:3])
            raise UsageError(f"{self.where}: {len(self.counts)} distinct real values ({some}), no classes; {instead}")
        return True

    @property
    def whole(self) -> bool:
        """Are all labels whole numbers?"""
        return all(value is not None and value == np.floor(value) for value in map(exact, self.counts))

    def labels(self) -> list[str]:
        """The labels in order; of equal ones the shortest spelling."""
        numbers = all(exact(label) is not None for label in self.counts)
        if numbers:
            return [spelled(one) for one in sorted({float(label) for label in self.counts})]
        spellings: dict[str, str] = {}
        for label in sorted(map(str.strip, self.counts), key=lambda one: (len(one), one)):
            spellings.setdefault(key_of(label, False), label)
        return sorted(spellings.values())

    def said(self, labels: list[str] | None, gone: Sequence[NDArray[np.int64]]) -> tuple[tuple[str, ...], ...]:
        """Facts and warnings about how the target is read."""
        if labels is None:
            as_classes = '; for classes set data.task = "classification"' * (self.asked.task == "auto")
            facts = [f"{self.where}: a regression{as_classes if len(self.plain.places) == 1 else ''}"]
        else:
            real = self.needs_classes is None and not self.text and len(labels) > 2 and self.asked.task == "auto"
            with_squared = '; with loss.name = "squared" a regression' * real
            facts = [f"{self.where}: {len(labels)} classes, {shown(labels)}{with_squared}"]
        warnings = []
        if rows := sum(map(len, gone)):
            warnings.append(f"{self.where}: {rows} rows without a target are left out")
        if labels and len(labels) > max(MANY, sum(self.counts.values()) / 5):
            instead = 'for a regression set loss.name = "squared" and data.task = "regression"'
            warnings.append(f"{self.where}: {len(labels)} classes in {sum(self.counts.values())} rows; {instead}")
        return tuple(facts), tuple(warnings)
