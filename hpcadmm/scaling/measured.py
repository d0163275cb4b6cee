"""What was measured, as the model of the machine wants it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.scaling.folder import Folder


@dataclass(frozen=True)
class Measured:
    """One point: the problem, how it lay on the ranks, and the seconds of every iteration that was kept.

    sizes: units of each layer, inputs first; samples: of the training part; grid: blocks of layers and of samples;
    job: the resolved job's tables.
    """

    kind: str
    solver: str
    sizes: tuple[int, ...]
    samples: int
    ranks: int
    threads: int
    grid: tuple[int, int]
    precision: str
    job: dict[str, Any]
    seconds: tuple[float, ...]


def read(folder: Path) -> list[Measured]:
    """The points of an experiment that have samples; none of one whose kind is "accuracy", which times trainings, and
    none of more ranks x threads than cores. Raises UsageError if the folder is no experiment's.
    """
    there = Folder(folder)
    kind = there.experiment().kind
    found = []
    for point, samples in there.kept().items():
        if kind == "accuracy" or not samples or any(one.oversubscribed for one in samples):
            continue
        problem = samples[0].report["problem"]
        try:
            job = tomllib.loads(there.job(point.name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read {there.job(point.name)}: {error}") from None
        layers, columns = problem["grid"]
        seconds = tuple(s for one in samples for s in one.seconds)
        found.append(
            Measured(kind, problem["solver"], tuple(problem["sizes"]), problem["samples"], point.ranks, point.threads,
                     (layers, columns), problem["precision"], job, seconds)
        )  # fmt: skip
    return found
