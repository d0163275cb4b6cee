"""Softmax cross entropy: l(z, y) = log sum_i exp z_i - <z, y>; <z, y> is z_c for the true class c, unless smoothed."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Lt
from scipy.special import logsumexp, softmax

from hpcadmm.errors import UsageError
from hpcadmm.model.losses.base import signs
from hpcadmm.model.losses.softmax_prox import softmax_prox
from hpcadmm.model.state import Array


@dataclass(frozen=True)
class CrossEntropy:
    """l(z, y) = -<y, log softmax(z)>, y one-hot; smoothing (0..1): of y the share that is spread evenly over all
    classes [Szegedy et al., CVPR 2016]."""

    name: ClassVar[str] = "cross-entropy"

    smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0

    def outputs(self, classes: int) -> int:
        if classes < 2:
            raise UsageError('loss.name = "cross-entropy" needs classes, the data are a regression: use "squared"')
        return classes

    def targets(self, labels: Array, outputs: int, classes: int, dtype: type) -> Array:
        y = signs(labels, outputs, 0, dtype)
        if self.smoothing:
            y *= dtype(1 - self.smoothing)
            y += dtype(self.smoothing / outputs)
        return y

    def value(self, z: Array, y: Array) -> float:
        wide = z.astype(np.float64)
        return float((logsumexp(wide, axis=0) - (wide * y).sum(axis=0)).sum())

    def gradient(self, z: Array, y: Array) -> Array:
        return np.asfortranarray(softmax(z, axis=0) - y)

    def prox(self, m: Array, y: Array, lam: Array, beta: float, z: Array) -> Array:
        tolerance = 1e-7 if z.dtype == np.float32 else 1e-11
        softmax_prox(m.T, y.T, lam.T, float(beta), tolerance, z.T)
        return z
