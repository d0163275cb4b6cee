"""Least squares of any number of samples as one small triangle, by QR in pieces.

T upper triangular with T^T T = S S^T, S = [X; Y] (features + outputs, samples): T = [R z; 0 rest], so that
1/2 |theta^T X - Y|^2 = 1/2 |R theta - z|^2 + 1/2 |rest|^2 for every theta (features, outputs). Householder
reflections are stable column by column: the scale of a feature does not matter, and a factor of a power of two goes
through exactly. A Gram matrix X X^T squares the condition number, a triangle does not.
Demmel, Grigori, Hoemmen, Langou: Communication-optimal Parallel and Sequential QR and LU Factorizations, SIAM J. Sci.
Comput. 34 (2012).
"""

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dtpqrt, dtrtri

from hpcadmm.model.state import Array

PIECE = 1024  # least samples of a piece
BLOCK = 32  # columns of a block reflector
EPS = float(np.finfo(np.float64).eps)


def triangle(X: Array, Y: Array) -> Array:
    """T (features + outputs, the same) of X (features, m) and Y (outputs, m) of any precision; float64."""
    n = len(X) + len(Y)
    T, m, width = np.zeros((n, n), order="F"), X.shape[1], max(PIECE, 2 * n)
    for lo in range(0, m, width):
        rows = np.empty((min(width, m - lo), n), order="F")
        rows[:, : len(X)], rows[:, len(X) :] = X[:, lo : lo + width].T, Y[:, lo : lo + width].T
        T = _folded(T, rows, 0)
    return T


def stacked(T: Array, other: Array) -> Array:
    """The triangle of the samples of two triangles together."""
    return _folded(np.asfortranarray(T), np.asfortranarray(other), len(T))


def _folded(T: Array, rows: Array, triangular: int) -> Array:
    """The triangle of T above `rows`, whose last `triangular` rows form a triangle; both are overwritten."""
    found: Array = dtpqrt(triangular, min(BLOCK, len(T)), T, rows, overwrite_a=1, overwrite_b=1)[0]
    return found


def parted(T: Array, features: int) -> tuple[Array, Array, Array]:
    """R, z and rest."""
    return T[:features, :features], T[:features, features:], T[features:, features:]


def penalised_root(T: Array, features: int, c: float) -> tuple[Array, Array]:
    """B with B B^T = (R^T R + c I)^-1 and theta = argmin 1/2 |R theta - z|^2 + c/2 |theta|^2, for c > 0.

    c I is stacked below R as sqrt(c) I, never added to R^T R: no digit of the penalty is lost, and none is cut.
    """
    below = np.zeros_like(T, order="F")
    below[np.arange(features), np.arange(features)] = np.sqrt(c)
    R, z, _ = parted(stacked(T, below), features)
    B: Array = np.triu(dtrtri(R)[0])
    return B, B @ z


def shortest_root(T: Array, features: int, samples: int) -> tuple[Array, Array]:
    """B with B B^T = (R^T R)^+ and the shortest theta = argmin 1/2 |R theta - z|^2.

    The rank is that of R with columns scaled by powers of two to a largest entry of 1 to 2: singular values below
    8 eps (features + sqrt(samples)) of the largest count as 0, whatever the scales of the features. Of several
    minimisers theta is the one with the least |theta| in the given scales, as of numpy.linalg.lstsq.
    """
    R, z, _ = parted(T, features)
    D = to_unit(np.abs(R).max(axis=0))
    U, s, Vt = np.linalg.svd(R * D)
    rank = int((s > 8 * EPS * (features + np.sqrt(samples)) * s[0]).sum())
    B: Array = (D[:, None] * Vt[:rank].T) / s[:rank]
    theta: Array = B @ (U.T[:rank] @ z)
    null = orthonormal(D[:, None] * Vt[rank:].T)
    for _ in range(2 if rank < features else 0):  # the second one takes what the first one's rounding leaves
        B, theta = (x - null @ (null.T @ x) for x in (B, theta))
    return B, theta


def orthonormal(N: Array) -> Array:
    """A basis of the columns' span, by combining columns only: each row keeps its own relative accuracy."""
    for _ in range(2):
        N = solve_triangular(np.linalg.qr(N, mode="r"), N.T, trans="T").T
    return N


def to_unit(sizes: Array) -> Array:
    """Powers of two by which positive sizes become 1 to 2; 1 for 0.

    >>> to_unit(np.array([1.0, 3.0, 0.0, 0.3]))
    array([1. , 0.5, 1. , 4. ])
    """
    found: Array = np.where(sizes > 0, np.ldexp(1.0, 1 - np.frexp(sizes)[1]), 1.0)
    return found
