"""Quantile, or pinball: its minimiser is the q-quantile of the target."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt

from hpcadmm.kernels import kernel
from hpcadmm.model.losses.base import Loss, real_only, real_targets
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight, total


@kernel
def quantile_prox(m, y, lam, beta, q, z):  # type: ignore[no-untyped-def]
    """c = m - lam / (2 beta) moves towards y, by q / (2 beta) from below and (1 - q) / (2 beta) from above, at most to
    y."""
    h = beta + beta
    up, down = q / h, (h / h - q) / h
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            c, v = m[j, i] - lam[j, i] / h, y[j, i]
            z[j, i] = min(c + up, v) if c < v else max(c - down, v)


@dataclass(frozen=True)
class Quantile(Loss):
    """l(z, y) = q max(y - z, 0) + (1 - q) max(z - y, 0) [Koenker, Bassett, Econometrica 1978].

    q: the quantile, in (0, 1). Default 0.5, the median: half the absolute error.
    """

    name: ClassVar[str] = "quantile"
    when: ClassVar[str] = "a quantile of a real target, such as its median or a bound"
    real: ClassVar[bool] = True

    q: Annotated[float, Gt(0), Lt(1)] = 0.5

    def outputs(self, classes: int) -> int:
        return real_only(self.name, classes)

    def targets(self, labels: Array, outputs: int, classes: int, dtype: type) -> Array:
        return real_targets(labels, dtype)

    def value(self, z: Array, y: Array, w: Weight = None) -> float:
        e = y - z
        return total(np.maximum(self.q * e, (self.q - 1) * e), w)

    def gradient(self, z: Array, y: Array) -> Array:
        """At the kink 0, which is a subgradient."""
        kind = z.dtype.type
        return np.where(z < y, kind(-self.q), np.where(z > y, kind(1 - self.q), kind(0)))

    def prox(self, m: Array, y: Array, lam: Array, beta: float, z: Array) -> Array:
        kind = z.dtype.type
        quantile_prox(m.T, y.T, lam.T, kind(beta), kind(self.q), z.T)
        return z

    def conjugate(self, g: Array, y: Array, w: Weight = None) -> float:
        """g y, for g in [-q, 1 - q]."""
        return total(g * y, w)
