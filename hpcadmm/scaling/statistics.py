"""Medians, their intervals, and the serial fraction."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap

LEVEL, RESAMPLES, SEED = 0.95, 9999, 0
Interval = tuple[float, float]


def interval(values: Sequence[float]) -> Interval | None:
    """The 95 % interval of the median, by the percentiles of a bootstrap with a fixed seed; None of less than two."""
    return _bootstrap((values,), lambda x, axis: np.median(x, axis=axis), False) if len(values) > 1 else None


def ratio_interval(over: Sequence[float], under: Sequence[float]) -> Interval | None:
    """That of median(over) / median(under); drawn in pairs where there are as many of both: a repeat's samples were
    taken one soon after the other, so what slowed all of them leaves their ratio alone.
    """
    if min(len(over), len(under)) < 2:
        return None

    def ratio(a: Any, b: Any, axis: int) -> Any:
        return np.median(a, axis=axis) / np.median(b, axis=axis)

    return _bootstrap((over, under), ratio, len(over) == len(under))


def _bootstrap(data: Sequence[Sequence[float]], statistic: Any, paired: bool) -> Interval | None:
    if not all(math.isfinite(value) for values in data for value in values):
        return None
    found = bootstrap(
        data,
        statistic,
        n_resamples=RESAMPLES,
        vectorized=True,
        paired=paired,
        confidence_level=LEVEL,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def karp_flatt(speedup: float, times: float) -> float | None:
    """The share of the work that seems serial, (1/S - 1/p) / (1 - 1/p), from the speed-up S of p times the cores;
    negative where S > p. None if p is 1.

    Karp, Flatt, Measuring Parallel Processor Performance, CACM 1990.

    >>> karp_flatt(1.6, 2), karp_flatt(4, 4), karp_flatt(1, 1)
    (0.25, 0.0, None)
    """
    return None if times <= 1 or not speedup else (1 / speedup - 1 / times) / (1 - 1 / times)
