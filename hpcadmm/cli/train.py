"""`hpcadmm train` and `hpcadmm resume`."""

from pathlib import Path

import click

from hpcadmm.cli import importing
from hpcadmm.comm.launch import phase, start_mpi
from hpcadmm.comm.launcher import expected_rank
from hpcadmm.comm.signals import heed

OVERRIDES = click.option(
    "--set", "overrides", multiple=True, metavar="TABLE.KEY=VALUE", help="Override the job; repeatable."
)
QUIET = click.option("--quiet", is_flag=True, help="Show nothing but errors.")


@click.command()
@click.argument("job", type=click.Path(readable=False, path_type=Path, dir_okay=False))
@OVERRIDES
@click.option(
    "--out",
    type=click.Path(readable=False, path_type=Path, file_okay=False),
    help="Run folder; by default one in results/runs.",
)
@click.option("--print-job", is_flag=True, help="Print the resolved job, every default filled in, and stop.")
@QUIET
def train(job: Path, overrides: tuple[str, ...], out: Path | None, print_job: bool, quiet: bool) -> None:
    """Train as the job file JOB says; under mpirun or srun on all their ranks.

    Ctrl-C, SIGTERM, SIGUSR1 and the end of the terminal (unless under nohup) save a checkpoint and end with exit code
    75; `hpcadmm resume` goes on. A second Ctrl-C ends at once. Under MPICH's mpiexec that holds too, but the end of
    the terminal ends mpiexec and its ranks at once: start it with nohup or setsid.
    """
    if print_job:
        print_resolved(job, overrides)
        return
    heed()
    with importing():
        world = start_mpi()
        from hpcadmm.job import job as jobs
        from hpcadmm.training import loop as training
        from hpcadmm.training import progress

    with phase("reading the job file"):
        read = jobs.read(job, overrides, world)
    training.train(read, out, world, progress.Progress(world.first and not quiet))


def print_resolved(job: Path, overrides: tuple[str, ...]) -> None:
    """Print the job with every default, by one rank."""
    with importing():
        from hpcadmm.job import job as jobs

    if expected_rank() == 0:
        click.echo(jobs.parse(jobs.source(job), overrides, default_name=job.stem).to_toml(), nl=False)


@click.command()
@click.argument("run", type=click.Path(readable=False, path_type=Path, file_okay=False))
@OVERRIDES
@QUIET
def resume(run: Path, overrides: tuple[str, ...], quiet: bool) -> None:
    """Go on with a run from its newest valid checkpoint, on any number of ranks."""
    heed()
    with importing():
        world = start_mpi()
        from hpcadmm.training import loop as training
        from hpcadmm.training import progress

    training.resume(run, overrides, world, progress.Progress(world.first and not quiet))
