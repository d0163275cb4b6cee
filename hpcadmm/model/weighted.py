"""Weights of samples: sample i counts w_i times, as w_i copies of its row would. None: every sample counts once."""

import numpy as np

from hpcadmm.model.state import Array

Weight = Array | None  # w (columns,), in the working precision


def at(w: Weight, columns: slice | Array) -> Weight:
    """The weights of some columns.

    >>> at(np.array([1.0, 2.0, 3.0]), slice(1, 3)), at(None, slice(1, 3))
    (array([2., 3.]), None)
    """
    return None if w is None else w[columns]


def times(x: Array, w: Weight) -> Array:
    """Each column of x (rows, columns), or entry of x (columns,), times its weight; x itself without weights."""
    return x if w is None else x * w


def sum_of(w: Weight, samples: int) -> float:
    """The sum of the weights of these samples, in float64; without weights their number.

    >>> sum_of(np.array([0.5, 2.0]), 2), sum_of(None, 2)
    (2.5, 2.0)
    """
    return float(samples if w is None else w.sum(dtype=np.float64))


def total(x: Array, w: Weight = None) -> float:
    """The sum of all entries of x in float64, each column times its weight.

    >>> total(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([2.0, 0.0]))
    8.0
    """
    return float(times(x, w).sum(dtype=np.float64))
