"""`hpcadmm scaling`: one job on several numbers of ranks, started by the command itself."""

from pathlib import Path

import click

from hpcadmm.cli import scaling_model
from hpcadmm.comm.launch import without_mpi

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def scaling() -> None:
    """How a job's time changes with the ranks: measure it, report on it."""


for command in (scaling_model.machine, scaling_model.probe, scaling_model.model, scaling_model.advise):
    scaling.add_command(command)


@scaling.command("run")
@click.argument("experiment", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=FOLDER, help="Folder; by default one in results/scaling.")
@click.option("--only-ranks", "only", type=click.IntRange(min=1), multiple=True, metavar="N",
              help="Take the samples of this number of ranks only; repeatable.")  # fmt: skip
@click.option("--launcher", metavar="COMMAND", help="Instead of mpiexec, in a Slurm allocation without one srun.")
def run_command(experiment: Path, out: Path | None, only: tuple[int, ...], launcher: str | None) -> int:
    """Measure the points of EXPERIMENT, a TOML file (see jobs/scaling), one process after the other, in turns.

    Called again with the same --out it goes on: samples that are there are not taken again. Exit code 0 if all samples
    were taken and the results agree, 1 if not, 75 after a signal: the same command goes on.
    """
    without_mpi()
    from hpcadmm.scaling.run import Options, run

    return run(experiment, Options(out, launcher, only), click.echo)


@scaling.command("report")
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("-o", "--out", type=FOLDER, help="Where to; by default into the folder itself.")
def report_command(folders: tuple[Path, ...], out: Path | None) -> int:
    """Write what the samples in FOLDERS say: report.md, report.csv, report.json, extrap.json (for Extra-P), figures.

    Prints a line `FOM name = value` for each figure. Exit code 1 if a study is void: if its results depend on the
    number of ranks.
    """
    without_mpi()
    from hpcadmm.scaling.report import report

    return report(folders, out, click.echo)
