"""A column of text as categories, one-hot."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hpcadmm.datasets.tabular.columns.base import Column, Here
from hpcadmm.datasets.tabular.columns.values import Codes, Vector, texts

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Category(Column):
    """One feature for each of `values` (in text order), 1 where the column holds it and 0 elsewhere.

    other: one more feature for all other texts; there if the train part has others. Without it another text is all 0.
    missing: one more feature for a missing value; there if the train part has any. Without it a missing value is all 0.
    """

    becomes: ClassVar[str] = "category"

    values: tuple[str, ...] = ()
    other: bool = False
    missing: bool = False

    @classmethod
    def most(cls, name: str, place: int, counts: Mapping[str, int], most: int, missing: bool) -> "Category":
        """The `most` most frequent texts, of equally frequent ones the first in text order.

        >>> Category.most("c", 0, {"b": 2, "a": 2, "c": 3}, 2, False).features
        ['c = a', 'c = c', 'c (other)']
        """
        kept = sorted(counts, key=lambda text: (-counts[text], text))[:most]
        return cls(name, place, tuple(sorted(kept)), len(counts) > most, missing)

    @property
    def features(self) -> list[str]:
        more = [f"{self.name} (other)"] * self.other + [f"{self.name} (missing)"] * self.missing
        return [*(f"{self.name} = {value}" for value in self.values), *more]

    def encode(self, values: "pyarrow.Array", out: Vector, here: Here) -> None:
        different, codes = texts(values)
        known = {text: feature for feature, text in enumerate(self.values)}
        others = len(self.values) if self.other else -1
        gap = len(self.values) + self.other if self.missing else -1
        feature = np.array([*(known.get(text, others) for text in different), gap])[codes]
        rows = np.flatnonzero(feature >= 0)
        out[rows, feature[rows]] = 1
        if len(rows) < len(feature):
            self.note(different, codes[feature < 0], here)

    def note(self, different: list[str], codes: Codes, here: Here) -> None:
        """Count the values that have no feature."""
        unknown = sorted({different[code] for code in set(codes.tolist()) - {-1}})
        lost = int(np.count_nonzero(codes == -1))
        here.tally.add(
            self.name, "values unknown to the training, which become 0 in all features", len(codes) - lost, unknown
        )
        here.tally.add(
            self.name, "missing values, of which the training had none; they become 0 in all features", lost, []
        )

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Category":
        """From an untrusted record. Raises TypeError, KeyError or ValueError."""
        values = tuple(str(value) for value in record["values"])
        if len(set(values)) < len(values):
            raise ValueError("a category stands twice")
        return cls(str(record["name"]), int(record["place"]), values, bool(record["other"]), bool(record["missing"]))
