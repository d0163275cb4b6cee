"""Medians and repeated values over all ranks, exact: only counts travel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.tabular.columns.values import Vector

DIGIT = 16  # bits of a key that one round of counting settles
PIECE = 1 << 20  # whole numbers counted in one round
Keys = NDArray[np.uint64]
SIGN = np.uint64(1 << 63)


def median(parts: Sequence[Vector], world: World) -> float | None:
    """The median of the values of all ranks, as numpy.median gives it; None if there are none. Collective."""
    if world.size > 1:
        return selected(parts, world)
    values = np.concatenate([*parts, np.empty(0)])
    return float(np.median(values)) + 0.0 if len(values) else None


def medians(columns: Sequence[Vector], world: World) -> list[float | None]:
    """The medians of several columns with few values, which all travel at once. Collective."""
    lengths = np.array([len(values) for values in columns], np.int64)
    flat = np.concatenate([np.empty(0), *columns])
    everyone = zip(world.gather_bytes(lengths.view(np.uint8)), world.gather_bytes(flat.view(np.uint8)), strict=True)
    parts = [np.split(v.view(np.float64), np.cumsum(n.view(np.int64))[:-1]) for n, v in everyone]
    whole = [np.concatenate(own) for own in zip(*parts, strict=True)]
    return [float(np.median(values)) + 0.0 if len(values) else None for values in whole]


def selected(parts: Sequence[Vector], world: World) -> float | None:
    """The same by counting, so that no values travel. Collective."""
    keys = [ordered(part) for part in parts]
    count = int(world.sum(float(sum(map(len, keys))))[0])
    if not count:
        return None
    low = nth(keys, (count - 1) // 2, world)
    at_most = int(world.sum(float(sum(np.count_nonzero(part <= low) for part in keys)))[0])
    return float(np.mean([value(low), value(low) if at_most > count // 2 else next_after(keys, low, world)]))


def ordered(values: Vector) -> Keys:
    """Integers in the order of the values; 0.0 and -0.0 are the same."""
    bits = (values + 0.0).view(np.uint64)
    return np.where(bits & SIGN, ~bits, bits | SIGN)


def value(key: np.uint64) -> float:
    """The inverse of `ordered`.

    >>> [value(key) for key in ordered(np.array([-2.5, 0.0, 7.0]))]
    [-2.5, 0.0, 7.0]
    """
    return float(np.array([key ^ SIGN if key & SIGN else ~key], np.uint64).view(np.float64)[0])


def nth(keys: Sequence[Keys], index: int, world: World) -> np.uint64:
    """The key at `index` of all keys in order, digit by digit. Collective."""
    found = 0
    for shift in range(64 - DIGIT, -1, -DIGIT):
        counts = np.zeros(1 << DIGIT)
        digits = [((part >> np.uint64(shift)) & np.uint64((1 << DIGIT) - 1)).astype(np.int64) for part in keys]
        for part in digits:
            counts += np.bincount(part, minlength=1 << DIGIT)
        ends = np.cumsum(world.sum(counts)[0])
        digit = int(np.searchsorted(ends, index, side="right"))
        index -= int(ends[digit - 1]) if digit else 0
        keys = [part[own == digit] for part, own in zip(keys, digits, strict=True)]
        found = found << DIGIT | digit
    return np.uint64(found)


def next_after(keys: Sequence[Keys], key: np.uint64, world: World) -> float:
    """The least value above that of `key`. Collective."""
    above = [value(part[part > key].min()) for part in keys if (part > key).any()]
    return float(world.min(min(above, default=np.inf))[0])


def all_distinct(parts: Sequence[Vector], low: float, high: float, world: World) -> bool:
    """Does no whole number from `low` to `high` occur twice over all ranks? Collective."""
    values = np.sort(np.concatenate([*parts, np.empty(0)]))
    if world.size == 1:
        return bool((np.diff(values) > 0).all())
    wide = min(PIECE, int(high - low) + 1)
    for start in np.arange(low, high + 1, wide):
        lo, hi = np.searchsorted(values, [start, start + wide])
        counts = np.bincount((values[lo:hi] - start).astype(np.int64), minlength=wide)
        if world.sum(counts)[0].max() > 1:
            return False
    return True
