"""report.md: what was measured, the table, and how to read it."""

import math
from typing import Any

from hpcadmm.experiments.tables import markdown, number
from hpcadmm.scaling.remarks import setting
from hpcadmm.scaling.rows import Row
from hpcadmm.scaling.study import Study

KINDS = {
    "strong": "strong scaling: the same job on more ranks",
    "weak": "weak scaling: the same number of samples for each rank",
    "layers": "by the number of layers of weights",
    "neurons": "by the width of the hidden layers",
    "accuracy": "time, by the solver's own seconds, to a test accuracy",
}
LEGEND = """
Time: the median of the samples' medians, of the slowest rank, with the 95 % interval of a bootstrap over the samples.
Serial fraction: Karp and Flatt's. GFLOP/s: of the necessary matrix products, all ranks together; of floor: the time of
these products alone, at their shapes, over the iteration's. Communicate: of the rank that waits least; wait: the mean
rank's, for slower ones. Imbalance: most over mean of the ranks' computing. Load: of the last minute before a sample.
"""


def page(study: Study, picture: str | None) -> str:
    """The section of a study, as Markdown."""
    experiment = study.experiment
    lines = [f"# {experiment.name}", ""]
    lines += [f"**VOID: {fault}**\n" for fault in study.verdict.faults]
    samples = [sample for found in study.folder.kept().values() for sample in found]
    lines += [f"{KINDS[experiment.kind]}{aim(study)}. {described(study)}", ""]
    if not samples:
        return "\n".join([*lines, "No samples yet.", *(f"- {line}" for line in study.missing), ""])
    lines += [f"{count(study)} {setting(samples)}.", "", markdown([cells(study, one) for one in study.rows]), ""]
    notes = [*study.verdict.notes, *(f"missing: {line}" for line in study.missing), *study.remarks]
    lines += [*(f"- {line}" for line in notes), ""]
    if picture:
        lines += [f"![{experiment.name}]({picture})", ""]
    return "\n".join([*lines, LEGEND.strip(), ""])


def aim(study: Study) -> str:
    """The target, if there is one."""
    target = study.experiment.target
    return "" if target is None else f" of {100 * target:g} %"


def described(study: Study) -> str:
    """The job in words."""
    samples = [sample for found in study.folder.kept().values() for sample in found]
    problem: dict[str, Any] = samples[0].report["problem"] if samples else {}
    if "sizes" not in problem:
        return f"Job: {study.experiment.job}."
    sizes = "-".join(map(str, problem["sizes"]))
    if study.experiment.values:
        sizes = f"{problem['sizes'][0]} inputs, {problem['sizes'][-1]} outputs"
    count = f"{study.experiment.samples_per_rank} samples a rank"
    if study.experiment.samples_per_rank is None:
        count = f"{problem['samples']} samples"
    return f"{problem['solver']}, {sizes}, {count}, {problem['precision']} ({study.experiment.job})."


def count(study: Study) -> str:
    """How many samples of what."""
    repeats = study.experiment.repeats
    if study.experiment.kind == "accuracy":
        return f"{repeats - 1} trainings of each point, in turns, after one that was dropped."
    each = f"{study.experiment.iterations} iterations after {study.experiment.warm} that warm up"
    return f"{repeats - 1} processes of each point, in turns, after one that was dropped; {each}."


def cells(study: Study, row: Row) -> dict[str, str]:
    """A row as text."""
    experiment = study.experiment
    found: dict[str, str] = {} if row.value is None else {experiment.kind: str(row.value)}
    found |= {"ranks": f"{row.ranks}{'*' if row.oversubscribed else ''}", "nodes": str(row.nodes)}
    found |= {"threads": str(row.threads), "grid": row.grid}
    found |= {
        "time (s)": ranged(row.seconds, row.seconds_low, row.seconds_high),
        "speed-up": ranged(row.speedup, row.speedup_low, row.speedup_high),
        "efficiency": percent(row.efficiency),
        "serial fraction": shown(row.serial_fraction, 3),
    }
    if experiment.kind == "accuracy":
        found |= {"iterations": shown(row.iterations, 6)}
    else:
        found |= {"samples/s": shown(row.samples_per_second), "GFLOP/s": shown(row.gflops)}
        found |= {"of floor": percent(row.floor_share)}
    found |= {
        "compute (s)": shown(row.compute_seconds),
        "communicate (s)": shown(row.communicate_seconds),
        "wait (s)": shown(row.wait_seconds),
        "imbalance": shown(row.imbalance, 4),
        "load": shown(row.load),
    }
    return found


def shown(value: float | None, digits: int = 3) -> str:
    """A number, or nothing.

    >>> shown(0.012345), shown(None), shown(12345.6), shown(1.00123, 4)
    ('0.0123', '', '12346', '1.001')
    """
    if value is None:
        return ""
    return number(value) if digits == 3 else f"{value:.{digits}g}"


def ranged(value: float | None, low: float | None, high: float | None) -> str:
    """A value and its interval.

    >>> ranged(1.5, 1.25, 1.75), ranged(1.0, None, None), ranged(float("inf"), None, None)
    ('1.5 (1.25-1.75)', '1', 'never')
    """
    if value is None:
        return ""
    ends = f" ({four(low)}-{four(high)})" if low is not None and high is not None else ""
    return four(value) + ends


def four(value: float) -> str:
    """Four significant digits."""
    return "never" if math.isinf(value) else f"{value:.0f}" if value >= 10000 else f"{value:.4g}"


def percent(value: float | None) -> str:
    """
    >>> percent(0.9234), percent(None)
    ('92.3 %', '')
    """
    return "" if value is None else f"{100 * value:.1f} %"
