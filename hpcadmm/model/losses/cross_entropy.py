"""Softmax cross entropy: l(z, y) = log sum_i exp z_i - <z, y>; without smoothing <z, y> = z_c for the true class c."""

from dataclasses import dataclass
from math import exp, log
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Lt

from hpcadmm.kernels import kernel
from hpcadmm.model.losses.base import Loss, classes_only, p_log_p, signs
from hpcadmm.model.losses.softmax_prox import softmax_prox
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight, total

ONE = {np.dtype(kind): np.ones(1, kind) for kind in (np.float32, np.float64)}


@kernel
def softmax_minus(z, y, lam):  # type: ignore[no-untyped-def]
    """lam = softmax(z) - y; rows are samples."""
    for j in range(z.shape[0]):
        top, total = z[j, 0], z[j, 0] - z[j, 0]
        for i in range(1, z.shape[1]):
            top = max(top, z[j, i])
        for i in range(z.shape[1]):
            lam[j, i] = exp(z[j, i] - top)
            total += lam[j, i]
        for i in range(z.shape[1]):
            lam[j, i] = lam[j, i] / total - y[j, i]


@kernel
def summed_loss(z, y, w):  # type: ignore[no-untyped-def]
    """sum_j w_j (log sum_i exp z_ji - <z_j, y_j>) in float64; rows are samples. One weight: that of all."""
    loss, each = 0.0, 0 if w.size == 1 else 1
    for j in range(z.shape[0]):
        top, total, inner = np.float64(z[j, 0]), 0.0, 0.0
        for i in range(1, z.shape[1]):
            top = max(top, np.float64(z[j, i]))
        for i in range(z.shape[1]):
            total += exp(z[j, i] - top)
            inner += (z[j, i] - top) * y[j, i]
        loss += w[j * each] * (log(total) - inner)
    return loss


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """l(z, y) = -<y, log softmax(z)>, y one-hot.

    smoothing: fraction of y that is spread evenly over all classes, in [0, 1), default 0 [Szegedy et al., CVPR 2016].
    """

    name: ClassVar[str] = "cross-entropy"
    when: ClassVar[str] = "classes, with probabilities: the first to try"
    mixes: ClassVar[bool] = True
    probable: ClassVar[bool] = True

    smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0

    def outputs(self, classes: int) -> int:
        classes_only(self.name, classes)
        return classes

    def targets(self, labels: Array, outputs: int, classes: int, dtype: type) -> Array:
        y = signs(labels, outputs, 0, dtype)
        if self.smoothing:
            y *= dtype(1 - self.smoothing)
            y += dtype(self.smoothing / outputs)
        return y

    def value(self, z: Array, y: Array, w: Weight = None) -> float:
        return float(summed_loss(z.T, y.T, ONE[z.dtype] if w is None else w))

    def gradient(self, z: Array, y: Array) -> Array:
        lam = np.empty_like(z, order="F")
        softmax_minus(z.T, y.T, lam.T)
        return lam

    def prox(self, m: Array, y: Array, lam: Array, beta: float, z: Array) -> Array:
        tolerance = 1e-7 if z.dtype == np.float32 else 1e-11
        softmax_prox(m.T, y.T, lam.T, float(beta), tolerance, z.T)
        return z

    def conjugate(self, g: Array, y: Array, w: Weight = None) -> float:
        """sum_i p_i log p_i with p = g + y, which are probabilities."""
        p = np.maximum(g + y, 0)
        return total(p_log_p(p), w)
