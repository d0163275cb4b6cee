"""`hpcadmm bench --scaling`: the speed-up of one job, from samples of a scaling experiment that is not kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NoReturn

from hpcadmm.comm.launch import refuse_launcher
from hpcadmm.errors import Interrupted, UsageError
from hpcadmm.experiments.launcher import launcher
from hpcadmm.experiments.plan import resolved
from hpcadmm.experiments.report import Report, mark
from hpcadmm.job.job import source
from hpcadmm.scaling.experiment import Experiment, Point, planned, points
from hpcadmm.scaling.folder import Sample, claim
from hpcadmm.scaling.run import refuse_crowded, take_all
from hpcadmm.scaling.sampling import Sampler, cores

SHARED_NOTES = ("blas", "processor", "hint", "oversubscribed")


@dataclass(frozen=True)
class Scaling:
    """ranks: rank counts, "1,2,4". repeats: processes of each; iterations: timed ones of each process.

    oversubscribe: allow more ranks than cores, and mark those figures. target: exit code 1 if the speed-up is below it.
    """

    ranks: str = "1,2"
    repeats: int = 3
    iterations: int = 7
    launcher: str | None = None
    oversubscribe: bool = False
    target: float | None = None

    def counts(self) -> list[int]:
        """The rank counts. Raises UsageError unless they increase."""
        try:
            counts = [int(part) for part in self.ranks.split(",")]
        except ValueError:
            counts = []
        if len(counts) < 2 or counts[0] < 1 or any(b <= a for a, b in pairwise(counts)):
            raise UsageError(f"--ranks {self.ranks}: write two or more increasing rank counts, for example 1,2,4")
        return counts

    def experiment(self, job: Path, overrides: Sequence[str]) -> Experiment:
        """What `hpcadmm scaling run` would be given."""
        threads = resolved(source(job), overrides, job).head.threads
        return Experiment(
            str(job.absolute()), "strong", self.counts(), "bench", [threads], repeats=self.repeats, warm=3,
            iterations=self.iterations, set=list(overrides), oversubscribe=self.oversubscribe,
        )  # fmt: skip


def scale(job: Path | None, overrides: Sequence[str], scaling: Scaling) -> Report:
    """Time the job's iteration on each number of ranks. Starts processes itself, so not under a launcher.

    Raises UsageError for a bad job or options, RuntimeError if a run fails.
    """
    if job is None:
        raise UsageError("--scaling times a job on several rank counts: name the JOB")
    refuse_launcher()
    experiment = scaling.experiment(job, overrides)
    refuse_crowded(experiment, points(experiment), cores())
    launcher(1, scaling.launcher)
    report = Report()
    report.add("cores", cores())
    report.load("before")
    samples = taken(experiment, job, scaling.launcher)
    report.load("after")
    figures(report, samples)
    last = max(samples, key=lambda point: point.ranks)
    report.aim(f"{prefix(samples[last])}speedup[{last.ranks}]", scaling.target, at_least=True)
    return report


def taken(experiment: Experiment, job: Path, words: str | None) -> dict[Point, list[Sample]]:
    """All samples of each point, taken in turns in a folder that is removed afterwards."""
    plan = planned(experiment, job)
    chosen = list(zip(points(experiment), plan, strict=True))
    with TemporaryDirectory() as place, claim(Path(place) / "bench", experiment, plan, experiment.ranks) as folder:
        try:
            take_all(folder, experiment, chosen, Sampler(folder, experiment, words, fail), lambda line: None)
        except Interrupted as error:
            raise Interrupted(f"{str(error).partition(':')[0]}: the measurement was stopped, and nothing of it is kept"
                              ) from None  # fmt: skip
        found = {point: [folder.sample(point, k) for k in range(experiment.repeats)] for point, _ in chosen}
    return {point: [one for one in samples if one is not None] for point, samples in found.items()}


def fail(message: str) -> NoReturn:
    """End at the first sample that fails."""
    raise RuntimeError(message)


def prefix(samples: Sequence[Sample]) -> str:
    """Before the names of figures of a point."""
    return mark(any(one.oversubscribed for one in samples))


def figures(report: Report, found: dict[Point, list[Sample]]) -> None:
    """Seconds of each rank count over all its samples, and the speed-ups against the first."""
    base, *_ = found
    seconds = {point: [s for one in samples for s in one.seconds] for point, samples in found.items()}
    for point, samples in found.items():
        front, n = prefix(samples), point.ranks
        shares = [one.report["figures"]["iteration_cpu_share"] for one in samples]
        report.add(f"{front}iteration_seconds[{n}]", median(seconds[point]), "s")
        report.add(f"{front}iteration_seconds_min[{n}]", min(seconds[point]), "s")
        report.add(f"{front}iteration_cpu_share[{n}]", median(shares))
        report.samples[f"iteration_seconds[{n}]"] = [one.seconds for one in samples]
        report.samples[f"load_before[{n}]"] = [one.session["load_before"] for one in samples]
        if point != base:
            speedup = median(seconds[base]) / median(seconds[point])
            report.add(f"{front}speedup[{n}]", speedup)
            report.add(f"{front}speedup_min[{n}]", min(seconds[base]) / min(seconds[point]))
            report.add(f"{front}efficiency[{n}]", speedup * base.ranks / n)
    report.add("base_ranks", base.ranks)
    every = [one.report for samples in found.values() for one in samples]
    report.add("weights_agree", int(len({one["notes"]["weights_sha256"] for one in every}) == 1))
    report.environment = every[-1]["environment"]
    report.notes |= {name: every[-1]["notes"][name] for name in SHARED_NOTES if name in every[-1]["notes"]}
