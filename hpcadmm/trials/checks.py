"""What `compare` and `tune` check before the first run: data, metric, ranks, and the values of --vary."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job
from hpcadmm.job.program import Program
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.scores import SCORES
from hpcadmm.registry import Registry
from hpcadmm.solvers import SOLVERS
from hpcadmm.trials.reading import TO_TARGET
from hpcadmm.trials.vary import Vary

NAMES: dict[str, Registry] = {
    "data.name": DATASETS,
    "network.activation": ACTIVATIONS,
    "loss.name": LOSSES,
    "solver.name": SOLVERS,
}
NEEDS = {f"test_{name}": "real targets" if score.data == "values" else "classes" for name, score in SCORES.items()}
NEEDS |= dict.fromkeys(TO_TARGET, "classes")
INSTEAD = {"classes": "test_accuracy", "real targets": "test_error"}
Try = Callable[[Sequence[str]], Job]  # the job with these overrides; raises UsageError


def regression(job: Job) -> bool:
    """Do the job's data have real targets, not classes? Opens the files; UsageError or OSError if that fails."""
    train, _ = job.data.sources(job.head.seed, World.without_mpi())
    return train.table.targets > 0


def check_metric(metric: str, targets: bool) -> None:
    """Raise UsageError if data of this kind do not have the score."""
    has = "real targets" if targets else "classes"
    if metric in NEEDS and NEEDS[metric] != has:
        raise UsageError(f"--metric {metric}: needs {NEEDS[metric]}, the job's data have {has}; use {INSTEAD[has]}")


def check_ranks(job: Job, ranks: int) -> None:
    """Raise UsageError if the solver cannot divide its work among this many ranks, or a program cannot be started."""
    try:
        if isinstance(job.solver, Program):
            _ = job.solver.words
            return
        job.solver.grid_of(len(job.layers.hidden) + 1, ranks)
    except UsageError as error:
        raise UsageError(f"--ranks {ranks}: {job.head.name}: {error}") from None


def check_values(attempt: Try, vary: Sequence[Vary]) -> None:
    """Raise UsageError for a key, or a value (of a range: an end), that the job refuses with all varied names."""
    for one in vary:
        for value in one.probes():
            registry = NAMES.get(one.key)
            if registry is not None and value not in registry:
                raise UsageError(f"--vary {one.text}: {registry.unknown(value)}")
            if registry is None and (faults := refused(attempt, one, value, vary)):
                raise UsageError(f"--vary {one.text}: {faults}{hint(one, faults)}")


def refused(attempt: Try, one: Vary, value: Any, vary: Sequence[Vary]) -> str:
    """The complaint of the job about a value of this key; "" if the job, or the job with other varied names, takes the
    value."""
    first = ""
    for names in frames(vary):
        said = own_faults(attempt, [*names, one.override(value)], one.key)
        if not said:
            return ""
        first = first or said
    return first


def own_faults(attempt: Try, overrides: Sequence[str], key: str) -> str:
    """The lines of an error message that are about a key."""
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
    """The cure for a range of fractions given for whole numbers."""
    return "; write int:LOW:HIGH" if one.kind in ("log", "uniform") and "whole number" in faults else ""
