"""The squared norm."""

import numpy as np

from hpcadmm.model.state import Array


def square(x: Array) -> float:
    """|x|^2 over all entries; without a temporary if x is contiguous.

    >>> square(np.array([[3.0, 4.0]]))
    25.0
    """
    flat = x.reshape(-1, order="A")
    return float(np.dot(flat, flat))
