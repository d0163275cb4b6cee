"""Squared: l(z, y) = sum_i (z_i - y_i)^2, for regression, or for classes as one-hot targets."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcadmm.model.losses.base import Loss, real_targets, signs
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight, total


@dataclass(frozen=True)
class Squared(Loss):
    """l(z, y) = (z - y)^2; for classes y = +1 for the true class, -1 for the others. Convex solvers minimise half."""

    name: ClassVar[str] = "squared"
    when: ClassVar[str] = "real targets; also classes, as +1 and -1"
    share: ClassVar[float] = 0.5

    def outputs(self, classes: int) -> int:
        return 1 if classes in (0, 2) else classes

    def targets(self, labels: Array, outputs: int, classes: int, dtype: type) -> Array:
        if classes:
            return signs(labels, outputs, -1, dtype)
        return real_targets(labels, dtype)

    def value(self, z: Array, y: Array, w: Weight = None) -> float:
        return total(np.square(z - y), w)

    def gradient(self, z: Array, y: Array) -> Array:
        return 2 * (z - y)

    def prox(self, m: Array, y: Array, lam: Array, beta: float, z: Array) -> Array:
        z[...] = (2 * y - lam + 2 * beta * m) / (2 + 2 * beta)
        return z

    def second(self, z: Array, y: Array) -> Array:
        return np.full_like(z, 2)

    def conjugate(self, g: Array, y: Array, w: Weight = None) -> float:
        """g^2/2 + g y."""
        return total(g * (0.5 * g + y), w)
