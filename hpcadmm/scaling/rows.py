"""The rows of the table: what the samples of each point say together."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from hpcadmm.scaling.experiment import Experiment, Point
from hpcadmm.scaling.folder import Sample

LEVEL, RESAMPLES, SEED = 0.95, 9999, 0  # of the bootstrap
Interval = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """A point. Seconds are medians over the samples of each one's own median; of a kind "accuracy" they are those of a
    whole training to the target, infinite if a sample did not reach it.

    speedup: against the point of the same problem with the fewest cores, which has 1; of a weak study times the growth
    of the problem. efficiency: speedup over the growth of the cores. serial_fraction: Karp and Flatt's; None of a weak
    study. gflops: of all ranks, of the necessary products. floor_share: the seconds of those products alone over the
    iteration's. compute, communicate, wait: seconds, see `hpcadmm.bench.iteration.breakdown`. hidden: those of
    compute in which a sum travelled, known of a training. load: of the last minute before a sample.
    """

    study: str
    point: str
    value: int | None
    ranks: int
    nodes: int
    threads: int
    grid: str
    samples: int | None
    kept: int
    seconds: float
    seconds_low: float | None
    seconds_high: float | None
    speedup: float | None
    speedup_low: float | None
    speedup_high: float | None
    efficiency: float | None
    serial_fraction: float | None
    samples_per_second: float | None
    gflops: float | None
    floor_share: float | None
    compute_seconds: float | None
    communicate_seconds: float | None
    wait_seconds: float | None
    hidden_seconds: float | None
    imbalance: float | None
    cpu_share: float | None
    load: float | None
    iterations: float | None
    oversubscribed: bool

    @property
    def cores(self) -> int:
        return self.ranks * self.threads

    def record(self) -> dict[str, Any]:
        """As JSON knows it: what is not finite is None."""
        return {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in asdict(self).items()}


def rows(experiment: Experiment, kept: dict[Point, list[Sample]]) -> list[Row]:
    """The points that have kept samples, in the order of the experiment."""
    kept = {point: samples for point, samples in kept.items() if samples}
    return [row(experiment.name, experiment.kind, point, samples, base(point, kept)) for point, samples in kept.items()]


def base(point: Point, kept: dict[Point, list[Sample]]) -> tuple[Point, list[Sample]]:
    """The point that another is compared with: of the same value, the first of those with the fewest cores."""
    same = [other for other in kept if other.value == point.value]
    found = min(same, key=lambda other: other.cores)
    return found, kept[found]


def row(name: str, kind: str, point: Point, samples: list[Sample], base: tuple[Point, list[Sample]]) -> Row:
    """The row of one point."""
    seconds, problem = middles(samples), samples[0].report["problem"]
    low, high = interval(seconds) or (None, None)
    gflops, ratio = middle(samples, "iteration_gemm_gflops"), middle(samples, "iteration_over_floor")
    return Row(
        study=name,
        point=point.name,
        value=point.value,
        ranks=point.ranks,
        nodes=max(len(sample.report["environment"].get("hosts") or [None]) for sample in samples),
        threads=point.threads,
        grid=" x ".join(map(str, problem["grid"])),
        samples=problem.get("samples"),
        kept=len(samples),
        seconds=median(seconds),
        seconds_low=low,
        seconds_high=high,
        **gains(kind, point, seconds, *base),
        gflops=None if gflops is None else gflops * point.ranks,
        floor_share=1 / ratio if ratio else None,
        **{column: middle(samples, key) for column, key in MEDIANS.items()},
        load=median(sample.session["load_before"] for sample in samples),
        oversubscribed=any(sample.oversubscribed for sample in samples),
    )


def middles(samples: Sequence[Sample]) -> list[float]:
    """Each sample's median seconds; infinite if a training did not reach its target."""
    return [median(sample.seconds) if sample.seconds else math.inf for sample in samples]


def gains(kind: str, point: Point, seconds: list[float], other: Point, samples: list[Sample]) -> dict[str, Any]:
    """Speed-up, efficiency and serial fraction against another point."""
    names = ("speedup", "speedup_low", "speedup_high", "efficiency", "serial_fraction")
    before, times = middles(samples), point.cores / other.cores
    if not (math.isfinite(median(before)) and math.isfinite(median(seconds))):
        return dict.fromkeys(names)
    growth = point.ranks / other.ranks if kind == "weak" else 1.0
    speedup = growth * median(before) / median(seconds)
    ends: Interval | tuple[None, None] = (None, None)
    if point != other and (found := ratio_interval(before, seconds)):
        ends = growth * found[0], growth * found[1]
    serial = None if kind == "weak" else karp_flatt(speedup, times)
    return dict(zip(names, (speedup, *ends, speedup / times, serial), strict=True))


MEDIANS = {  # columns that are medians of a figure over the samples
    "samples_per_second": "samples_per_second",
    "compute_seconds": "compute_seconds",
    "communicate_seconds": "communicate_seconds",
    "wait_seconds": "wait_seconds",
    "hidden_seconds": "hidden_seconds",
    "imbalance": "imbalance",
    "cpu_share": "iteration_cpu_share",
    "iterations": "iterations_done",
}


def middle(samples: Sequence[Sample], key: str) -> float | None:
    """The median of a figure over the samples that have it."""
    found = [value for sample in samples if (value := sample.report["figures"].get(key)) is not None]
    return median(found) if found else None


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
