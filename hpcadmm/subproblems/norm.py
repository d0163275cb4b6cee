"""The squared norm and the inner product."""

import numpy as np

from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight


def square(x: Array, w: Weight = None) -> float:
    """|x|^2 over all entries, each column times its weight; without a temporary if x is contiguous and not weighted.

    >>> square(np.array([[3.0, 4.0]])), square(np.array([[3.0, 4.0]]), np.array([2.0, 0.0]))
    (25.0, 18.0)
    """
    flat = x.reshape(-1, order="A")
    other = flat if w is None else np.multiply(x, w, order="F" if x.flags.fnc else "C").reshape(-1, order="A")
    return float(np.dot(flat, other))


def inner(x: Array, y: Array) -> float:
    """<x, y> over all entries of two arrays in Fortran order, without temporaries.

    >>> inner(np.array([[3.0], [4.0]]), np.array([[1.0], [2.0]]))
    11.0
    """
    return float(np.dot(x.reshape(-1, order="F"), y.reshape(-1, order="F")))
