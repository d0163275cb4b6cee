"""The interface of a loss l(z, y)."""

from typing import ClassVar, Protocol

import numpy as np

from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight


class Loss(Protocol):
    """A loss l(z, y) summed over the samples; z and y are (n_L, samples) in Fortran order."""

    name: ClassVar[str]

    def outputs(self, classes: int) -> int:
        """n_L for this number of classes (0: regression on one target). Raises UsageError if the loss does not fit."""
        ...

    def targets(self, labels: Array, outputs: int, classes: int, dtype: type) -> Array:
        """y, (outputs, samples), from the classes (samples,) or the regression targets."""
        ...

    def value(self, z: Array, y: Array, w: Weight = None) -> float:
        """sum w l(z, y) over the columns, in float64; w (samples,), None: all 1."""
        ...

    def gradient(self, z: Array, y: Array) -> Array:
        """The gradient (a subgradient at kinks) of l at z, shaped as z."""
        ...

    def prox(self, m: Array, y: Array, lam: Array, beta: float, z: Array) -> Array:
        """z = argmin_z l(z, y) + <lam, z> + beta |z - m|^2, written to z."""
        ...


def decide(z: Array) -> Array:
    """The class of each column of the network's output z (n_L, samples): the largest entry, or the sign of one."""
    if z.shape[0] == 1:
        return (z[0] > 0).astype(np.int64)
    return np.argmax(z, axis=0)


def signs(labels: Array, outputs: int, low: float, dtype: type) -> Array:
    """1 in the row of the class, `low` elsewhere; a single row holds 1 for class 1 and `low` for class 0."""
    y: Array = np.full((outputs, labels.size), low, dtype=dtype, order="F")
    if outputs == 1:
        y[0, labels == 1] = 1
    else:
        y[labels, np.arange(labels.size)] = 1
    return y
