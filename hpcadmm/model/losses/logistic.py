"""Logistic, of two classes: l(z, y) = log(1 + exp(-y z)) with y = +1 / -1 and one output."""

from dataclasses import dataclass
from math import exp
from typing import ClassVar

import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.kernels import kernel
from hpcadmm.model.losses.base import Loss, classes_only, p_log_p, signs
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight, total

MOST = 100  # steps of Newton's method, or halved brackets; it ends long before


@kernel
def logistic_prox(m, y, lam, beta, small, z):  # type: ignore[no-untyped-def]
    """By Newton's method for f(t) = 2 beta (t - c) - 1 / (1 + exp(t)) = 0, t = y z, which rises; the root is in
    [c, c + 1 / (2 beta)]. It begins at z, if that lies there: ADMM's last z. After a step d the error is below d^2 / 2,
    since |f''| < f'; small: the last d."""
    h = 2.0 * beta
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            v = y[j, i]
            c = v * (np.float64(m[j, i]) - lam[j, i] / h)
            low, high = c, c + 1.0 / h
            t, before = v * z[j, i], high - low
            if not low <= t <= high:
                t = c + 1.0 / (1.0 + exp(min(c, 500.0))) / (h + 0.25)
            for _ in range(MOST):
                q = 1.0 / (1.0 + exp(min(t, 500.0)))
                f = h * (t - c) - q
                if f > 0.0:
                    high = t
                else:
                    low = t
                new = t - f / (h + q * (1.0 - q))
                done = abs(new - t) <= small
                if not done and (not low <= new <= high or abs(new - t) > 0.5 * before):  # it may run in circles
                    new = 0.5 * (low + high)
                before = abs(new - t)
                t = new
                if done:
                    break
            z[j, i] = v * t


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), with as many digits far below 0."""
    found: Array = np.exp(-np.logaddexp(0, -z))
    return found


@dataclass(frozen=True)
class Logistic(Loss):
    """l(z, y) = log(1 + exp(-y z)), of two classes; y = +1 for the second class, -1 for the first."""

    name: ClassVar[str] = "logistic"
    when: ClassVar[str] = "two classes with one output, as in logistic regression"
    probable: ClassVar[bool] = True

    def outputs(self, classes: int) -> int:
        classes_only(self.name, classes)
        if classes > 2:
            raise UsageError(f'loss.name = "logistic" needs two classes, not {classes}: use cross-entropy')
        return 1

    def targets(self, labels: Array, outputs: int, classes: int, dtype: type) -> Array:
        return signs(labels, outputs, -1, dtype)

    def value(self, z: Array, y: Array, w: Weight = None) -> float:
        return total(np.logaddexp(0, -y * z), w)

    def gradient(self, z: Array, y: Array) -> Array:
        found: Array = -y * sigmoid(-y * z)
        return found

    def prox(self, m: Array, y: Array, lam: Array, beta: float, z: Array) -> Array:
        logistic_prox(m.T, y.T, lam.T, float(beta), 1e-4 if z.dtype == np.float32 else 1e-8, z.T)
        return z

    def second(self, z: Array, y: Array) -> Array:
        found: Array = sigmoid(z) * sigmoid(-z)
        return found

    def conjugate(self, g: Array, y: Array, w: Weight = None) -> float:
        """b log b + (1 - b) log(1 - b), b = -g y in [0, 1]."""
        b = np.clip(-g * y, 0, 1)
        return total(p_log_p(b) + p_log_p(1 - b), w)
