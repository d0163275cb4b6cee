"""The folder of an experiment, and its samples.

plan.json (what may not change) experiment.json (the experiment as last asked for) jobs/<point>.toml
samples/<point>_<repeat>.json children/<point>_<repeat>.{json,txt} (what the processes printed) runs/ locks/<ranks>/
"""

import json
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.experiments import folder as compared
from hpcadmm.experiments.plan import Planned
from hpcadmm.scaling.experiment import Experiment, Point, points
from hpcadmm.storage.durable import spoken, write_text
from hpcadmm.storage.lock import Lock

EXPERIMENT = "experiment.json"


@dataclass(frozen=True)
class Sample:
    """One process, or one training, of a point: what it reported, and the circumstances."""

    point: Point
    repeat: int
    cores: int
    report: dict[str, Any]
    session: dict[str, Any]  # command, started, wall_seconds, load_before, load_after

    @property
    def oversubscribed(self) -> bool:
        return self.point.cores > self.cores or "oversubscribed" in self.report["notes"]

    @property
    def seconds(self) -> list[float]:
        """Of each iteration, the slowest rank's; of a training, to the target, none if that was not reached."""
        found = self.report["samples"]
        return list(found["seconds_to_target"] if "seconds_to_target" in found else found["iteration_seconds"])

    def text(self) -> str:
        """As a line of JSON."""
        one = {"point": asdict(self.point), "repeat": self.repeat, "cores": self.cores, "session": self.session}
        return json.dumps({**one, "report": self.report}, allow_nan=False) + "\n"

    @classmethod
    def of(cls, text: str) -> "Sample":
        """What `text` gave. Raises ValueError, KeyError or TypeError for anything else."""
        one = json.loads(text)
        sample = cls(Point.of(one["point"]), one["repeat"], one["cores"], one["report"], one["session"])
        _ = sample.report["notes"], sample.report["figures"], sample.report["problem"], sample.seconds
        return sample


@dataclass(frozen=True)
class Folder(compared.Folder):
    """Paths below `path`, and what lies there."""

    def sample_file(self, point: Point, repeat: int) -> Path:
        return self.path / "samples" / f"{point.name}_{repeat}.json"

    def sample(self, point: Point, repeat: int) -> Sample | None:
        """None if it was not taken, or the file is damaged."""
        try:
            return Sample.of(self.sample_file(point, repeat).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def experiment(self) -> Experiment:
        """As it was last asked for. Raises UsageError if this is no such folder."""
        try:
            record = json.loads((self.path / EXPERIMENT).read_text(encoding="utf-8"))
            return Experiment(**record)
        except OSError:
            raise UsageError(f"{self.path} is not the folder of a scaling experiment: no {EXPERIMENT}") from None
        except (ValueError, TypeError) as error:
            raise UsageError(f"{self.path / EXPERIMENT} is damaged: {error}") from None

    def kept(self) -> dict[Point, list[Sample]]:
        """The samples of each point, without the first repeat; empty lists where there are none."""
        experiment = self.experiment()
        return {
            point: [s for k in range(1, experiment.repeats) if (s := self.sample(point, k)) is not None]
            for point in points(experiment)
        }


@contextmanager
def claim(path: Path, experiment: Experiment, plan: Sequence[Planned], ranks: Sequence[int]) -> Iterator[Folder]:
    """Make the folder, or take that of an earlier call of the same experiment; while entered the samples of these rank
    counts are this process's alone.

    Raises UsageError if the folder holds other things or other jobs, or another process uses it.
    """
    with ExitStack() as locks:
        with spoken(f"make the folder {path}"):
            furnish(path, experiment, plan)
            for n in ranks:
                place = path / "locks" / str(n)
                place.mkdir(parents=True, exist_ok=True)
                locks.callback(Lock(place).close)
        yield Folder(path)


def furnish(path: Path, experiment: Experiment, plan: Sequence[Planned]) -> None:
    """Write what is missing, after reading the folder. Raises UsageError for files that do not belong to it."""
    path.mkdir(parents=True, exist_ok=True)
    compared.refuse_strange(path)
    compared.furnish(compared.Folder(path), experiment.constant, plan)
    (path / "samples").mkdir(exist_ok=True)
    text = json.dumps(asdict(experiment), indent=2) + "\n"
    file = path / EXPERIMENT
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)


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


def measurements(folder: Path) -> list[Measured]:
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
