"""Labels in every spelling: which are the same, which are numbers."""

from typing import Any

import numpy as np

from hpcadmm.datasets.tabular.columns.values import Codes, Vector, as_number, floats, spelled, texts

GAP, UNKNOWN = -1, -2  # codes of a missing label and of one that no training file has


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
