"""A worker's exact step where its objective is a quadratic: factored once, applied to a group of workers at once."""

from functools import cached_property

import numpy as np

from hpcadmm.model.state import Array


class LocalLeastSquares:
    """theta_n = argmin f_n(theta) + <v_n, theta> + c_n/2 |theta|^2,    f_n(theta) = 1/2 |W X_n - Y_n|^2
    = (X_n X_n^T + c_n I)^-1 (X_n Y_n^T - v_n),                         theta = W as a vector by columns, (d,).

    X_n: (features, m_n), Y_n: (outputs, m_n); c: (k,). All in float64 whatever the precision of the data. Where
    c_n = 0 and X_n X_n^T is singular it is the shortest minimiser (for a v_n in its range).
    """

    def __init__(self, X: list[Array], Y: list[Array], c: Array) -> None:
        wide = [(x.astype(np.float64), y.astype(np.float64)) for x, y in zip(X, Y, strict=True)]
        self.gram = np.array([x @ x.T for x, _ in wide])
        self.right = np.array([x @ y.T for x, y in wide])
        self.constant = np.array([0.5 * np.square(y).sum() for _, y in wide])
        self.c = c

    @cached_property
    def inverse(self) -> Array:
        """(X_n X_n^T + c_n I)^-1, (k, features, features); formed when first asked for."""
        return np.array([inverse(g, k) for g, k in zip(self.gram, self.c, strict=True)])

    def solve(self, some: slice, v: Array, theta: Array, k: int = 0) -> None:
        """The minimisers of the workers in these rows, v (rows, d), into those rows of theta (k, d)."""
        right = self.right[some]
        theta[some] = (self.inverse[some] @ (right - v.reshape(right.shape))).reshape(v.shape)

    def values(self, theta: Array) -> Array:
        """f_n(theta_n) of each worker, (k,)."""
        shaped = theta.astype(np.float64).reshape(self.right.shape)
        rows = zip(shaped, self.gram, self.right, self.constant, strict=True)
        return np.array([quadratic(*row) for row in rows])


def quadratic(theta: Array, gram: Array, right: Array, constant: float) -> float:
    """1/2 <theta, gram theta> - <theta, right> + constant for theta (features, outputs)."""
    return float((theta * (0.5 * (gram @ theta) - right)).sum() + constant)


def inverse(gram: Array, c: float) -> Array:
    """(gram + c I)^-1 for gram positive semidefinite; directions in which both are 0 stay 0."""
    w, V = np.linalg.eigh(gram)
    w = np.where(w > len(w) * np.finfo(np.float64).eps * max(w[-1], 0.0), w, 0.0) + c
    found: Array = (V * np.divide(1.0, w, out=np.zeros_like(w), where=w > 0)) @ V.T
    return found
