"""`hpcadmm scaling`: measure a job on several rank counts, and predict what was not measured."""

import json
from pathlib import Path
from typing import Any

import click

from hpcadmm.cli import Group
from hpcadmm.cli.options import CLUSTER, COUNT, FILE, FOLDER, LAUNCHER, SET, combined
from hpcadmm.comm.launch import refuse_launcher, start_mpi
from hpcadmm.errors import UsageError

BATCH = combined(
    click.option("--slurm", is_flag=True, help="Submit one batch job per rank count instead."),
    click.option("--wait", is_flag=True, help="With --slurm: wait until all jobs have ended."),
    click.option("--time", metavar="[D-]HH:MM:SS",
                 help="Time limit per job (this and the following options need --slurm)."),
    *CLUSTER,
)  # fmt: skip
MODEL = combined(
    click.option("--machine", "file", type=FILE, help="Output of `hpcadmm scaling machine` (default: measure now)."),
    click.option("--fabric", default="this", show_default=True, metavar="this|100g|200g|FILE",
                 help="Network between nodes: a preset of assumed numbers, or a TOML file."),
)  # fmt: skip


@click.group(cls=Group)
def scaling() -> None:
    """Measure, report and predict a job's time on several numbers of ranks."""


@scaling.command("run")
@click.argument("experiment", type=FILE)
@click.option("--out", type=FOLDER, help="Output folder (default: one in results/scaling).")
@click.option("--only-ranks", "only", type=COUNT, multiple=True, metavar="N",
              help="Measure this rank count only; repeatable.")  # fmt: skip
@LAUNCHER
@BATCH
def run_command(experiment: Path, out: Path | None, only: tuple[int, ...], launcher: str | None, slurm: bool,
                wait: bool, **asked: Any) -> int:  # fmt: skip
    """Measure the points of EXPERIMENT, a TOML file (see jobs/scaling), one after another in alternating order.

    The same command with the same --out continues and keeps the samples it finds. With --slurm it prints the job ids,
    and points alternate only within each job. Exit code: 0 if all samples were taken and the results agree, 1 if not,
    75 after a signal (run the same command again to continue).
    """
    refuse_launcher()
    from hpcadmm.scaling.run import Options, run

    asked = {name: value for name, value in asked.items() if value}
    if slurm:
        from hpcadmm.scaling.batch import submit_all

        return submit_all(experiment, Options(out, launcher, only), asked, wait, click.echo)
    if wait or asked:
        raise UsageError(f"--{next(iter(asked), 'wait').replace('_', '-')} needs --slurm")
    return run(experiment, Options(out, launcher, only), click.echo)


@scaling.command("report")
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("-o", "--out", type=FOLDER, help="Output folder (default: each folder itself).")
def report_command(folders: tuple[Path, ...], out: Path | None) -> int:
    """Write report.md, report.csv, report.json, extrap.json (for Extra-P) and figures from the samples in FOLDERS.

    Prints one line `FOM name = value` per figure. Exit code 1 if a study is void because its results depend on the
    number of ranks.
    """
    refuse_launcher()
    from hpcadmm.scaling.report import report

    return report(folders, out, click.echo)


@scaling.command()
@click.option("-o", "--out", type=FILE, default="machine.json", show_default=True, help="Output file.")
@click.option("--ranks", metavar="N,N,...", help="Rank counts to measure with (default: 1 and the number of cores).")
@click.option("--launcher", metavar="COMMAND", help="Launcher that accepts -n N (default: mpiexec).")
@click.option("--quick", is_flag=True, help="Fewer shapes and repeats: seconds instead of a minute or two.")
def machine(out: Path, ranks: str | None, launcher: str | None, quick: bool) -> int:
    """Measure this machine's speed for `model` and `advise`: matrix products by shape, memory passes, small
    factorisations, messages. Leave all cores free."""
    refuse_launcher()
    from hpcadmm.experiments.launcher import usable_cores
    from hpcadmm.performance.machine import counts, doubts, measured, write

    found = measured(
        counts(ranks, usable_cores(), launcher is not None), launcher, ["--quick"] if quick else [], click.echo
    )
    write(found, out)
    click.echo("\n".join([*(f"note: {doubt}" for doubt in doubts(found)), f"written: {out}"]))
    return 0


@scaling.command(hidden=True)
@click.option("--quick", is_flag=True)
@click.option("--precision", "precisions", multiple=True)
@click.option("--activation", "activations", multiple=True)
@click.option("--loss", "losses", multiple=True)
def probe(**given: Any) -> int:
    """Measure this rank; started by `machine` under the launcher."""
    world = start_mpi()
    from threadpoolctl import threadpool_limits

    from hpcadmm.performance import probe as probing
    from hpcadmm.storage.environment import environment

    with threadpool_limits(1):
        found = probing.probe(world, probing.Wanted(**{name: value for name, value in given.items() if value}))
        found["environment"] = environment(world, 1, world.library)
    if world.first:
        click.echo(json.dumps(found, allow_nan=False))
    return 0


@scaling.command()
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@MODEL
@click.option("--most", type=COUNT, default=10_000, show_default=True, help="Largest number of ranks.")
@click.option("--kind", type=click.Choice(["strong", "weak", "layers", "grids"]),
              help="What grows with the ranks (default: as in the experiment).")  # fmt: skip
@click.option("-o", "--out", type=FOLDER, required=True, help="Output folder for model.md, .csv, .json and .png.")
def model(folders: tuple[Path, ...], file: Path | None, out: Path, **options: Any) -> int:
    """Predict iteration times on many more ranks than `hpcadmm scaling run` measured in FOLDERS.

    Fits each solver's unknown factors to the measured points, reports the error on points left out, and the number of
    ranks beyond which more do not help, with the reason. Predictions are never drawn as measurements.
    """
    refuse_launcher()
    from hpcadmm.performance.study import study

    return study(folders, file, out, click.echo, **options)


@scaling.command()
@click.argument("job", type=FILE)
@click.option("--ranks", type=COUNT, required=True, help="Largest number of ranks.")
@SET
@MODEL
@click.option("--fitted", type=FILE, metavar="model.json",
              help="Use the solver's factors from this output of `hpcadmm scaling model`.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def advise(job: Path, overrides: tuple[str, ...], file: Path | None, **options: Any) -> int:
    """Recommend a number of ranks and a grid for JOB.

    Compares all rank counts up to RANKS and all grids of the solver by predicted seconds per iteration. Recommends the
    fewest ranks within 10 % of the fastest at an efficiency of at least one half.
    """
    refuse_launcher()
    from hpcadmm.performance.advise import advising

    return advising(job, overrides, file, click.echo, **options)
