"""`hpcadmm compare`: several jobs, several seeds, one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hpcadmm.errors import UsageError
from hpcadmm.experiments.folder import Folder, default
from hpcadmm.experiments.launcher import launcher
from hpcadmm.experiments.plan import Planned, repeated
from hpcadmm.experiments.report import write
from hpcadmm.experiments.runner import Say, carry_out
from hpcadmm.plotting import picture
from hpcadmm.solvers import SOLVERS
from hpcadmm.storage.durable import comma_separated
from hpcadmm.trials.checks import check_ranks, regression
from hpcadmm.trials.figure import bands, drawn
from hpcadmm.trials.reading import Row, results, row
from hpcadmm.trials.summary import flat, page, summarised


@dataclass(frozen=True)
class Options:
    """The options of the command line, besides the jobs and their overrides.

    solvers: to run each job with; none: its own.
    """

    ranks: int = 1
    repeat: int = 1
    targets: Sequence[float] = ()
    out: Path | None = None
    launcher: str | None = None
    solvers: Sequence[str] = ()


def compare(jobs: Sequence[str], overrides: Sequence[str], options: Options, say: Say) -> int:
    """Run what is missing, then write tables and figure of all runs. Returns the exit code: 0 if every job has a run
    that finished, else 1.

    jobs: files, each with its own overrides appended as FILE:KEY=VALUE. Raises UsageError before the first run for bad
    jobs, data, ranks, options or a folder of other jobs; Interrupted after a signal, once the tables are written.
    """
    for solver in options.solvers:
        _ = SOLVERS[solver]
    plan = [checked(one, options) for one in repeated(jobs, overrides, options.repeat, options.solvers)]
    for target in options.targets:
        check_target(plan, target)
    for one in plan[: len(plan) // options.repeat : len(options.solvers) or 1]:
        regression(one.job)  # can the data be read?
    start = launcher(options.ranks, options.launcher)
    folder = Folder(options.out or default("compare"))
    facts = {"kind": "compare", "ranks": options.ranks, "jobs": sorted({one.label for one in plan})}
    return carry_out(folder, facts, plan, start, partial(report, folder, plan, options.targets, say), say)


def checked(one: Planned, options: Options) -> Planned:
    """The run; where its solver is one of several and cannot divide its work among the ranks, with that as its fault.
    Raises UsageError where it is the job's own."""
    try:
        if not one.fault:
            check_ranks(one.job, options.ranks)
    except UsageError as error:
        if not options.solvers:
            raise
        return replace(one, fault=str(error))
    return one


def check_target(plan: Sequence[Planned], target: float) -> None:
    """Raise UsageError for a target that no run can reach."""
    classes = any(one.job.loss.name != "squared" for one in plan)
    if target <= 0 or (target > 1 and classes):
        raise UsageError(f"--target {target:g}: a test accuracy is a fraction, for example 0.97; for a regression give "
                         "the mean squared error to reach")  # fmt: skip


def report(folder: Folder, plan: Sequence[Planned], targets: Sequence[float], say: Say) -> int:
    """Write tables and figure of the runs that there are; returns the exit code."""
    found = results(folder, plan)
    aims: Sequence[float | None] = targets or [None]
    rows = {target: summarised(found, target) for target in aims}
    runs = [joined({target: row(one, target) for target in rows}) for one in found]
    jobs = [joined(dict(zip(rows, map(flat, lines), strict=True))) for lines in zip(*rows.values(), strict=True)]
    write(folder.path / "table.csv", comma_separated(runs))
    write(folder.path / "summary.csv", comma_separated(jobs))
    text = page(found, rows)
    write(folder.path / "summary.md", text)
    say(f"\n{text}")
    picture(folder.path / "figure.png", lambda: drawn(bands(found), targets), say)
    say(f"folder: {folder.path}")
    return 0 if all(one["finished"] for one in next(iter(rows.values()))) else 1


def joined(lines: Mapping[float | None, Row]) -> Row:
    """The cells of one run or job for each target as one line; of several targets each has its own columns.

    >>> joined({0.9: {"job": "a", "target_seconds": 1.0}, 0.95: {"job": "a", "target_seconds": 2.0}})
    {'job': 'a', 'target_0.9_seconds': 1.0, 'target_0.95_seconds': 2.0}
    """
    first = next(iter(lines.values()))
    if len(lines) == 1:
        return first
    cells: Row = {}
    for key in first:
        own = key.startswith("target_") or key == "reached"
        for target, line in lines.items():
            cells[f"target_{target:g}_{key.removeprefix('target_')}" if own else key] = line[key]
    return cells
