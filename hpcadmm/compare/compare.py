"""`hpcadmm compare`: several jobs, several seeds, one table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcadmm.compare.checks import check_ranks, crowded, regression
from hpcadmm.compare.figure import draw, picture
from hpcadmm.compare.reading import results, row
from hpcadmm.compare.summary import flat, page, summarised
from hpcadmm.errors import Interrupted, UsageError
from hpcadmm.experiments.folder import Folder, claim, default
from hpcadmm.experiments.launcher import launcher
from hpcadmm.experiments.plan import Planned, repeated
from hpcadmm.experiments.runner import Say, run_all
from hpcadmm.experiments.tables import comma_separated, write


@dataclass(frozen=True)
class Options:
    """What the command line says besides the jobs and their overrides."""

    ranks: int = 1
    repeat: int = 1
    target: float | None = None
    out: Path | None = None
    launcher: str | None = None


def compare(paths: Sequence[Path], overrides: Sequence[str], options: Options, say: Say) -> int:
    """Run what is missing, then write the tables and the figure of all. Returns the exit code: 0 if every job has a
    run that finished, else 1.

    Raises UsageError before the first run for jobs, data, ranks, options or a folder that will not do; Interrupted
    after a signal, with the tables of what there is.
    """
    plan = repeated(paths, overrides, options.repeat)
    check_target(plan, options.target)
    for one in plan[: len(paths)]:
        check_ranks(one.job, options.ranks)
        regression(one.job)  # can the data be read?
    start = launcher(options.ranks, options.launcher)
    folder = Folder(options.out or default("compare"))
    facts = {"kind": "compare", "ranks": options.ranks, "jobs": sorted({one.label for one in plan})}
    lock = claim(folder.path, facts, plan)
    if note := crowded(options.ranks):
        say(note)
    try:
        try:
            run_all(folder, plan, start, say)
        except Interrupted:
            report(folder, plan, options.target, say)
            raise
        return report(folder, plan, options.target, say)
    finally:
        lock.close()


def check_target(plan: Sequence[Planned], target: float | None) -> None:
    """Raise UsageError for a target that no run can reach."""
    classes = any(one.job.loss.name != "squared" for one in plan)
    if target is not None and (target <= 0 or (target > 1 and classes)):
        raise UsageError(f"--target {target:g}: a test accuracy is a fraction, for example 0.97 (of a regression it is "
                         "the mean squared error to come down to)")  # fmt: skip


def report(folder: Folder, plan: Sequence[Planned], target: float | None, say: Say) -> int:
    """Tables and figure of what there is; returns the exit code."""
    found = results(folder, plan)
    rows = summarised(found, target)
    write(folder.path / "table.csv", comma_separated([row(one, target) for one in found]))
    write(folder.path / "summary.csv", comma_separated([flat(one) for one in rows]))
    text = page(found, rows, target)
    write(folder.path / "summary.md", text)
    say(f"\n{text}")
    picture(folder.path / "figure.png", lambda out: draw(found, target, out), say)
    say(f"folder: {folder.path}")
    return 0 if all(one["finished"] for one in rows) else 1
