"""A worker's exact step for least squares: factored once, then applied to a group of workers at once."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight
from hpcadmm.subproblems.triangle import parted, penalised_root, shortest_root, triangle


class LocalLeastSquares:
    """theta_n = argmin f_n(theta) + <v_n, theta> + c_n/2 |theta|^2,    f_n(theta) = 1/2 |W X_n - Y_n|^2
    = argmin f_n + c_n/2 |theta|^2   -   (X_n X_n^T + c_n I)^-1 v_n,        theta = W as a vector by columns, (d,).

    X_n: (features, m_n), Y_n: (outputs, m_n); c: (k,). With weights w_n (m_n,), sqrt(w_n) X_n and sqrt(w_n) Y_n take
    the place of X_n and Y_n. Always float64, by QR of the samples: neither the scale of a feature nor a small c_n is
    lost to another one's rounding. If c_n = 0 and X_n has less than full rank it is the shortest minimiser (for v_n in
    the range of X_n).
    """

    def __init__(self, X: list[Array], Y: list[Array], c: Array, w: Sequence[Weight] | None = None) -> None:
        self.shape = len(X[0]), len(Y[0])
        samples = zip(X, Y, w or [None] * len(X), strict=True)
        self.triangles = np.array([triangle(*of_worker) for of_worker in samples])
        self.samples, self.c = [x.shape[1] for x in X], c

    @cached_property
    def roots(self) -> tuple[Array, Array]:
        """(X_n X_n^T + c_n I)^-1, (k, features, features), and the minimisers for v_n = 0, (k, features, outputs)."""
        found = []
        for T, m, c in zip(self.triangles, self.samples, self.c, strict=True):
            found.append(penalised_root(T, self.shape[0], c) if c else shortest_root(T, self.shape[0], m))
        return np.array([B @ B.T for B, _ in found]), np.array([theta for _, theta in found])

    def penalise(self, c: float) -> None:
        """From now on with this c."""
        self.c = np.full(len(self.c), c)
        self.__dict__.pop("roots", None)

    def factor(self) -> None:
        """Form `roots` now, not in the first step."""
        _ = self.roots

    def solve(self, some: slice, v: Array, theta: Array, k: int = 0) -> None:
        """Write the minimisers of the workers in these rows, v (rows, d), to those rows of theta (k, d)."""
        inverse, free = (of_all[some] for of_all in self.roots)
        theta[some] = (free - np.matmul(inverse, v.reshape(free.shape))).reshape(v.shape)

    def values(self, theta: Array) -> Array:
        """f_n(theta_n) of each worker, (k,)."""
        return np.array([value(T, t) for T, t in zip(self.triangles, self.shaped(theta), strict=True)])

    def above(self, theta: Array, best: Array) -> Array:
        """f_n(theta_n) - f_n(best) of each worker, (k,), not as a difference of two large numbers."""
        return np.array([above(T, t, best) for T, t in zip(self.triangles, self.shaped(theta), strict=True)])

    def slopes(self, best: Array) -> Array:
        """The gradient of each f_n at one theta (features, outputs) for all, (k, features, outputs)."""
        split = (parted(T, self.shape[0]) for T in self.triangles)
        return np.array([R.T @ (R @ best - z) for R, z, _ in split])

    def shaped(self, theta: Array) -> Array:
        """theta (k, d) as (k, features, outputs) in float64."""
        return theta.astype(np.float64).reshape(-1, *self.shape)


def value(T: Array, theta: Array) -> float:
    """1/2 |R theta - z|^2 + 1/2 |rest|^2."""
    R, z, rest = parted(T, len(theta))
    return 0.5 * float(np.square(R @ theta - z).sum() + np.square(rest).sum())


def above(T: Array, theta: Array, best: Array) -> float:
    """1/2 |R e|^2 + <R e, R best - z>, e = theta - best."""
    R, z, _ = parted(T, len(theta))
    Re = R @ (theta - best)
    return float((Re * (0.5 * Re + (R @ best - z))).sum())
