"""Least squares over any number of samples, reduced to one small triangle by QR in pieces.

The triangle T is upper triangular with T^T T = S S^T, S = [X; Y] (features + outputs, samples). T = [R z; 0 rest], so
1/2 |theta^T X - Y|^2 = 1/2 |R theta - z|^2 + 1/2 |rest|^2 for every theta (features, outputs). Householder reflections
are stable column by column: the units of a feature do not matter, and a factor of a power of two passes through
exactly. A Gram matrix X X^T squares the condition number; a triangle does not.
Demmel, Grigori, Hoemmen, Langou: Communication-optimal Parallel and Sequential QR and LU Factorizations, SIAM J. Sci.
Comput. 34 (2012).
"""

from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dtpqrt, dtrtri

from hpcadmm.model.inputs import dense
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight

PIECE = 1024  # smallest number of samples in a piece
BLOCK = 32  # columns of a block reflector
EPS = float(np.finfo(np.float64).eps)


def triangle(X: Any, Y: Array, w: Weight = None) -> Array:
    """T (features + outputs, the same) in float64, from X (features, m), an array or sparse, and Y (outputs, m) of any
    precision; of sqrt(w) S with the weights w (m,)."""
    n = len(X) + len(Y)
    T, m, width = np.zeros((n, n), order="F"), X.shape[1], max(PIECE, 2 * n)
    for lo in range(0, m, width):
        rows = np.empty((min(width, m - lo), n), order="F")
        rows[:, : len(X)], rows[:, len(X) :] = dense(X[:, lo : lo + width]).T, Y[:, lo : lo + width].T
        if w is not None:
            rows *= np.sqrt(w[lo : lo + width, None], dtype=np.float64)
        T = _folded(T, rows, 0)
    return T


def stacked(T: Array, other: Array) -> Array:
    """The triangle of the samples of two triangles together."""
    return _folded(np.asfortranarray(T), np.asfortranarray(other), len(T))


def _folded(T: Array, rows: Array, triangular: int) -> Array:
    """The triangle of T on top of `rows`, whose last `triangular` rows are a triangle. Overwrites both."""
    found: Array = dtpqrt(triangular, min(BLOCK, len(T)), T, rows, overwrite_a=1, overwrite_b=1)[0]
    return found


def parted(T: Array, features: int) -> tuple[Array, Array, Array]:
    """R, z and rest."""
    return T[:features, :features], T[:features, features:], T[features:, features:]


def penalised_root(T: Array, features: int, c: float) -> tuple[Array, Array]:
    """B with B B^T = (R^T R + c I)^-1 and theta = argmin 1/2 |R theta - z|^2 + c/2 |theta|^2, for c > 0.

    sqrt(c) I is stacked below R; c I is never added to R^T R, so that neither loses a digit.
    """
    below = np.zeros_like(T, order="F")
    below[np.arange(features), np.arange(features)] = np.sqrt(c)
    R, z, _ = parted(stacked(T, below), features)
    B: Array = np.triu(dtrtri(R)[0])
    return B, B @ z


def shortest_root(T: Array, features: int, samples: int) -> tuple[Array, Array]:
    """B with B B^T = (R^T R)^+ and the shortest theta = argmin 1/2 |R theta - z|^2.

    The rank is that of R after its columns are scaled by powers of two to a largest entry of 1 to 2: singular values
    below 8 eps (features + sqrt(samples)) of the largest count as 0, whatever the units of the features. If there are
    several minimisers, theta has the smallest |theta| in the given units, as from numpy.linalg.lstsq.
    """
    R, z, _ = parted(T, features)
    D = to_unit(np.abs(R).max(axis=0))
    U, s, Vt = np.linalg.svd(R * D)
    rank = int((s > 8 * EPS * (features + np.sqrt(samples)) * s[0]).sum())
    B: Array = (D[:, None] * Vt[:rank].T) / s[:rank]
    theta: Array = B @ (U.T[:rank] @ z)
    null = orthonormal(D[:, None] * Vt[rank:].T)
    for _ in range(2 if rank < features else 0):  # the second pass removes what rounding leaves after the first
        B, theta = (x - null @ (null.T @ x) for x in (B, theta))
    return B, theta


def orthonormal(N: Array) -> Array:
    """An orthonormal basis of the columns' span. Only columns are combined: each row keeps its relative accuracy."""
    for _ in range(2):
        N = solve_triangular(np.linalg.qr(N, mode="r"), N.T, trans="T").T
    return N


def to_unit(sizes: Array) -> Array:
    """Powers of two that scale positive sizes to 1 to 2; 1 for 0.

    >>> to_unit(np.array([1.0, 3.0, 0.0, 0.3]))
    array([1. , 0.5, 1. , 4. ])
    """
    found: Array = np.where(sizes > 0, np.ldexp(1.0, 1 - np.frexp(sizes)[1]), 1.0)
    return found
