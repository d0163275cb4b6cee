"""Hinge, one against the rest: l(z, y) = sum_i max(1 - y_i z_i, 0) with y = +1 / -1."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.losses.base import Loss, classes_only, signs
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight, total


@kernel
def hinge_prox(m, y, lam, beta, half, z):  # type: ignore[no-untyped-def]
    """y z beyond the margin: w = m - lam/(2 beta); before it: w + y/(2 beta); between the two: the kink."""
    step = half / beta
    one = step / step
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            v = y[j, i]
            w = v * (m[j, i] - lam[j, i] * step)  # the minimiser without the loss, in units of the margin
            s = w + step
            s = s if s < one else one
            z[j, i] = v * (w if w >= one else s)


@dataclass(frozen=True)
class Hinge(Loss):
    """l(z, y) = max(1 - y z, 0), summed over the outputs; y = +1 for the true class, -1 for the others."""

    name: ClassVar[str] = "hinge"
    when: ClassVar[str] = "classes, each against all others; the loss of the papers on ADMM"

    def outputs(self, classes: int) -> int:
        classes_only(self.name, classes)
        return 1 if classes == 2 else classes

    def targets(self, labels: Array, outputs: int, classes: int, dtype: type) -> Array:
        return signs(labels, outputs, -1, dtype)

    def value(self, z: Array, y: Array, w: Weight = None) -> float:
        return total(np.maximum(1 - y * z, 0), w)

    def gradient(self, z: Array, y: Array) -> Array:
        return np.where(y * z < 1, -y, z.dtype.type(0))

    def prox(self, m: Array, y: Array, lam: Array, beta: float, z: Array) -> Array:
        hinge_prox(m.T, y.T, lam.T, z.dtype.type(beta), z.dtype.type(0.5), z.T)
        return z

    def conjugate(self, g: Array, y: Array, w: Weight = None) -> float:
        """g y, for g y in [-1, 0]."""
        return total(g * y, w)
