"""The values of one column of a shard, as numbers or as text."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow

Vector = NDArray[np.float64]
Codes = NDArray[np.int64]


def spelled(value: float) -> str:
    """A number as a label or category: whole numbers without a fraction.

    >>> spelled(1.0), spelled(-0.0), spelled(0.5)
    ('1', '0', '0.5')
    """
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def as_number(text: str) -> float | None:
    """The finite number that a text spells; None if it is none.

    >>> as_number("1."), as_number("a"), as_number("1_0"), as_number("nan")
    (1.0, None, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) and "_" not in text else None


def floats(values: "pyarrow.Array") -> Vector:
    """A column of numbers or dates; NaN where a value is missing."""
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def texts(values: "pyarrow.Array") -> tuple[list[str], Codes]:
    """The different texts of a column, and for each row which of them it holds (-1: missing); numbers are spelled."""
    if hasattr(values, "dictionary"):
        return values.dictionary.to_pylist(), filled(values.indices)
    numbers = floats(values)
    different, codes = np.unique(numbers, return_inverse=True)
    codes = np.where(np.isnan(numbers), -1, codes.reshape(-1))
    return [spelled(one) for one in different[~np.isnan(different)].tolist()], codes.astype(np.int64)


def filled(indices: "pyarrow.Array") -> Codes:
    """The indices of a dictionary, -1 where a value is missing."""
    whole = indices.fill_null(-1) if indices.null_count else indices
    return np.asarray(whole.to_numpy(zero_copy_only=False), np.int64)
