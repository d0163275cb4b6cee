"""`hpcadmm compare` and `hpcadmm tune`: many runs, started by the command itself."""

from pathlib import Path
from typing import Any

import click

from hpcadmm.comm.launch import refuse_launcher

FOLDER = click.Path(readable=False, path_type=Path, file_okay=False)
FILE = click.Path(readable=False, path_type=Path, dir_okay=False)
OVERRIDES = click.option(
    "--set", "overrides", multiple=True, metavar="TABLE.KEY=VALUE", help="Override the job(s); repeatable."
)
RANKS = click.option("--ranks", type=click.IntRange(min=1), default=1, show_default=True, help="Ranks of each run.")
LAUNCHER = click.option(
    "--launcher", metavar="COMMAND", help="Instead of mpiexec, in a Slurm allocation without one srun; takes -n N."
)


@click.command()
@click.argument("jobs", nargs=-1, required=True, type=FILE)
@RANKS
@click.option("--repeat", type=click.IntRange(min=1), default=1, show_default=True,
              help="Runs of each job, with its seed, seed + 1, ...")  # fmt: skip
@click.option("--target", type=float, metavar="ACC", help="Say what it cost to reach this test accuracy (a fraction).")
@click.option("--out", type=FOLDER, help="Folder; by default one in results/compare.")
@OVERRIDES
@LAUNCHER
def compare(jobs: tuple[Path, ...], overrides: tuple[str, ...], **options: Any) -> int:
    """Run JOBS one after another, and tell in one table what they reach and what it costs.

    All jobs with their first seed, then all with the next. Called again with the same --out it goes on: what is
    finished is not repeated. OUT holds summary.md, summary.csv (a row a job), table.csv (a row a run), figure.png and
    the run folders. A run that fails is a row. Exit code 0 if every job has a run that finished, else 1.
    """
    refuse_launcher()
    from hpcadmm.compare.compare import Options
    from hpcadmm.compare.compare import compare as comparing

    return comparing(jobs, overrides, Options(**options), click.echo)


@click.command()
@click.argument("job", type=FILE)
@click.option("--vary", "texts", multiple=True, required=True, metavar="KEY=RANGE",
              help="solver.gamma=log:0.1:100, ...=uniform:LOW:HIGH, ...=int:LOW:HIGH or ...=choice:A,B; "
              "repeatable.")  # fmt: skip
@click.option("--budget", type=click.IntRange(min=1), required=True, metavar="N", help="Trials in all.")
@RANKS
@click.option("--metric", type=click.Choice(["test_accuracy", "test_error", "objective", "seconds-to-target"]),
              default="test_accuracy", show_default=True, help="On the held-out samples, at the end.")  # fmt: skip
@click.option("--target", type=float, metavar="ACC", help="For seconds-to-target: the accuracy, a fraction.")
@click.option("--validation", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="F",
              help="The share of the training part that is held out.  [default: the job's data.validation, or 0.1]",
              )  # fmt: skip
@click.option("--out", type=FOLDER, help="Folder; by default one in results/tune.")
@OVERRIDES
@LAUNCHER
def tune(job: Path, overrides: tuple[str, ...], texts: tuple[str, ...], **options: Any) -> int:
    """Run JOB with values drawn from what --vary says, and write the best of them as a job: OUT/best.toml.

    The first trial is JOB as it stands, the others follow a Sobol sequence. The score is taken on samples that are held
    out of the training part (data.validation); the test part is never read. OUT also holds summary.md, table.csv,
    figure.png and the run folders; called again, also with a larger --budget, it goes on. A trial that fails, or whose
    values do not go together, is a row. Exit code 0 if a trial has a score, else 1.
    """
    refuse_launcher()
    from hpcadmm.compare.tune import Options
    from hpcadmm.compare.tune import tune as tuning

    return tuning(job, overrides, texts, Options(**options), click.echo)
