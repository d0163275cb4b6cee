"""The points of an experiment: what differs from one to the next, and the job of each."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.experiments.plan import Planned, resolved, source
from hpcadmm.job.job import Job
from hpcadmm.scaling.experiment import Experiment


@dataclass(frozen=True)
class Point:
    """One combination. grid: None is the solver's own; value: the layers or units of such studies."""

    ranks: int
    threads: int = 1
    grid: tuple[int, int] | None = None
    value: int | None = None

    @property
    def cores(self) -> int:
        return self.ranks * self.threads

    @property
    def name(self) -> str:
        """The name in files and figures, without the parts that are the default.

        >>> Point(2).name, Point(4, 2, (2, 2), 10).name
        ('2', '4-t2-g2x2-v10')
        """
        parts = [str(self.ranks), f"t{self.threads}" if self.threads > 1 else ""]
        parts += ["g{}x{}".format(*self.grid) if self.grid else "", f"v{self.value}" if self.value else ""]
        return "-".join(filter(None, parts))

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Point":
        """Read what `asdict` gave, also after JSON."""
        grid = record.get("grid")
        return cls(record["ranks"], record["threads"], tuple(grid) if grid else None, record.get("value"))


def points(experiment: Experiment) -> list[Point]:
    """All points, by value, then ranks, grids, threads."""
    found = []
    for value in experiment.values or [None]:  # type: ignore[list-item]
        for ranks in experiment.ranks:
            grids = [(a, b) for a, b in experiment.grids if a * b == ranks] or [None]  # type: ignore[list-item]
            found += [Point(ranks, threads, grid, value) for grid in grids for threads in experiment.threads]
    return found


def planned(experiment: Experiment, file: Path) -> list[Planned]:
    """The jobs of the points. file: the experiment file, to which the path of the job is relative.

    Raises UsageError for a job that cannot run on its ranks.
    """
    path = file.parent / experiment.job
    text = source(path)
    plain = resolved(text, experiment.set, path)
    found = []
    for point in points(experiment):
        overrides = [*experiment.set, *changes(experiment, point, plain)]
        job = resolved(text, overrides, path)
        job = replace(job, head=replace(job.head, name=f"{experiment.name}-{point.name}"))
        try:
            job.solver.grid_of(len(job.layers.hidden) + 1, point.ranks)
        except UsageError as error:
            raise UsageError(f"{file}: {point.ranks} ranks: {error}") from None
        found.append(Planned(point.name, experiment.name, job))
    return found


def changes(experiment: Experiment, point: Point, job: Job) -> list[str]:
    """The overrides that turn the job into that of a point."""
    found = [f"threads={point.threads}"]
    if experiment.samples_per_rank:
        key = "samples" if hasattr(job.data, "samples") else "first"
        found.append(f"data.{key}={experiment.samples_per_rank * point.ranks}")
    if experiment.kind == "layers":
        found.append(f"network.hidden={[experiment.width] * ((point.value or 1) - 1)}")
    if experiment.kind == "neurons":
        found.append(f"network.hidden={[point.value] * ((experiment.depth or 1) - 1)}")
    if point.grid:
        found.append(f"solver.grid={list(point.grid)}")
    if experiment.target:
        found.append(f"stop.accuracy={experiment.target}")
    return found
