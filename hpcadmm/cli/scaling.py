"""`hpcadmm scaling`: one job on several numbers of ranks, started by the command itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hpcadmm.cli import Group, scaling_model
from hpcadmm.cli.slurm import CLUSTER
from hpcadmm.comm.launch import refuse_launcher
from hpcadmm.errors import UsageError

FOLDER = click.Path(readable=False, path_type=Path, file_okay=False)
BATCH = (
    click.option("--time", metavar="[D-]HH:MM:SS", help="With --slurm, as all that follow: limit of a job."),
    *CLUSTER,
    click.option("--ntasks-per-node", type=int, metavar="N", help="Ranks a node."),
    click.option("--setup", multiple=True, metavar="LINE", help="A shell command that runs first; repeatable."),
    click.option("--mpi", metavar="PLUGIN", help="Of srun.  [default: of the MPI library, or the cluster's]"),
)


def batch_options(command: Callable[..., int]) -> Callable[..., int]:
    """What a batch job may ask of Slurm; `hpcadmm slurm submit` has the same."""
    for option in reversed(BATCH):
        command = option(command)
    return command


@click.group(cls=Group)
def scaling() -> None:
    """How a job's time changes with the ranks: measure it, report on it."""


for command in (scaling_model.machine, scaling_model.probe, scaling_model.model, scaling_model.advise):
    scaling.add_command(command)


@scaling.command("run")
@click.argument("experiment", type=click.Path(readable=False, path_type=Path, dir_okay=False))
@click.option("--out", type=FOLDER, help="Folder; by default one in results/scaling.")
@click.option("--only-ranks", "only", type=click.IntRange(min=1), multiple=True, metavar="N",
              help="Take the samples of this number of ranks only; repeatable.")  # fmt: skip
@click.option("--launcher", metavar="COMMAND", help="Instead of mpiexec, in a Slurm allocation without one srun.")
@click.option("--slurm", is_flag=True, help="Submit a batch job for each number of ranks instead.")
@click.option("--wait", is_flag=True, help="With --slurm: until all jobs have ended.")
@batch_options
def run_command(experiment: Path, out: Path | None, only: tuple[int, ...], launcher: str | None, slurm: bool,
                wait: bool, **asked: Any) -> int:  # fmt: skip
    """Measure the points of EXPERIMENT, a TOML file (see jobs/scaling), one process after the other, in turns.

    Called again with the same --out it goes on: samples that are there are not taken again. Exit code 0 if all samples
    were taken and the results agree, 1 if not, 75 after a signal: the same command goes on. With --slurm it prints the
    ids of the jobs; turns are then taken within each job only.
    """
    refuse_launcher()
    from hpcadmm.scaling.run import Options, run

    asked = {name: value for name, value in asked.items() if value}
    if slurm:
        from hpcadmm.scaling.batch import submit_all

        return submit_all(experiment, Options(out, launcher, only), asked, wait, click.echo)
    if wait or asked:
        raise UsageError(f"--{next(iter(asked), 'wait').replace('_', '-')} goes with --slurm")
    return run(experiment, Options(out, launcher, only), click.echo)


@scaling.command("report")
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("-o", "--out", type=FOLDER, help="Where to; by default into the folder itself.")
def report_command(folders: tuple[Path, ...], out: Path | None) -> int:
    """Write what the samples in FOLDERS say: report.md, report.csv, report.json, extrap.json (for Extra-P), figures.

    Prints a line `FOM name = value` for each figure. Exit code 1 if a study is void: if its results depend on the
    number of ranks.
    """
    refuse_launcher()
    from hpcadmm.scaling.report import report

    return report(folders, out, click.echo)
