"""Is the target of a table classes or real targets? It follows from the loss, the options and the values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.columns.labels import exact, key_of
from hpcadmm.datasets.tabular.columns.values import as_number, spelled
from hpcadmm.datasets.tabular.options import Asked, cure
from hpcadmm.errors import UsageError

MOST = 10_000  # classes
MANY = 50  # classes that are not whole numbers
Found = dict[str, int]  # label -> rows


@dataclass(frozen=True)
class Task:
    """Are the values of the target classes, and which?

    where: the file and its target, for messages. names: of the target's columns. counts: rows of each label. text:
    names of its columns of text. needs_classes: does the loss need classes? None: it is not known.
    """

    where: str
    names: list[str]
    counts: Found
    text: list[str]
    asked: Asked
    needs_classes: bool | None

    def classes(self) -> bool:
        """Classes, or real targets? Raises UsageError if neither fits."""
        several, asked = len(self.names) > 1, self.asked.task
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
            told = cure(self.names[0], "category", "set ")
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
            facts = [f"{self.where}: a regression{as_classes if len(self.names) == 1 else ''}"]
        else:
            real = self.needs_classes is None and not self.text and len(labels) > 2 and self.asked.task == "auto"
            with_squared = '; with loss.name = "squared" a regression' * real
            facts = [f"{self.where}: {len(labels)} classes, {shown(labels)}{with_squared}"]
        warnings = []
        if rows := sum(map(len, gone)):
            warnings.append(f"{self.where}: {rows} rows without a target are left out")
        if labels and len(labels) > max(MANY, sum(self.counts.values()) / 5):
            otherwise = 'for a regression set loss.name = "squared" and data.task = "regression"'
            instead = "name another column in data.target if this is no label" if self.text else otherwise
            warnings.append(f"{self.where}: {len(labels)} classes in {sum(self.counts.values())} rows; {instead}")
        return tuple(facts), tuple(warnings)
