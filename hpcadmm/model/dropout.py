"""Dropout: which units a sample keeps in a training step, drawn by a counter-based generator.

Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov: Dropout: A Simple Way to Prevent Neural Networks from
Overfitting, JMLR 2014. Random words: SplitMix64 [Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
OOPSLA 2014]. A bit of a mask depends on (seed, step, sample, layer, unit) only: masks are not stored, and they are the
same on any number of ranks, in any tiling, and on resume.
"""

from typing import Any

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.state import Array

KEY = 10  # of the masks, among the random numbers of a seed
GOLDEN, ODD, FIRST, SECOND = (
    np.uint64(word) for word in (0x9E3779B97F4A7C15, 0xD1342543DE82EF95, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
ONE, LOW, HIGH = np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(32)
SHIFT1, SHIFT2, SHIFT3 = np.uint64(30), np.uint64(27), np.uint64(31)


@kernel
def mixed(word):  # type: ignore[no-untyped-def]
    """The output function of SplitMix64."""
    word = (word ^ (word >> SHIFT1)) * FIRST
    word = (word ^ (word >> SHIFT2)) * SECOND
    return word ^ (word >> SHIFT3)


@kernel
def mask(a, units, keys, layer, least, scale):  # type: ignore[no-untyped-def]
    """a[j, i] = scale a[j, i], i < units, where the 32 bits of unit i of sample j are at least `least`, else 0.

    The words of the generator of (sample, layer) are the bits of two units each, the lower half first.
    """
    zero, words = scale - scale, np.empty((units + 1) // 2, np.uint64)
    bits = words.view(np.uint32)
    for j in range(a.shape[0]):
        key = mixed(keys[j] + layer * ODD)
        for i in range(words.size):
            words[i] = mixed(key + (np.uint64(i) + ONE) * GOLDEN)
        for i in range(units):
            a[j, i] = scale * a[j, i] if bits[i] >= least else zero


def keys_of(seed: int, step: int, samples: Array) -> Array:
    """A key for the masks of each sample in step 0, 1, ...: uint64 (samples,). samples: indices among all samples."""
    start = np.random.SeedSequence([seed, KEY, step]).generate_state(1, np.uint64)
    keys: Array = mixed.py_func(start + (samples.astype(np.uint64) + ONE) * GOLDEN)
    return keys


def least_of(rate: float) -> np.uint32:
    """The least 32 bits of a unit that stays."""
    return np.uint32(min(round(rate * 2**32), 2**32 - 1))


def drop(a: Array, units: int, rate: float, keys: Array, layer: int) -> Array:
    """a[:units] *= mask / (1 - rate) in place; an entry of the mask is 0 with probability `rate`, else 1.

    a: (units or more, samples) in Fortran order. keys: (samples,), of `keys_of`. Each layer has a mask of its own.
    """
    scale: Any = a.dtype.type(1 / (1 - rate))
    mask(a.T, units, keys, np.uint64(layer), least_of(rate), scale)
    return a


def stays(which: Array, rate: float, keys: Array, layer: int) -> Array:
    """Does unit which[e] stay for the sample with key keys[e]? The same bits as those of `drop`."""
    word = word_of(which // 2, keys, layer)
    found: Array = np.where(which % 2, word >> HIGH, word & LOW) >= least_of(rate)
    return found


def word_of(index: Array, keys: Array, layer: int) -> Array:
    """Word index[e] of the generator of (sample with key keys[e], layer): uint64."""
    inner = mixed.py_func(keys + np.array([layer], np.uint64) * ODD)
    found: Array = mixed.py_func(inner + (index.astype(np.uint64) + ONE) * GOLDEN)
    return found
