"""Huber: half the square of small errors, a multiple of the absolute value of large ones."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt

from hpcadmm.kernels import kernel
from hpcadmm.model.losses.base import Loss, real_only, real_targets
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight, total


@kernel
def huber_prox(m, y, lam, beta, delta, z):  # type: ignore[no-untyped-def]
    """The minimiser of the parabola, unless its error is larger than delta; then c moves by delta / (2 beta)."""
    h = beta + beta
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            c = m[j, i] - lam[j, i] / h
            e = (c - y[j, i]) * h / (h + h / h)  # z - y with the parabola
            if abs(e) <= delta:
                z[j, i] = y[j, i] + e
            else:
                z[j, i] = c - delta / h if e > 0 else c + delta / h


@dataclass(frozen=True)
class Huber(Loss):
    """l(z, y) = e^2 / 2 for |e| <= delta, delta |e| - delta^2 / 2 beyond, e = z - y [Huber, Ann. Math. Statist. 1964].

    delta: error from which it grows linearly, in units of the (standardised) target, > 0. Default 1.35, which keeps
        95 % of the efficiency of least squares for normal errors of variance 1.
    """

    name: ClassVar[str] = "huber"
    when: ClassVar[str] = "real targets with outliers"
    real: ClassVar[bool] = True

    delta: Annotated[float, Gt(0), Lt(np.inf)] = 1.35

    def outputs(self, classes: int) -> int:
        return real_only(self.name, classes)

    def targets(self, labels: Array, outputs: int, classes: int, dtype: type) -> Array:
        return real_targets(labels, dtype)

    def value(self, z: Array, y: Array, w: Weight = None) -> float:
        e = np.abs(z - y)
        return total(np.where(e <= self.delta, 0.5 * e * e, self.delta * (e - 0.5 * self.delta)), w)

    def gradient(self, z: Array, y: Array) -> Array:
        return np.clip(z - y, -self.delta, self.delta)

    def prox(self, m: Array, y: Array, lam: Array, beta: float, z: Array) -> Array:
        kind = z.dtype.type
        huber_prox(m.T, y.T, lam.T, kind(beta), kind(self.delta), z.T)
        return z

    def second(self, z: Array, y: Array) -> Array:
        return (np.abs(z - y) <= self.delta).astype(z.dtype)

    def conjugate(self, g: Array, y: Array, w: Weight = None) -> float:
        """g^2/2 + g y, for |g| <= delta."""
        return total(g * (0.5 * g + y), w)
