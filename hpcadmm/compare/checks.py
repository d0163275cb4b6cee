"""What `compare` and `tune` look at before the first run: data, metric, ranks, and the values of --vary."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from hpcadmm.bench.scaling import usable_cores
from hpcadmm.compare.vary import Vary
from hpcadmm.datasets import DATASETS
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.registry import Registry
from hpcadmm.solvers import SOLVERS

NAMES: dict[str, Registry] = {
    "data.name": DATASETS,
    "network.activation": ACTIVATIONS,
    "loss.name": LOSSES,
    "solver.name": SOLVERS,
}
NEEDS = {"test_accuracy": "classes", "test_error": "real targets", "seconds-to-target": "classes"}
INSTEAD = {"classes": "test_accuracy", "real targets": "test_error"}
Try = Callable[[Sequence[str]], Job]  # the job with these overrides; raises UsageError


def regression(job: Job) -> bool:
    """Have the job's data real targets, not classes? Opens the files: UsageError or OSError if they will not do."""
    train, _ = job.data.sources(job.head.seed)
    return train.table.targets > 0


def check_metric(metric: str, targets: bool) -> None:
    """Raise UsageError for a score that data with real targets, or with classes, do not have."""
    has = "real targets" if targets else "classes"
    if metric in NEEDS and NEEDS[metric] != has:
        raise UsageError(f"--metric {metric}: needs {NEEDS[metric]}, the job's data have {has}; use {INSTEAD[has]}")


def check_ranks(job: Job, ranks: int) -> None:
    """Raise UsageError for a number of ranks among which the job's solver cannot divide its work."""
    try:
        job.solver.grid_of(len(job.layers.hidden) + 1, ranks)
    except UsageError as error:
        raise UsageError(f"--ranks {ranks}: {job.head.name}: {error}") from None


def crowded(ranks: int) -> str:
    """A note on more ranks than there are cores; "" if there are enough."""
    cores = usable_cores()
    return f"note: {ranks} ranks on {cores} cores: the seconds are not to be compared" if ranks > cores else ""


def check_values(attempt: Try, vary: Sequence[Vary]) -> None:
    """Raise UsageError for a key or a value (of a range: an end) that the job takes with none of the names varied."""
    for one in vary:
        for value in one.probes():
            registry = NAMES.get(one.key)
            if registry is not None and value not in registry:
                raise UsageError(f"--vary {one.text}: {registry.kind} = {value!r}: known are {', '.join(registry)}")
            if registry is None and (faults := refused(attempt, one, value, vary)):
                raise UsageError(f"--vary {one.text}: {faults}{hint(one, faults)}")


def refused(attempt: Try, one: Vary, value: Any, vary: Sequence[Vary]) -> str:
    """What the job says of a value of its own key, with the names that it has; "" if it, or one with other names of
    those varied, takes it."""
    first = ""
    for names in frames(vary):
        said = own_faults(attempt, [*names, one.override(value)], one.key)
        if not said:
            return ""
        first = first or said
    return first


def own_faults(attempt: Try, overrides: Sequence[str], key: str) -> str:
    """The lines of a refusal that are about a key."""
    try:
        attempt(overrides)
    except UsageError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        return "; ".join(line for line in lines if line.startswith((f"{key}:", f"{key} =", f"--set {key}")))
    return ""


def frames(vary: Sequence[Vary]) -> Iterator[list[str]]:
    """The job's own names, then all combinations of those that are varied, as overrides."""
    yield []
    varied = [one for one in vary if one.key in NAMES]
    if varied:
        for values in product(*(one.values for one in varied)):
            yield [one.override(value) for one, value in zip(varied, values, strict=True)]


def hint(one: Vary, faults: str) -> str:
    """What to write where a range of fractions is given for whole numbers."""
    return "; write int:LOW:HIGH" if one.kind in ("log", "uniform") and "whole number" in faults else ""
