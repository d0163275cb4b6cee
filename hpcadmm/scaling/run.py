"""`hpcadmm scaling run`: each repeat goes through all points, so that what else the machine does falls on all alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hpcadmm.errors import Interrupted, UsageError
from hpcadmm.experiments.folder import default
from hpcadmm.experiments.launcher import Relay, launcher
from hpcadmm.experiments.plan import Planned
from hpcadmm.scaling.experiment import Experiment, Point, planned, points, read
from hpcadmm.scaling.folder import Folder, Sample, claim
from hpcadmm.scaling.sampling import Sampler, cores
from hpcadmm.scaling.verdict import Verdict, judged

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """The options of the command line. only: the rank counts to run now, all if empty."""

    out: Path | None = None
    launcher: str | None = None
    only: tuple[int, ...] = ()


Take = Callable[[Planned, Point, int, Relay], Sample | None]  # the sample of a repeat; None after failure or signal


def run(path: Path, options: Options, say: Say) -> int:
    """Take the missing samples. Returns the exit code: 0 if all were taken and the results agree, else 1.

    Raises UsageError before the first sample for a bad experiment, options or folder; Interrupted after a signal, which
    drops the current sample.
    """
    experiment, plan = prepared(path)
    chosen = wanted(experiment, plan, options.only)
    refuse_crowded(experiment, [point for point, _ in chosen], cores())
    launcher(1, options.launcher)
    where = options.out or default("scaling") / experiment.name
    with claim(where, experiment, plan, sorted({point.ranks for point, _ in chosen})) as folder:
        failures = take_all(folder, experiment, chosen, Sampler(folder, experiment, options.launcher, say), say)
    return ended(folder, failures, say)


def prepared(path: Path) -> tuple[Experiment, list[Planned]]:
    """The experiment of a file and the jobs of its points. Raises UsageError."""
    experiment = read(path)
    return experiment, planned(experiment, path)


def wanted(experiment: Experiment, plan: Sequence[Planned], only: Sequence[int]) -> list[tuple[Point, Planned]]:
    """The points of these rank counts, of all if there are none. Raises UsageError for others."""
    for n in set(only) - set(experiment.ranks):
        raise UsageError(f"--only-ranks {n}: the experiment has ranks = {experiment.ranks}")
    pairs = zip(points(experiment), plan, strict=True)
    return [(point, one) for point, one in pairs if not only or point.ranks in only]


def refuse_crowded(experiment: Experiment, found: Sequence[Point], there: int) -> None:
    """Raise UsageError for more ranks x threads than cores, unless the experiment allows that."""
    most = max(found, key=lambda point: point.cores)
    if most.cores > there and not experiment.oversubscribe:
        raise UsageError(
            f"{most.ranks} ranks x {most.threads} threads on {there} cores cannot measure a speed-up; take fewer, or "
            "allow it and mark the figures: oversubscribe = true in an experiment, --oversubscribe of bench"
        )


def in_turn(chosen: Sequence[T], repeats: int) -> list[tuple[int, T]]:
    """All in their order, then all in the other order, and so on.

    >>> in_turn("ab", 3)
    [(0, 'a'), (0, 'b'), (1, 'b'), (1, 'a'), (2, 'a'), (2, 'b')]
    """
    orders = (chosen, list(reversed(chosen)))
    return [(repeat, one) for repeat in range(repeats) for one in orders[repeat % 2]]


def take_all(
    folder: Folder, experiment: Experiment, chosen: Sequence[tuple[Point, Planned]], take: Take, say: Say
) -> int:
    """Take the missing samples; returns how many failed. Raises Interrupted after a signal."""
    turns, failures = in_turn(chosen, experiment.repeats), 0
    with Relay() as relay:
        for number, (repeat, (point, one)) in enumerate(turns, 1):
            if folder.sample(point, repeat) is None and not relay.raised:
                sample = take(one, point, repeat, relay)
                failures += sample is None and not relay.raised
                if sample is not None:
                    say(f"{number} of {len(turns)}: {point.name}, repeat {repeat}: {told(sample)}")
            if relay.raised:
                raise Interrupted(f"{relay.raised}: the same command continues: {folder.path}")
    return failures


def told(sample: Sample) -> str:
    """A sample in words."""
    if not sample.seconds:
        return "the target was not reached"
    middle = sorted(sample.seconds)[len(sample.seconds) // 2]
    return f"{middle:.4g} s" + (" (oversubscribed)" if sample.oversubscribed else "")


def ended(folder: Folder, failures: int, say: Say) -> int:
    """Say the verdict; returns the exit code."""
    verdict: Verdict = judged(folder)
    for line in verdict.lines():
        say(line)
    if failures:
        say(f"{failures} samples failed; the same command tries them again")
    say(f"folder: {folder.path}; next: hpcadmm scaling report {folder.path}")
    return int(bool(failures) or verdict.void)
