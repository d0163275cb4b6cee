"""Poisson regression with the log link: z is the logarithm of the expected count."""

from dataclasses import dataclass
from math import exp, log
from typing import ClassVar

import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.kernels import kernel
from hpcadmm.model.losses.base import Loss, p_log_p, real_only, real_targets
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight, total

MOST = 100  # steps of Newton's method


@kernel
def poisson_prox(m, y, lam, beta, z):  # type: ignore[no-untyped-def]
    """By Newton's method for f(t) = exp(t) + h t - b = 0, b = y + h c: f rises and is convex, so that from the right of
    the root each step stays there. The root is below b / h, and below log max(b, 1)."""
    h = 2.0 * beta
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            b = y[j, i] - lam[j, i] + h * m[j, i]
            t = min(b / h, log(b) if b > 1.0 else 0.0)
            for _ in range(MOST):
                e = exp(t)
                new = t - (e + h * t - b) / (e + h)
                done = abs(new - t) <= 4e-16 * abs(new) or new == t
                t = new
                if done:
                    break
            z[j, i] = t


@dataclass(frozen=True)
class Poisson(Loss):
    """l(z, y) = exp z - y z for counts y >= 0: the expected count is exp z. Targets stay in their own units."""

    name: ClassVar[str] = "poisson"
    when: ClassVar[str] = "counts"
    real: ClassVar[bool] = True
    raw: ClassVar[bool] = True

    def outputs(self, classes: int) -> int:
        return real_only(self.name, classes)

    def targets(self, labels: Array, outputs: int, classes: int, dtype: type) -> Array:
        if labels.size and labels.min() < 0:
            raise UsageError(f'loss.name = "poisson" needs targets >= 0, and one is {labels.min():g}')
        return real_targets(labels, dtype)

    def value(self, z: Array, y: Array, w: Weight = None) -> float:
        return total(np.exp(z) - y * z, w)

    def gradient(self, z: Array, y: Array) -> Array:
        found: Array = np.exp(z) - y
        return found

    def prox(self, m: Array, y: Array, lam: Array, beta: float, z: Array) -> Array:
        poisson_prox(m.T, y.T, lam.T, float(beta), z.T)
        return z

    def mean(self, z: Array) -> Array:
        found: Array = np.exp(z)
        return found

    def second(self, z: Array, y: Array) -> Array:
        found: Array = np.exp(z)
        return found

    def conjugate(self, g: Array, y: Array, w: Weight = None) -> float:
        """r log r - r, r = g + y >= 0."""
        r = np.maximum(g + y, 0)
        return total(p_log_p(r) - r, w)
