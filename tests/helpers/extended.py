"""Least squares in extended precision (80 bits on x86), by Householder QR in plain NumPy."""

import numpy as np

Long = np.longdouble


def triangle(A, b):
    """R (n, n) and Q^T b (n, outputs) of A (m, n), in extended precision."""
    A, b = A.astype(Long), b.astype(Long)
    for j in range(A.shape[1]):
        v = A[j:, j].copy()
        v[0] += np.copysign(np.sqrt((v * v).sum()), v[0])
        square = (v * v).sum()
        A[j:, j:] -= np.outer(v, 2 * (v @ A[j:, j:]) / square)
        b[j:] -= np.outer(v, 2 * (v @ b[j:]) / square)
    return A[: A.shape[1]], b[: A.shape[1]]


def back(R, right):
    """R^-1 right."""
    x = np.zeros_like(right)
    for j in reversed(range(len(R))):
        x[j] = (right[j] - R[j, j + 1 :] @ x[j + 1 :]) / R[j, j]
    return x


def least_squares(X, Y, c=0.0):
    """argmin |theta^T X - Y|^2 + c |theta|^2: (features, outputs); X (features, m) of full rank unless c > 0."""
    A = np.vstack([X.T, np.sqrt(Long(c)) * np.eye(len(X))]) if c else X.T
    b = np.vstack([Y.T, np.zeros((len(X), len(Y)))]) if c else Y.T
    return back(*triangle(A, b))


def solved(X, c, v):
    """(X X^T + c I)^-1 v by R^-1 R^-T v."""
    A = np.vstack([X.T, np.sqrt(Long(c)) * np.eye(len(X))])
    R, _ = triangle(A, np.zeros((len(A), 1)))
    w = np.zeros(v.shape, Long)
    for j in range(len(R)):
        w[j] = (v[j] - R[:j, j] @ w[:j]) / R[j, j]
    return back(R, w)


def value(X, Y, theta):
    """1/2 |theta^T X - Y|^2."""
    return 0.5 * np.square(theta.astype(Long).T @ X - Y).sum()
