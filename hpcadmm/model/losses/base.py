"""The interface of a loss l(z, y)."""

from typing import ClassVar, Protocol

import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight


class Loss(Protocol):
    """A loss l(z, y) summed over the samples; z and y are (n_L, samples) in Fortran order.

    A loss that the convex solvers minimise gives `conjugate`, and `second` where it has a second derivative.
    """

    name: ClassVar[str]
    when: ClassVar[str] = ""  # what to use it for, in one line
    probable: ClassVar[bool] = False  # are `probabilities(z)` those of the classes?
    share: ClassVar[float] = 1.0  # of l in the objective of convex solvers: half the squares, as in their literature
    real: ClassVar[bool] = False  # is it for real targets only?
    raw: ClassVar[bool] = False  # must the targets stay in their own units?
    mixes: ClassVar[bool] = False  # do the outputs of a sample depend on one another?

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
        """z = argmin_z l(z, y) + <lam, z> + beta |z - m|^2, written to z, whose contents may be where it begins."""
        ...

    def mean(self, z: Array) -> Array:
        """What is expected of the target where the output is z."""
        return z

    def second(self, z: Array, y: Array) -> Array | None:
        """d^2 l / dz^2 entry by entry, where l is smooth and its outputs do not mix; None: it has none."""
        return None

    def conjugate(self, g: Array, y: Array, w: Weight = None) -> float:
        """sum w l*(g, y) over the columns, l*(g) = sup_z <g, z> - share l(z, y): for g = t * share * l'(z), t in
        [0, 1], which lie in its domain. In float64."""
        raise NotImplementedError


def classes_only(name: str, classes: int) -> None:
    """Raise UsageError for real targets, or a single class."""
    if classes < 2:
        raise UsageError(f'loss.name = "{name}" needs class labels')


def real_only(name: str, classes: int) -> int:
    """The outputs of a loss for one real target. Raises UsageError for classes."""
    if classes:
        cure = 'set data.task = "regression" if the classes are numbers'
        raise UsageError(f'loss.name = "{name}" needs real targets, and the data have {classes} classes: {cure}')
    return 1


def real_targets(labels: Array, dtype: type) -> Array:
    """y (targets, samples)."""
    return np.asfortranarray(np.atleast_2d(labels), dtype=dtype)


def of_classes(z: Array) -> Array:
    """An output for each class, (classes, samples); a single one is that of two classes with outputs 0 and z."""
    return z if len(z) > 1 else np.concatenate([np.zeros_like(z), z])


def probabilities(z: Array) -> Array:
    """Of the classes, (classes, samples): the softmax of `of_classes`."""
    z = of_classes(z)
    e = np.exp(z - z.max(axis=0))
    found: Array = e / e.sum(axis=0)
    return found


def p_log_p(p: Array) -> Array:
    """p log p entry by entry, 0 at 0; p >= 0."""
    found: Array = p * np.log(np.where(p > 0, p, 1))
    return found


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
