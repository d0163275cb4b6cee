"""Orthogonal matrices: the nearest one to a matrix, about, and the eigenvectors of a slowly changing matrix."""

import numpy as np
from scipy.linalg import LinAlgError

from hpcadmm.model.state import Array
from hpcadmm.subproblems.matrix_penalty import mean_diagonal
from hpcadmm.subproblems.norm import square

A, B, C = 3.4445, -4.7750, 2.0315  # of the polynomial a s + b s^3 + c s^5
TIMES = 5
SMALL = 1e-3  # of the mean eigenvalue


def orthogonalised(G: Array) -> Array:
    """O = U s' V^T with s' about 1, for G = U s V^T: five Newton-Schulz iterations from X = G / |G|,

        X = a X + (b Y + c Y^2) X,   Y = X X^T,

    which take each singular value in about [0.01, 1] into about [0.7, 1.2] (Jordan et al. 2024). G = 0 gives 0.
    """
    X = G / G.dtype.type(np.sqrt(square(G)) + 1e-7)
    X = X.T if X.shape[0] > X.shape[1] else X
    for _ in range(TIMES):
        Y = np.matmul(X, X.T)
        X = A * X + np.matmul(B * Y + C * np.matmul(Y, Y), X)
    return X if X.shape == G.shape else X.T


def eigenvectors(M: Array, out: Array) -> None:
    """out: the eigenvectors of a symmetric M, that of the largest eigenvalue first; NaN if M is not finite.

    A slope of the diagonal, from 0 to SMALL tr M / n, chooses among the eigenvectors of equal eigenvalues, which
    rounding would choose otherwise: those of 0, where M has less than full rank.
    """
    slope = np.linspace(mean_diagonal(M) * SMALL, 0, len(M), dtype=M.dtype)
    try:
        out[...] = np.linalg.eigh(M + np.diag(slope))[1][:, ::-1]
    except LinAlgError:
        out[...] = np.nan


def turned_to(M: Array, Q: Array) -> None:
    """One step of orthogonal iteration towards the eigenvectors of M: Q = the orthogonal factor of (M + d I) Q.

    d = SMALL tr M / n leaves the eigenvectors as they are, and so those of 0, which M Q would leave to rounding.
    """
    Q[...] = np.linalg.qr(np.matmul(M, Q) + M.dtype.type(SMALL * mean_diagonal(M)) * Q)[0]


def rotated(left: Array | None, G: Array, right: Array | None) -> Array:
    """left G right; None is the identity."""
    G = G if left is None else np.matmul(left, G)
    return G if right is None else np.matmul(G, right)
