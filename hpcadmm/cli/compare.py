"""`hpcadmm compare` and `hpcadmm tune`: many runs, started by the command itself."""

from pathlib import Path
from typing import Any

import click

from hpcadmm.cli.options import COUNT, FILE, FOLDER, LAUNCHER, SET
from hpcadmm.comm.launch import refuse_launcher

RANKS = click.option("--ranks", type=COUNT, default=1, show_default=True, help="Ranks per run.")


@click.command()
@click.argument("jobs", nargs=-1, required=True, metavar="JOB[:KEY=VALUE]...")
@RANKS
@click.option("--repeat", type=COUNT, default=1, show_default=True,
              help="Runs per job, with seeds seed, seed + 1, ...")  # fmt: skip
@click.option("--target", "targets", type=float, multiple=True, metavar="ACC",
              help="Report the cost of reaching this test accuracy (0 to 1); repeatable.")  # fmt: skip
@click.option("--solvers", default="", metavar="A,B,...", help="Run each JOB with each of these solvers.")
@click.option("--out", type=FOLDER, help="Output folder (default: a new one in results/compare).")
@SET
@LAUNCHER
def compare(jobs: tuple[str, ...], overrides: tuple[str, ...], solvers: str, **options: Any) -> int:
    """Run several jobs one after another and report accuracy and cost of each in one table.

    JOB is a job file; an appended :KEY=VALUE overrides that job only: a.toml a.toml:name=b:solver.rate=0.1. All jobs
    run with their first seed, then with the next. The same command with the same --out, which may have more jobs or
    repeats, continues and runs nothing again that has finished. OUT contains summary.md, summary.csv (a row per job),
    table.csv (a row per run), figure.png and the run folders. A failed run is a row with its message. Exit code: 0 if
    every job has a finished run, else 1.

    With --solvers one job file is enough: JOB's own solver takes its keys, the others their defaults (solvers of one
    family share keys). A solver that does not fit JOB is a row that says why.
    """
    refuse_launcher()
    from hpcadmm.trials import compare as comparing

    chosen = [name.strip() for name in solvers.split(",") if name.strip()]
    return comparing.compare(jobs, overrides, comparing.Options(**options, solvers=chosen), click.echo)


@click.command()
@click.argument("job", type=FILE)
@click.option("--vary", "texts", multiple=True, required=True, metavar="KEY=RANGE",
              help="Range of a key: solver.gamma=log:0.1:100, ...=uniform:LOW:HIGH, ...=int:LOW:HIGH or "
              "...=choice:A,B; repeatable.")  # fmt: skip
@click.option("--budget", type=COUNT, required=True, metavar="N", help="Total number of trials.")
@RANKS
@click.option("--metric", default="test_accuracy", show_default=True, metavar="NAME",
              help="Score, measured on the held-out samples at the end: test_accuracy, test_error, objective, "
              "seconds-to-target (or iterations-, synchronisations-, bytes-), or test_ with a score of "
              "evaluate.metrics: test_roc_auc.")  # fmt: skip
@click.option("--target", type=float, metavar="ACC", help="Accuracy (0 to 1) for the -to-target metrics.")
@click.option("--validation", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="F",
              help="Fraction of the training part to hold out (default: data.validation, or 0.1).")  # fmt: skip
@click.option("--out", type=FOLDER, help="Output folder (default: a new one in results/tune).")
@SET
@LAUNCHER
def tune(job: Path, overrides: tuple[str, ...], texts: tuple[str, ...], **options: Any) -> int:
    """Try values from the ranges of --vary and write the best as a job file, OUT/best.toml.

    The first trial is JOB unchanged; the others follow a Sobol sequence. Trials are scored on samples held out of the
    training part (data.validation), never on the test part. OUT also contains summary.md, table.csv, figure.png and
    the run folders. The same command, or one with a larger --budget, continues. A failed trial is a row with its
    message. Exit code: 0 if a trial has a score, else 1.
    """
    refuse_launcher()
    from hpcadmm.trials import tune as tuning

    return tuning.tune(job, overrides, texts, tuning.Options(**options), click.echo)
