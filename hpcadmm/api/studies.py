"""`compare` and `tune` from Python."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hpcadmm.comm.launch import refuse_launcher
from hpcadmm.errors import UsageError
from hpcadmm.experiments.folder import default
from hpcadmm.job.job import Job
from hpcadmm.job.typed import untyped
from hpcadmm.storage.durable import write_text
from hpcadmm.trials import compare as comparing
from hpcadmm.trials import tune as tuning

AnyJob = Job | str | Path | Mapping[str, Any]


class Study(NamedTuple):
    """The result of `compare` or `tune`.

    rows: a dict for each job, or trial, with the columns of summary.csv, or table.csv; None where nothing is known.
    folder: with tables, figure and run folders. best: the job of the best trial, of `tune`; None if none has a score.
    """

    rows: list[dict[str, Any]]
    folder: Path
    best: Job | None = None


def compare(
    jobs: Sequence[AnyJob],
    out: str | Path | None = None,
    *,
    ranks: int = 1,
    repeat: int = 1,
    targets: Sequence[float] = (),
    launcher: str | None = None,
    quiet: bool = True,
) -> Study:
    """Run several jobs one after another, in processes of their own, as `hpcadmm compare` does.

    jobs: with a name each, see `Job.read`; their data are files or datasets, since other processes see no arrays.
    out: folder; default: a new one in results/compare. The same call continues and repeats no finished run.
    ranks: per run. repeat: runs per job, with seeds seed, seed + 1, ... targets: test accuracies whose cost to report.
    launcher: command that accepts -n N. Raises UsageError for bad jobs or options.
    """
    refuse_launcher()
    folder = Path(out) if out else default("compare")
    options = comparing.Options(ranks, repeat, targets, folder, launcher)
    with files(jobs) as paths:
        comparing.compare([str(path) for path in paths], (), options, say(quiet))
    return Study(table(folder / "summary.csv"), folder)


def tune(
    job: AnyJob,
    vary: Mapping[str, str | Sequence[Any]],
    budget: int,
    out: str | Path | None = None,
    *,
    ranks: int = 1,
    metric: str = "test_accuracy",
    target: float | None = None,
    validation: float | None = None,
    launcher: str | None = None,
    quiet: bool = True,
) -> Study:
    """Find good values of some keys of a job on samples held out of its training part, as `hpcadmm tune` does.

    vary: by key, {"solver.gamma": "log:0.1:100", "network.hidden": [[100], [300, 300]]}: a range "log:LOW:HIGH",
        "uniform:LOW:HIGH" or "int:LOW:HIGH", or a list of values.
    budget: number of trials; the first is the job unchanged. metric: as of `hpcadmm tune --metric`, for a regression
        "test_rmse". target: an accuracy, for the metrics to a target. validation: the share that is held out.
    The others as for `compare`.
    """
    refuse_launcher()
    folder = Path(out) if out else default("tune")
    texts = [f"{key}={said if isinstance(said, str) else choice(said)}" for key, said in vary.items()]
    options = tuning.Options(budget, ranks, metric, target, validation, folder, launcher)
    with files([job]) as (path,):
        tuning.tune(path, (), texts, options, say(quiet))
    best = folder / "best.toml"
    return Study(table(folder / "table.csv"), folder, Job.read(best) if best.exists() else None)


def choice(values: Sequence[Any]) -> str:
    """A list of values as `--vary` takes it.

    >>> choice([[100], [300, 300]]), choice(["relu", "tanh"])
    ('choice:[100],[300, 300]', 'choice:"relu","tanh"')
    """
    return "choice:" + ",".join(json.dumps(value) for value in values)


def say(quiet: bool) -> Any:
    """Prints lines, or nothing."""
    return (lambda line: None) if quiet else print


@contextmanager
def files(jobs: Sequence[AnyJob]) -> Iterator[list[Path]]:
    """The jobs as files, those of Python in a folder that goes at the end."""
    if isinstance(jobs, Job | str | Path | Mapping):
        raise UsageError("compare takes a list of jobs")
    with TemporaryDirectory() as place:
        yield [one if isinstance(one, Path) else file(one, Path(place), k) for k, one in enumerate(jobs)]


def file(job: AnyJob, place: Path, k: int) -> Path:
    """A job as a file; a name of one as it is, with its appended overrides."""
    if isinstance(job, str):
        return Path(job)
    made = job if isinstance(job, Job) else Job.read(job)
    path = place / f"{k}.toml"
    write_text(path, made.to_toml())
    return path


def table(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV file that this program has written: numbers, text, None for empty cells."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [{key: cell(text) for key, text in row.items()} for row in csv.DictReader(lines)]


def cell(text: str) -> Any:
    """A cell's value.

    >>> cell("0.5"), cell("3"), cell("relu"), cell(""), cell("nan")
    (0.5, 3, 'relu', None, 'nan')
    """
    value = untyped(text) if text else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return text or None
    return value
