"""A column that stays a number."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hpcadmm.datasets.tabular.columns.base import Column, Here
from hpcadmm.datasets.tabular.columns.values import Vector, as_number, floats, texts

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Number(Column):
    """x stays x; a missing one becomes the median of the train part.

    median: None if the train part is unknown (a run of an earlier version): then no value may be missing.
    indicator: a second feature, 1 where x is missing and 0 elsewhere; there if the train part has missing values.
    """

    becomes: ClassVar[str] = "number"

    median: float | None = None
    indicator: bool = False

    @property
    def features(self) -> list[str]:
        return [self.name, f"{self.name} (missing)"] if self.indicator else [self.name]

    def numbers(self, values: "pyarrow.Array", here: Here) -> Vector:
        """The values as numbers, NaN where missing. Raises UsageError for a text that is no number."""
        if not hasattr(values, "dictionary"):
            return floats(values)
        different, codes = texts(values)
        numbers = [as_number(text) for text in different]
        for code, number in enumerate(numbers):
            if number is None and (rows := np.flatnonzero(codes == code)).size:
                raise here.fault(int(rows[0]), f"{different[code]!r}: a number is needed, as in the training")
        return np.array([*(np.nan if n is None else n for n in numbers), np.nan])[codes]

    def encode(self, values: "pyarrow.Array", out: Vector, here: Here) -> None:
        out[:, 0] = found = self.numbers(values, here)
        if not values.null_count and not np.isnan(found).any():
            return
        lost = np.flatnonzero(np.isnan(found))
        if self.median is None and lost.size:
            raise here.fault(int(lost[0]), "the value is missing, and the run knows no median to replace it by")
        out[lost, 0] = self.median
        if self.indicator:
            out[lost, 1] = 1
        else:
            said = "missing values are replaced by the median of the training, which had none missing"
            here.tally.add(self.name, said, len(lost), [])

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Number":
        """From an untrusted record. Raises TypeError, KeyError or ValueError."""
        return cls(str(record["name"]), int(record["place"]), finite(record["median"]), bool(record["indicator"]))


def finite(value: Any) -> float | None:
    """A finite number or None, from a record."""
    if value is not None and not np.isfinite(float(value)):
        raise ValueError(f"{value} is not finite")
    return None if value is None else float(value)
