"""An experiment file, which says which job runs on how many ranks and how often; its points, and the job of each."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len

from hpcadmm.errors import UsageError
from hpcadmm.experiments.plan import Planned, resolved, slug, source
from hpcadmm.job.job import Job
from hpcadmm.job.tables import plain, toml_file

Count = Annotated[int, Ge(1)]
Counts = Annotated[list[Count], Len(1)]
OWN = {  # keys that some kinds need and the others refuse
    "samples_per_rank": ("weak",),
    "values": ("layers", "neurons"),
    "width": ("layers",),
    "depth": ("neurons",),
    "target": ("accuracy",),
}
TIMED = ("warm", "iterations")  # of all kinds but "accuracy"


@dataclass(frozen=True)
class Experiment:
    """An experiment file.

    job: a job file, relative to this one; set: overrides of it, `table.key=value`.
    kind: "strong": the job as it is. "weak": samples_per_rank samples for each rank (`data.samples` of synthetic data,
    `data.first` of other data). "layers": each of `values` layers of weights, hidden ones of `width` units. "neurons":
    `depth` layers of weights, hidden ones of each of `values` units. "accuracy": trained until the test accuracy is
    `target`; the time is the solver's own.
    ranks, threads: every combination is a point. grids: [layers, samples] pairs, each for one of `ranks`; a number of
    ranks without one takes the solver's own.
    repeats: processes per point; the first is dropped. warm: iterations of each that do not count;
    iterations: those that do.
    oversubscribe: allow more ranks x threads than cores, and mark those points.
    """

    job: str
    kind: Literal["strong", "weak", "layers", "neurons", "accuracy"]
    ranks: Counts
    name: str = "scaling"
    threads: Counts = field(default_factory=lambda: [1])
    grids: list[Annotated[list[Count], Len(2, 2)]] = field(default_factory=list)
    samples_per_rank: Count | None = None
    values: list[Count] = field(default_factory=list)
    width: Count | None = None
    depth: Count | None = None
    repeats: Annotated[int, Ge(5)] = 6
    warm: Count = 2
    iterations: Count = 7
    target: Annotated[float, Gt(0), Le(1)] | None = None
    set: list[str] = field(default_factory=list)
    oversubscribe: bool = False

    def faults(self) -> list[str]:
        """Keys that do not go together."""
        found = []
        for key, kinds in OWN.items():
            given = getattr(self, key) not in (None, [])
            if given and self.kind not in kinds:
                found.append(f'{key}: only for kind = "{" or ".join(kinds)}"')
            if not given and self.kind in kinds:
                found.append(f'{key} is missing: kind = "{self.kind}" needs it')
        for key in ("ranks", "threads", "values"):
            numbers = getattr(self, key)
            if any(b <= a for a, b in pairwise(numbers)):
                found.append(f"{key} = {numbers}: write increasing numbers")
        for grid in self.grids:
            if prod(grid) not in self.ranks:
                found.append(f"grids: {grid} is for {prod(grid)} ranks, and ranks = {self.ranks}")
        return found

    @property
    def constant(self) -> dict[str, Any]:
        """What must stay the same when samples are added to a folder; points and repeats may be added."""
        timed = {} if self.kind == "accuracy" else {key: getattr(self, key) for key in TIMED}
        return {"kind": "scaling", "name": self.name, "study": self.kind, "target": self.target, **timed}


def read(path: Path) -> Experiment:
    """The experiment of a file. Raises UsageError that lists everything wrong."""
    table = toml_file(path, f"the experiment file {path}", f"cannot read the experiment file {path}")
    faults = [f"{key} is missing" for key in ("job", "kind", "ranks") if key not in table]
    found: Experiment | None = plain(Experiment, {"name": slug(path.stem), **table}, "", faults, (), "an experiment")
    if found is not None:
        faults += found.faults()
        if slug(found.name) != found.name:
            faults.append(f'name = "{found.name}": must be usable as a file name, for example "{slug(found.name)}"')
        if found.kind == "accuracy":
            faults += [f'{key}: not for kind = "accuracy", which trains' for key in TIMED if key in table]
    if faults or found is None:
        raise UsageError(f"the experiment file {path}:\n  " + "\n  ".join(faults))
    return found


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
