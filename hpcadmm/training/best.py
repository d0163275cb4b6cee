"""The metric by which the best weights are kept and stop.patience waits: its name, its direction, its value."""

import math
from collections.abc import Mapping
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job
from hpcadmm.model.scores import keyed, rises

COUNTS = (
    "iteration",
    "seconds",
    "bytes",
    "messages",
    "scale",
    "dual_scale",
)  # numbers of a row that measure no network


def metric_of(job: Job, classes: int) -> str:
    """The metric by which a job finds its best iteration: save.best, else the test accuracy or error."""
    return job.save.best or ("test_accuracy" if classes else "test_error")


def value_of(row: Mapping[str, Any], metric: str) -> float | None:
    """The metric of a measured row; None if it is undefined or not finite.

    Raises UsageError, which lists the metrics of the row, if it has no such number.
    """
    if metric not in row or isinstance(row[metric], dict) or metric in COUNTS:
        raise unknown(metric, [key for key, value in row.items() if not isinstance(value, dict) and key not in COUNTS])
    value = row[metric]
    return float(value) if value is not None and math.isfinite(value) else None


def better(value: float | None, best: float | None, metric: str) -> bool:
    """Is the value of this metric a new best? The first of equal ones stays the best."""
    if value is None or best is None:
        return value is not None
    return value > best if rises(metric) else value < best


def check(job: Job, classes: int, test: int) -> None:
    """Raise UsageError before a run starts if save.best names no metric of its rows, or one of no samples.

    test: the number of test samples.
    """
    metric = job.save.best
    if not metric:
        return
    score = "accuracy" if classes else "error"
    chosen = ["_".join(keyed(name)) for name in job.metrics]
    known = list(dict.fromkeys([f"test_{score}", f"train_{score}", *chosen, *of_solver(job)]))
    if metric not in known:
        raise unknown(metric, known)
    if metric.startswith("test_") and not test:
        cure = "set data.split below 1, name a data.test, or hold samples out by data.validation"
        raise UsageError(f'save.best = "{metric}" needs a test part, and there are no test samples: {cure}')


def of_solver(job: Job) -> list[str]:
    """The metrics that the solver measures of this job."""
    errors = job.solver.knows_optimum(len(job.layers.hidden) + 1, job.loss.name)
    return [*job.solver.metrics, *(["objective_error", "mean_error"] if errors else [])]


def unknown(metric: str, known: list[str]) -> UsageError:
    """The error for a metric that the rows do not have."""
    return UsageError(f'save.best = "{metric}": not a metric of this run; its metrics are {", ".join(known)}')
