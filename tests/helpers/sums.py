"""Partials that leave no spare bits, and their sums."""

import numpy as np

from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.world import World


def wild(seed, count, dtype, shape=(3, 2), spread=40):
    """Partials whose entries use every bit of their mantissa, over many magnitudes, with cancellation and zeros."""
    random = np.random.default_rng(seed)
    partials = []
    for _ in range(count):
        p = random.uniform(-2, 2, shape) * 2.0 ** random.integers(-spread, spread + 1, shape)
        p[random.random(shape) < 0.1] = 0
        partials.append(np.asfortranarray(p, dtype))
        if random.random() < 0.3:
            partials.append(-partials[-1])
    return partials


def summed(world, partials, total, mine=None):
    """The sum's bits; `redone` counts the second passes."""
    mine = partials if mine is None else mine
    redone = []

    def again():
        redone.append(1)
        add()

    def add():
        total.clear()
        for p in mine:
            total.add(p)

    add()
    sum_exactly(world, [total], again)
    return total.total.tobytes(), len(redone)


def alone(partials, **options):
    """The sum on one rank, and how often it was made anew."""
    total = Exact(partials[0].shape, partials[0].dtype, len(partials), **options)
    bits, redone = summed(World.alone(), partials, total)
    return total, bits, redone
