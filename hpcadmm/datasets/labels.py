"""From the labels of a file to the classes 0, ..., k-1 of a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.table import READING, Array, Rows, Table
from hpcadmm.errors import UsageError

MOST = 10_000  # classes
STRETCH = 1 << 16  # labels that are encoded at a time


def distinct(tables: Sequence[Table], world: World) -> list[int]:
    """All labels of the tables, increasing: those fixed by the format, else those that the ranks find, each in its
    share of the rows. Collective."""
    found: set[int] = set()
    for table in tables:
        with world.together(READING):
            own: set[int] = set()
            for block in [table.values] if table.values is not None else table.labels(table.portion(world)):
                own.update(np.unique(np.asarray(block, np.int64)).tolist())
                check_count(own, table)
        found.update(*world.gather(sorted(own)))
        check_count(found, table)
    return sorted(found)


def check_count(labels: set[int], table: Table) -> None:
    """Raise UsageError for more than MOST labels."""
    if len(labels) > MOST:
        cure = "set data.target to the column of the classes; for real targets set data.task = 'regression'"
        raise UsageError(f"{table.where}: more than {MOST} distinct labels, like an id; {cure}")


@dataclass(frozen=True)
class Labelling:
    """Label values[i] becomes class codes[i]; `names` are those of the classes."""

    values: Array
    codes: Array
    names: list[str]

    @classmethod
    def of(
        cls, known: list[int], names: Sequence[str] | None, classes: list[int] | None, positive: list[int] | None
    ) -> "Labelling":
        """Labels in the order of `classes` (None: all), or two classes, others and `positive`."""
        for key, wanted in (("classes", classes), ("positive", positive)):
            if strange := [v for v in wanted or [] if v not in known]:
                raise UsageError(f"data.{key}: no label {strange}; the labels are {shown([*map(str, known)])}")
        named = dict(zip(known, names, strict=True)) if names and len(names) == len(known) else {}
        called = [str(named.get(v, v)) for v in (classes or known)]
        used = classes or known
        if positive is None:
            return cls._sorted(used, list(range(len(used))), called)
        if not [v for v in used if v not in positive] or not set(positive) <= set(used):
            known_labels = shown([*map(str, used)])
            raise UsageError(f"data.positive = {positive}: name some, not all, of the labels {known_labels}")
        pair = ["others", " or ".join(str(named.get(v, v)) for v in positive)]
        return cls._sorted(used, [int(v in positive) for v in used], pair)

    @classmethod
    def _sorted(cls, values: list[int], codes: list[int], names: list[str]) -> "Labelling":
        order = np.argsort(values)
        return cls(np.asarray(values, np.int64)[order], np.asarray(codes, np.int64)[order], names)

    def encode(self, labels: Array, table: Table, rows: Rows) -> None:
        """Replace int64 labels of the table's `rows` by classes, in place."""
        for lo in range(0, len(labels), STRETCH):
            some = labels[lo : lo + STRETCH]
            at = np.minimum(np.searchsorted(self.values, some), len(self.values) - 1)
            if (strange := np.flatnonzero(self.values[at] != some)).size:
                row, label = int(rows[lo + int(strange[0])]) + 1, int(some[strange[0]])
                known = shown([*map(str, self.values)])
                raise UsageError(f"{table.where}: row {row} has the label {label}; the labels are {known}")
            some[...] = self.codes[at]


def whole_numbers(values: Array, where: str, start: int) -> NDArray[np.int64]:
    """Class labels as int64, of rows start, start + 1, ...

    Raises UsageError for values that are not integers, or too large for int64 or exact float64.
    """
    if values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)
        good = (np.abs(values) < 2**53) & (np.floor(values) == values)
    else:
        good = values <= 2**63 - 1
    bad = np.flatnonzero(~good)
    if bad.size:
        raise UsageError(f"{where}: row {start + int(bad[0]) + 1} has the label {fault(values[bad[0]])}")
    return values.astype(np.int64)


def fault(value: Any) -> str:
    """Why a value is not a label, and the cure.

    >>> fault(np.float64("nan"))
    'nan: not a label; give it a class, or remove the row'
    """
    if not np.isfinite(value):
        return f"{value}: not a label; give it a class, or remove the row"
    if abs(value) >= 2**53:
        return f"{value}: too large for an exact integer; number the classes 0, 1, 2, ..."
    return f"{value}: classes are whole numbers; for real targets set data.task = 'regression'"
