"""Normal noise of a training step: it multiplies the units of a layer, or is added to them.

The numbers are those of the generator of `dropout`: one belongs to (seed, step, sample, layer, unit) only. The sum of
the eight bytes of a word, less its mean, over its deviation stands for a number of N(0, 1): its kurtosis is 2.85, and
it stays within LARGEST.
"""

from typing import Any

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.dropout import GOLDEN, ODD, ONE, drop, mixed, stays, word_of
from hpcadmm.model.state import Array

MIDDLE, DEVIATION = 8 * 255 // 2, (8 * (256**2 - 1) / 12) ** 0.5  # of the sum of eight bytes
LARGEST = MIDDLE / DEVIATION  # 4.88
ADDED = 1 << 32  # the generator of the numbers that are added to a layer is that of layer + ADDED
EVEN, LANES, EIGHT, TOP = (np.uint64(word) for word in (0x00FF00FF00FF00FF, 0x0001000100010001, 8, 48))


@kernel
def bell(word):  # type: ignore[no-untyped-def]
    """The sum of the bytes of a word, less MIDDLE."""
    pairs = (word & EVEN) + ((word >> EIGHT) & EVEN)
    return np.int64((pairs * LANES) >> TOP) - MIDDLE


@kernel
def disturb(a, units, keys, layer, times, plus):  # type: ignore[no-untyped-def]
    """a[j, i] += (times a[j, i] + plus) g, i < units, where g is `bell` of unit i of sample j."""
    real = a.dtype.type
    for j in range(a.shape[0]):
        key = mixed(keys[j] + layer * ODD)
        for i in range(units):
            g = real(bell(mixed(key + (np.uint64(i) + ONE) * GOLDEN)))
            a[j, i] += (times * a[j, i] + plus) * g


def shake(a: Array, units: int, rate: float, keys: Array, layer: int) -> Array:
    """a[:units] *= N(1, rate / (1 - rate)) in place: mean and variance are those of `dropout.drop`.

    a: (units or more, samples) in Fortran order. keys: (samples,), of `dropout.keys_of`.
    """
    return _disturbed(a, units, keys, layer, spread(rate), 0.0)


def add(a: Array, units: int, sigma: float, keys: Array, layer: int) -> Array:
    """a[:units] += N(0, sigma^2) in place."""
    return _disturbed(a, units, keys, layer + ADDED, 0.0, sigma)


def _disturbed(a: Array, units: int, keys: Array, layer: int, times: float, plus: float) -> Array:
    real: Any = a.dtype.type
    disturb(a.T, units, keys, np.uint64(layer), real(times / DEVIATION), real(plus / DEVIATION))
    return a


def spread(rate: float) -> float:
    """The standard deviation of the factors of dropout.

    >>> spread(0.5), spread(0.2)
    (1.0, 0.5)
    """
    return float((rate / (1 - rate)) ** 0.5)


def normals(which: Array, keys: Array, layer: int) -> Array:
    """The number of N(0, 1) of unit which[e] of the sample with key keys[e], as the kernel has it."""
    found: Array = bell.py_func(word_of(which, keys, layer)) / DEVIATION
    return found


DROPOUT = {"bernoulli": drop, "gaussian": shake}  # by network.noise


def factors(which: Array, rate: float, keys: Array, layer: int, noise: str) -> Array:
    """What dropout multiplies unit which[e] of the sample with key keys[e] by."""
    if noise == "gaussian":
        return 1 + spread(rate) * normals(which, keys, layer)
    return np.where(stays(which, rate, keys, layer), 1 / (1 - rate), 0)
