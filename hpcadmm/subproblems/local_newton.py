"""A worker's step for the softmax cross entropy of a linear model: no closed form, so Newton from where it is."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from hpcadmm.model.state import Array
from hpcadmm.subproblems.newton_cg import minimise

TOLERANCE = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-10}  # of the gradient, for each sample (and one)


@dataclass
class CrossEntropySum:
    """F(T) = sum_j log sum exp(T^T x_j) - <y_j, T^T x_j> + <v, T> + c/2 |T|^2, T (features, outputs): W transposed.

    X: (features, m), Y: (outputs, m) one-hot, v as T. Float64.
    """

    X: Array
    Y: Array
    v: Array | float = 0.0
    c: float = 0.0

    def at(self, T: Array) -> tuple[float, Array, Array]:
        """Value, gradient, and softmax(T^T x)."""
        Z = T.T @ self.X
        S = softmax(Z, axis=0) if Z.size else Z
        value = float((logsumexp(Z, axis=0) - (Z * self.Y).sum(axis=0)).sum()) if Z.size else 0.0
        value += float((self.v * T).sum() + 0.5 * self.c * (T * T).sum())
        return value, self.X @ (S - self.Y).T + self.v + self.c * T, S

    def bend(self, S: Array, V: Array) -> Array:
        """The Hessian times V."""
        D = V.T @ self.X
        D -= (S * D).sum(axis=0)
        bent: Array = self.X @ (S * D).T + self.c * V
        return bent


class LocalNewton:
    """theta_n = argmin f_n(theta) + <v_n, theta> + c_n/2 |theta|^2, f_n the cross entropy of W X_n, summed over the
    samples; theta = W as a vector by columns, (d,). X_n: (features, m_n), Y_n: (outputs, m_n) one-hot; c: (k,).
    """

    def __init__(self, X: list[Array], Y: list[Array], c: Array) -> None:
        wide = [(x.astype(np.float64, copy=False), y.astype(np.float64, copy=False)) for x, y in zip(X, Y, strict=True)]
        self.sums = [CrossEntropySum(x, y, 0.0, float(k)) for (x, y), k in zip(wide, c, strict=True)]
        self.shape = len(X[0]), len(Y[0])

    def solve(self, some: slice, v: Array, theta: Array, k: int = 0) -> None:
        """The minimisers of the workers in these rows, v (rows, d), into those rows of theta (k, d), from them."""
        for n, row in zip(range(len(theta))[some], v, strict=True):
            one = self.sums[n]
            one.v = row.astype(np.float64).reshape(self.shape)
            start = theta[n].astype(np.float64).reshape(self.shape)
            tolerance = TOLERANCE[theta.dtype] * (1 + one.X.shape[1])
            theta[n] = minimise(one, start, tolerance)[1].reshape(-1)

    def values(self, theta: Array) -> Array:
        """f_n(theta_n) of each worker, (k,)."""
        alone = [CrossEntropySum(one.X, one.Y) for one in self.sums]
        return np.array([f.at(t.astype(np.float64).reshape(self.shape))[0] for f, t in zip(alone, theta, strict=True)])
