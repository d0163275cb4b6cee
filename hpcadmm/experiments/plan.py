"""The runs of an experiment: each has a name, which its folder has too, and a resolved job."""

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job, parse, source
from hpcadmm.job.program import Program
from hpcadmm.solvers import SOLVERS

LONGEST = 50  # characters of a job's name in the name of a folder


@dataclass(frozen=True)
class Planned:
    """One run. label: the job's (or trial's) name in tables; values: what was varied, by key.

    fault: why there is no such job; then nothing is run, and `job` is the one that was to be changed.
    """

    name: str
    label: str
    job: Job
    values: dict[str, Any] = field(default_factory=dict)
    fault: str = ""

    @property
    def text(self) -> str:
        """The job file that is run."""
        return self.job.to_toml()


def read(path: Path, overrides: Sequence[str]) -> Job:
    """The resolved job of a file. Raises UsageError that names the file."""
    return resolved(source(path), overrides, path)


def resolved(text: str, overrides: Sequence[str], path: Path) -> Job:
    """A job of text and overrides. Raises UsageError that names the file it came from."""
    try:
        return parse(text, overrides, default_name=path.stem)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def variant(argument: str | Path) -> tuple[Path, list[str]]:
    """A job file and the overrides that are appended to it, FILE:KEY=VALUE:KEY=VALUE.

    >>> variant("adam.toml:solver.rate=0.1:network.hidden=[5, 5]")
    (PosixPath('adam.toml'), ['solver.rate=0.1', 'network.hidden=[5, 5]'])
    """
    if os.path.exists(argument):  # whatever its name
        return Path(argument), []
    file, *overrides = re.split(r":(?=[A-Za-z_][\w.]*=)", str(argument))
    return Path(file), overrides


def repeated(
    jobs: Sequence[str | Path], overrides: Sequence[str], repeat: int, solvers: Sequence[str] = ()
) -> list[Planned]:
    """All jobs with their own seed, then all with the next, and so on: repeat k = 0, 1, ... runs with seed + k.

    jobs: as `variant` reads them; a job's own overrides come after `overrides`. solvers: to run each job with; one that
    does not fit the job has a fault. Raises UsageError for jobs that cannot be read, or that have the same name.
    """
    asked = [(one, solver) for one in jobs for solver in solvers or [""]]
    found = [with_solver(one, overrides, solver, len(jobs) == 1) for one, solver in asked]
    labels = [slug(job.head.name) for job, _ in found]
    folded = [label.casefold() for label in labels]
    for label, fold in zip(labels, folded, strict=True):
        same = [str(one) for (one, _), other in zip(asked, folded, strict=True) if other == fold]
        if len(same) > 1:
            raise UsageError(f"{' and '.join(same)} have the same name, {label}: give each job a name of its own, in "
                             "its file or as FILE:name=NAME")  # fmt: skip
    return [
        Planned(f"{label}-{k}", label, replace(job, head=replace(job.head, seed=job.head.seed + k)), fault=fault)
        for k in range(repeat)
        for label, (job, fault) in zip(labels, found, strict=True)
    ]


def with_solver(one: str | Path, overrides: Sequence[str], solver: str, alone: bool) -> tuple[Job, str]:
    """The job with this solver ("": its own), named after it, and why it does not fit. alone: is it the only job?"""
    path, own = variant(one)
    base = read(path, [*overrides, *own])
    if not solver:
        return base, ""
    name = solver if alone else f"{base.head.name}-{solver}"
    try:
        return read(path, [*overrides, *own, f"solver.name={solver}", f"name={name}"]), ""
    except UsageError as error:
        return replace(base, head=replace(base.head, name=name), solver=SOLVERS[solver]()), " ".join(str(error).split())


def slug(name: str) -> str:
    """A name as part of a file's name: no separators, no blanks, no leading dot or dash.

    >>> slug("mnist-taylor"), slug("../a b|c"), slug(".."), slug("x" * 99) == "x" * 50
    ('mnist-taylor', 'a-b-c', 'job', True)
    """
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:LONGEST].strip("-.") or "job"


def described(job: Job) -> dict[str, Any]:
    """The table cells that describe a run."""
    hidden = "-".join(map(str, job.layers.hidden))
    return {
        "solver": job.solver.title if isinstance(job.solver, Program) else job.solver.name,
        "data": data(job),
        "network": f"{hidden} {job.layers.activation}" if hidden else "linear",
        "loss": job.loss.name,
        "precision": job.head.precision,
    }


def data(job: Job) -> str:
    """The dataset and those of its options that are not the defaults; of a path only its last part."""
    words = [job.data.name]
    for option in fields(job.data):
        value, usual = getattr(job.data, option.name), option.default
        usual = option.default_factory() if option.default_factory is not MISSING else usual
        if value != usual:
            words.append(f"{option.name}={Path(value).name if option.name == 'path' else value}")
    return " ".join(words)


def difference(there: str, asked: str) -> str:
    """The first key in which two resolved jobs differ, in words; "" if none does.

    there: perhaps written by an older version; keys that it did not know have today's defaults.

    >>> difference("seed = 1\\n[solver]\\ngamma = 1.0", "seed = 1\\n[solver]\\ngamma = 2.0")
    'solver.gamma is 1.0 there and 2.0 here'
    """
    old, new = (flat(tomllib.loads(text)) for text in (completed(there), asked))
    for key in [*old, *(key for key in new if key not in old)]:
        if old.get(key) != new.get(key):
            return f"{key} is {old.get(key, 'unset')} there and {new.get(key, 'unset')} here"
    return ""


def completed(text: str) -> str:
    """A job file with every default filled in; as it is if it cannot be read."""
    try:
        return parse(text).to_toml()
    except UsageError:
        return text


def flat(tables: dict[str, Any]) -> dict[str, Any]:
    """Tables as `table.key`."""
    items: dict[str, Any] = {}
    for key, value in tables.items():
        items |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
    return items
