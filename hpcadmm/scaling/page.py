"""report.md: what was measured, the table, and how to read it."""

import math
from collections.abc import Sequence

from hpcadmm.experiments.report import markdown, number
from hpcadmm.scaling.folder import Sample
from hpcadmm.scaling.rows import Row
from hpcadmm.scaling.study import Study, setting

KINDS = {
    "strong": "strong scaling: the same job on more ranks",
    "weak": "weak scaling: the same number of samples for each rank",
    "layers": "by the number of layers of weights",
    "neurons": "by the width of the hidden layers",
    "accuracy": "solver time to a test accuracy of {:g} %",
}
LEGEND = """
Time: of the slowest rank, the median of the samples' medians, with the 95 % interval of a bootstrap over the samples.
Serial fraction: Karp and Flatt's. GFLOP/s: of the necessary matrix products, all ranks together. Of floor: the time of
these products alone, at their shapes, over the iteration's. Communicate: of the rank that waits least. Wait: the mean
rank's time waiting for slower ones. Imbalance: the largest over the mean computing time of the ranks. Load: average
of the last minute before a sample.
"""


def page(study: Study, picture: str | None) -> str:
    """The section of a study, as Markdown."""
    experiment = study.experiment
    samples = study.samples
    kind = KINDS[experiment.kind].format(100 * (experiment.target or 0))
    lines = [f"# {experiment.name}", "", *(f"**VOID: {fault}**\n" for fault in study.verdict.faults)]
    lines += [f"{kind}. {described(study, samples)}", ""]
    if not samples:
        return "\n".join([*lines, "No samples yet.", *(f"- {line}" for line in study.missing), ""])
    lines += [f"{count(study)} {setting(samples)}.", "", markdown([cells(study, one) for one in study.rows]), ""]
    notes = [*study.verdict.notes, *(f"missing: {line}" for line in study.missing), *study.remarks]
    lines += [*(f"- {line}" for line in notes), ""]
    lines += [f"![{experiment.name}]({picture})", ""] if picture else []
    return "\n".join([*lines, LEGEND.strip(), ""])


def described(study: Study, samples: Sequence[Sample]) -> str:
    """The job in words."""
    experiment = study.experiment
    problem = samples[0].report["problem"] if samples else {}
    if "sizes" not in problem:
        return f"Job: {experiment.job}."
    sizes = "-".join(map(str, problem["sizes"]))
    if experiment.values:
        sizes = f"{problem['sizes'][0]} inputs, {problem['sizes'][-1]} outputs"
    each = experiment.samples_per_rank
    count = f"{problem['samples']} samples" if each is None else f"{each} samples per rank"
    return f"{problem['solver']}, {sizes}, {count}, {problem['precision']} ({experiment.job})."


def count(study: Study) -> str:
    """How many samples of what."""
    what = "trainings" if study.experiment.kind == "accuracy" else "processes"
    said = f"{study.experiment.repeats - 1} {what} of each point, in turns, after one that was dropped"
    if what == "trainings":
        return f"{said}."
    return f"{said}; {study.experiment.iterations} iterations after {study.experiment.warm} that warm up."


def cells(study: Study, row: Row) -> dict[str, str]:
    """A row as text."""
    kind = study.experiment.kind
    found: dict[str, str] = {} if row.value is None else {kind: str(row.value)}
    found |= {
        "ranks": f"{row.ranks}{'*' if row.oversubscribed else ''}",
        "nodes": str(row.nodes),
        "threads": str(row.threads),
        "grid": row.grid,
        "time (s)": ranged(row.seconds, row.seconds_low, row.seconds_high),
        "speed-up": ranged(row.speedup, row.speedup_low, row.speedup_high),
        "efficiency": percent(row.efficiency),
        "serial fraction": shown(row.serial_fraction),
    }
    if kind == "accuracy":
        found |= {"iterations": shown(row.iterations)}
    else:
        found |= {"samples/s": shown(row.samples_per_second), "GFLOP/s": shown(row.gflops)}
        found |= {"of floor": percent(row.floor_share)}
    return found | {
        "compute (s)": shown(row.compute_seconds),
        "communicate (s)": shown(row.communicate_seconds),
        "wait (s)": shown(row.wait_seconds),
        "hidden (s)": shown(row.hidden_seconds),
        "imbalance": four(row.imbalance),
        "load": shown(row.load),
    }


def shown(value: float | None) -> str:
    """A number, or nothing."""
    return "" if value is None else number(value)


def four(value: float | None) -> str:
    """Four significant digits, or nothing.

    >>> four(1.00123), four(12345.6), four(float("inf")), four(None)
    ('1.001', '12346', 'never', '')
    """
    if value is None:
        return ""
    return "never" if math.isinf(value) else f"{value:.0f}" if value >= 10000 else f"{value:.4g}"


def ranged(value: float | None, low: float | None, high: float | None) -> str:
    """A value and its interval.

    >>> ranged(1.5, 1.25, 1.75), ranged(1.0, None, None)
    ('1.5 (1.25-1.75)', '1')
    """
    return four(value) + (f" ({four(low)}-{four(high)})" if low is not None and high is not None else "")


def percent(value: float | None) -> str:
    """
    >>> percent(0.9234), percent(None)
    ('92.3 %', '')
    """
    return "" if value is None else f"{100 * value:.1f} %"
