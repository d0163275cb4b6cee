"""Linear models by Newton's method: a worker's exact step from its present theta, and sums over samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp, softmax

from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight, times
from hpcadmm.subproblems.newton_cg import minimise
from hpcadmm.subproblems.triangle import to_unit

# of the gradient, per sample (plus one), for features scaled to a mean square of about 1
TOLERANCE = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-10}
CLOSE = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-12}  # of a quadratic function


@dataclass
class Sum:
    """A convex function of Z = T^T X, summed over the samples, plus <v, T> + c/2 |T|^2.

    T: (features, outputs), W transposed. X: (features, m), an array or sparse, Y: (outputs, m), v as T, w: (m,), None:
    all 1. Float64.
    """

    X: Any
    Y: Array
    v: Array | float = 0.0
    c: float = 0.0
    w: Weight = None
    quadratic: ClassVar[bool] = False
    tolerance: ClassVar[dict[Any, float]] = TOLERANCE

    @property
    def total(self) -> float:
        """sum_j w_j, m without weights."""
        return self.X.shape[1] if self.w is None else float(self.w.sum())

    def squares(self) -> Array:
        """sum w x^2 of each feature, (features,)."""
        if isinstance(self.X, np.ndarray):
            return np.einsum("ij,ij->i", self.X, times(self.X, self.w))
        found: Array = self.X.power(2) @ (np.ones(self.X.shape[1]) if self.w is None else self.w)
        return found

    @staticmethod
    def unit(mean: float) -> float:
        """The size of a sample's gradient by Z, from the mean of the function at T = 0."""
        return 1.0


class SquaredSum(Sum):
    """F(T) = 1/2 sum_j w_j |T^T x_j - y_j|^2 + <v, T> + c/2 |T|^2."""

    quadratic = True
    tolerance = CLOSE

    def at(self, T: Array) -> tuple[float, Array, None]:
        """Value and gradient."""
        E = T.T @ self.X - self.Y
        weighted = times(E, self.w)
        value = 0.5 * float((E * weighted).sum()) + float((self.v * T).sum() + 0.5 * self.c * (T * T).sum())
        return value, self.X @ weighted.T + self.v + self.c * T, None

    def bend(self, _: None, V: Array) -> Array:
        """The Hessian times V."""
        bent: Array = self.X @ times(V.T @ self.X, self.w).T + self.c * V
        return bent

    def bregman(self, T: Array, best: Array) -> float:
        """F(T) - F(best) - <gradient at best, T - best> of the part without v and c."""
        D = (T - best).T @ self.X
        return 0.5 * float((D * times(D, self.w)).sum())

    @staticmethod
    def unit(mean: float) -> float:
        return float(np.sqrt(2 * mean))


class CrossEntropySum(Sum):
    """F(T) = sum_j w_j (log sum exp(T^T x_j) - <y_j, T^T x_j>) + <v, T> + c/2 |T|^2, Y one-hot."""

    def at(self, T: Array) -> tuple[float, Array, Array]:
        """Value, gradient, and softmax(T^T x)."""
        Z = T.T @ self.X
        S = softmax(Z, axis=0) if Z.size else Z
        value = float(times(logsumexp(Z, axis=0) - (Z * self.Y).sum(axis=0), self.w).sum()) if Z.size else 0.0
        value += float((self.v * T).sum() + 0.5 * self.c * (T * T).sum())
        return value, self.X @ times(S - self.Y, self.w).T + self.v + self.c * T, S

    def bend(self, S: Array, V: Array) -> Array:
        """The Hessian times V."""
        D = V.T @ self.X
        D -= (S * D).sum(axis=0)
        bent: Array = self.X @ times(S * D, self.w).T + self.c * V
        return bent

    def bregman(self, T: Array, best: Array) -> float:
        """F(T) - F(best) - <gradient at best, T - best> of the part without v and c: each sample's term is >= 0,
        not formed as a difference of large numbers where T is close to best."""
        if not self.X.size:
            return 0.0
        Z, D = best.T @ self.X, (T - best).T @ self.X
        log_s = Z - logsumexp(Z, axis=0)
        S = np.exp(log_s)
        near = np.abs(D).max(axis=0) < 1
        small = np.log1p((S * np.expm1(np.where(near, D, 0.0))).sum(axis=0))
        terms = np.where(near, small, logsumexp(log_s + D, axis=0)) - (S * D).sum(axis=0)
        return float(times(terms, self.w).sum())


class LossSum(Sum):
    """F(T) = sum_j w_j l(T^T x_j, y_j) + <v, T> + c/2 |T|^2 for a loss with a second derivative for each output."""

    loss: ClassVar[Any]

    @classmethod
    def of(cls, loss: Any) -> Any:
        """The sums of this loss."""
        return type(f"SumOf{loss.name}", (cls,), {"loss": loss})

    def at(self, T: Array) -> tuple[float, Array, Array]:
        """Value, gradient, and the second derivatives by Z = T^T x."""
        Z = T.T @ self.X
        value = self.loss.value(Z, self.Y, self.w) + float((self.v * T).sum() + 0.5 * self.c * (T * T).sum())
        slope = self.X @ times(self.loss.gradient(Z, self.Y), self.w).T
        return value, slope + self.v + self.c * T, self.loss.second(Z, self.Y)

    def bend(self, second: Array, V: Array) -> Array:
        """The Hessian times V."""
        bent: Array = self.X @ times(second * (V.T @ self.X), self.w).T + self.c * V
        return bent


class LocalNewton:
    """theta_n = argmin f_n(theta) + <v_n, theta> + c_n/2 |theta|^2, f_n the function `kind` of W X_n, summed over the
    samples; theta = W as a vector by columns, (d,). X_n: (features, m_n), Y_n: (outputs, m_n); c: (k,); weights
    w_n: (m_n,).

    Each worker's variables are scaled to the curvature, so the steps depend on the scale of a feature only through c_n.
    unit: the size of a sample's gradient by Z, in which the tolerance is measured. error: a larger tolerance.
    """

    def __init__(
        self, X: list[Any], Y: list[Array], c: Array, w: Sequence[Weight] | None = None, kind: Any = CrossEntropySum
    ) -> None:
        every = zip(X, Y, c, w or [None] * len(X), strict=True)
        self.kind = kind
        self.sums = [kind(wide(x), wide(y), 0.0, float(k), wide(v)) for x, y, k, v in every]
        self.scales = [scale(one.squares(), one.c, one.total) for one in self.sums]
        self.shape, self.unit, self.error = (len(X[0]), len(Y[0])), 1.0, 0.0

    def penalise(self, c: float) -> None:
        """From now on with this c."""
        for one in self.sums:
            one.c = c
        self.scales = [scale(one.squares(), one.c, one.total) for one in self.sums]

    def factor(self) -> None:
        """Nothing to form before the first step."""

    def solve(self, some: slice, v: Array, theta: Array, k: int = 0) -> None:
        """As above for the workers in these rows, v (rows, d): from those rows of theta (k, d), into them."""
        for n, row in zip(range(len(theta))[some], v, strict=True):
            one = self.sums[n]
            one.v = row.astype(np.float64).reshape(self.shape)
            start = theta[n].astype(np.float64).reshape(self.shape)
            tolerance = max(self.kind.tolerance[theta.dtype], self.error) * (1 + one.total) * self.unit
            theta[n] = minimise(one, start, tolerance, self.scales[n], one.quadratic)[1].reshape(-1)

    def values(self, theta: Array) -> Array:
        """f_n(theta_n) of each worker, (k,)."""
        return np.array([f.at(t)[0] for f, t in zip(self.alone, self.shaped(theta), strict=True)])

    def above(self, theta: Array, best: Array) -> Array:
        """f_n(theta_n) - f_n(best) of each worker, (k,), not as a difference of two large numbers."""
        rows = zip(self.alone, self.shaped(theta), self.slopes(best), strict=True)
        return np.array([f.bregman(t, best) + float((g * (t - best)).sum()) for f, t, g in rows])

    def slopes(self, best: Array) -> Array:
        """The gradient of each f_n at one theta (features, outputs) for all, (k, features, outputs)."""
        return np.array([f.at(best)[1] for f in self.alone])

    @property
    def alone(self) -> list[Any]:
        """f_n without v_n and c_n."""
        return [self.kind(one.X, one.Y, w=one.w) for one in self.sums]

    def shaped(self, theta: Array) -> Array:
        """theta (k, d) as (k, features, outputs) in float64."""
        return theta.astype(np.float64).reshape(-1, *self.shape)


def scale(squares: Array, c: float, m: float) -> Array:
    """Powers of two (features, 1) that bring sqrt((|x|^2 + c) / (1 + m)) of each feature to 1 to 2."""
    return to_unit(np.sqrt((squares + c) / (1 + m)))[:, None]


def wide(x: Any) -> Any:
    """x in float64, of sparse inputs the matrix; None for None."""
    held: Any = getattr(x, "matrix", x)
    return None if held is None else held.astype(np.float64, copy=False)
