"""`hpcadmm tune`: one job with many values of some keys, scored on samples held out of its training part."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.experiments.folder import Folder, default
from hpcadmm.experiments.launcher import launcher
from hpcadmm.experiments.plan import Planned, resolved
from hpcadmm.experiments.report import write
from hpcadmm.experiments.runner import Say, carry_out
from hpcadmm.job.job import Job, source
from hpcadmm.model.scores import CHOICES, SCORES, keyed, rises
from hpcadmm.plotting import finite, picture
from hpcadmm.storage.durable import comma_separated
from hpcadmm.trials.checks import Try, check_metric, check_ranks, check_values, regression
from hpcadmm.trials.reading import TO_TARGET, Result, results
from hpcadmm.trials.tune_report import Trial, drawn, page, table_row
from hpcadmm.trials.vary import Vary, sampled, varied

METRICS = (*(f"test_{name}" for name in SCORES), "objective", *TO_TARGET)
VALIDATION = 0.1


@dataclass(frozen=True)
class Options:
    """The options of the command line, besides the job, its overrides and the varied keys.

    metric: one of METRICS; a score is that of the held-out samples at the end of the run.
    """

    budget: int
    ranks: int = 1
    metric: str = "test_accuracy"
    target: float | None = None
    validation: float | None = None
    out: Path | None = None
    launcher: str | None = None


def tune(path: Path, overrides: Sequence[str], texts: Sequence[str], options: Options, say: Say) -> int:
    """Run the trials that are missing, then write table, figure and best.toml: the best score or, where no trial
    reached the target, the nearest to it. Returns the exit code: 0 if a trial has a score, else 1.

    Raises UsageError before the first trial for a bad job, values, options or a folder of other jobs; Interrupted after
    a signal, once the tables are written.
    """
    check(options)
    vary, text = varied(texts), source(path)
    base = resolved(text, overrides, path)
    plan = planned(path, text, overrides, vary, base, options)
    check_ranks(base, options.ranks)
    check_metric(options.metric, regression(base))
    start = launcher(options.ranks, options.launcher)
    folder = Folder(options.out or default("tune"))
    facts = {"kind": "tune", "ranks": options.ranks, "vary": sorted(texts)}
    facts |= {"metric": options.metric, "target": options.target}
    if len(plan) < options.budget:
        say(f"there are only {len(plan)} different sets of values")
    return carry_out(folder, facts, plan, start, partial(report, folder, plan, vary, base, options, say), say)


def check(options: Options) -> None:
    """Raise UsageError for options that do not go together."""
    if options.metric not in METRICS:
        raise UsageError(f"--metric {options.metric}: known are {', '.join(METRICS)}")
    aimed, target = options.metric in TO_TARGET, options.target
    if aimed and (target is None or not 0 < target <= 1):
        raise UsageError(f"--metric {options.metric} needs --target ACC, a test accuracy, for example 0.97")
    if not aimed and target is not None:
        raise UsageError(f"--target goes with --metric {', '.join(TO_TARGET)}, not with {options.metric}")


def planned(
    path: Path, text: str, overrides: Sequence[str], vary: Sequence[Vary], base: Job, options: Options
) -> list[Planned]:
    """The trials; the first is the job unchanged. Raises UsageError for a key or value that the job refuses with all
    other values; a refused combination is a trial with a fault."""
    if any(one.key == "data.validation" for one in vary):
        raise UsageError("data.validation cannot be varied, because the trials are scored on it; use --validation")
    share = options.validation or base.data.validation or VALIDATION
    fixed = [*overrides, f"data.validation={share}"]
    if options.metric in TO_TARGET:
        fixed.append(f"stop.accuracy={options.target}")
    if keyed(options.metric)[1] in CHOICES:
        fixed.append(f"evaluate.metrics={json.dumps([*base.evaluate.metrics, options.metric])}")

    def attempt(settings: Sequence[str]) -> Job:
        return resolved(text, [*fixed, *settings], path)

    first = attempt([])
    check_values(attempt, vary)
    plan = [
        trial(k, values, first, attempt, vary)
        for k, values in enumerate(sampled(vary, own(base, vary), options.budget))
    ]
    if len(plan) > 1 and all(one.fault for one in plan[1:]):
        raise UsageError(f"no trial besides the unchanged job is valid: {plan[1].fault}")
    return plan


def trial(k: int, values: dict[str, Any], first: Job, attempt: Try, vary: Sequence[Vary]) -> Planned:
    """The k-th trial, with a fault if the job refuses its values."""
    name = f"trial-{k:03d}"
    try:
        job = attempt([one.override(values[one.key]) for one in vary if values[one.key] is not None])
    except UsageError as error:
        return Planned(name, name, first, values, " ".join(str(error).split()))
    return Planned(name, name, job, values)


def own(base: Job, vary: Sequence[Vary]) -> dict[str, Any]:
    """The values of the job; None for a key that it leaves unset or does not know (which the trials refuse)."""
    tables = base.resolved()
    values: dict[str, Any] = {}
    for one in vary:
        place: Any = tables
        for part in one.key.split("."):
            place = place.get(part) if isinstance(place, dict) else None
        values[one.key] = place
    return values


def score(one: Result, options: Options) -> float | None:
    """The score of a trial; None if it did not finish or has no such figure."""
    if not one.finished or not one.rows:
        return None
    if options.metric in TO_TARGET:
        there = one.at(options.target) or {}
        value = there.get(TO_TARGET[options.metric])
    else:
        value = one.rows[-1].get(options.metric)
    return float(value) if finite(value) else None


def ranked(found: Sequence[Result], options: Options) -> list[Trial]:
    """The trials, the best first; of equal scores the unchanged job, which is the first of `found`, then the one that
    had reached most; those without a score by the best they reached on the held-out samples."""
    sign = -1 if rises(options.metric) else 1

    def order(trial: Trial) -> tuple[float, bool, float]:
        up = trial.result.measure == "accuracy"
        reached = math.inf if trial.reached is None else -trial.reached if up else trial.reached
        if trial.score is None:
            return math.inf, True, reached
        return sign * trial.score, trial.result is not found[0], reached

    return sorted((Trial(one, score(one, options)) for one in found), key=order)


def report(folder: Folder, plan: Sequence[Planned], vary: Sequence[Vary], base: Job, options: Options, say: Say) -> int:
    """Write table, figure and best job; returns the exit code."""
    trials = ranked(results(folder, plan), options)
    in_order = sorted(trials, key=lambda trial: trial.result.planned.name)
    write(folder.path / "table.csv", comma_separated([table_row(trial) for trial in in_order]))
    share = plan[0].job.data.validation
    text = page(trials, vary, options.metric, options.target, share)
    write(folder.path / "summary.md", text)
    say(f"\n{text}")
    picture(folder.path / "figure.png", lambda: drawn(in_order, vary, options.metric), say)
    best = trials[0]
    if best.score is not None or best.reached is not None:
        write(folder.path / "best.toml", best_job(best, base, vary, options))
    if best.score is None:
        say(f"no trial has a {options.metric}: see summary.md")
    say(f"folder: {folder.path}")
    return 0 if best.score is not None else 1


def best_job(best: Trial, base: Job, vary: Sequence[Vary], options: Options) -> str:
    """The job with the best values, trained on the whole training part and not stopped at the target."""
    one = best.result.planned
    settings = [each.override(one.values[each.key]) for each in vary if one.values[each.key] is not None]
    stop = one.job.stop if "stop.accuracy" in one.values else replace(one.job.stop, accuracy=base.stop.accuracy)
    job = replace(one.job, data=replace(one.job.data, validation=base.data.validation), stop=stop)
    head = f"# The best of hpcadmm tune: {one.name}, {said(best, options)} on held-out samples\n"
    return f"{head}# (data.validation = {one.job.data.validation}). Varied: {', '.join(settings)}\n\n{job.to_toml()}"


def said(best: Trial, options: Options) -> str:
    """What the best trial has reached."""
    if best.score is None:
        return f"the nearest to {options.metric} {options.target:g}, which none reached: {best.reached:.6g}"
    return f"{options.metric} = {best.score:.6g}"
