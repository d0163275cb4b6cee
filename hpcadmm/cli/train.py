"""`hpcadmm train` and `hpcadmm resume`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpcadmm.cli import importing
from hpcadmm.cli.options import FILE, FOLDER, PATH, SET, warn
from hpcadmm.comm.launch import phase, start_mpi
from hpcadmm.comm.launcher import expected_rank
from hpcadmm.comm.signals import heed

if TYPE_CHECKING:
    from hpcadmm.comm.world import World
    from hpcadmm.training.origin import Origin
    from hpcadmm.training.progress import Progress

QUIET = click.option("--quiet", is_flag=True, help="Print errors only.")


@click.command()
@click.argument("job", type=FILE)
@SET
@click.option("--out", type=FOLDER, help="Run folder (default: a new one in results/runs).")
@click.option("--from", "source", type=PATH, metavar="RUN", help="Begin with the weights of RUN.")
@click.option("--last", is_flag=True, help="With --from: its newest weights, although it keeps the best (save.best).")
@click.option("--print-job", is_flag=True, help="Print the job with every key and default filled in, and exit.")
@QUIET
def train(
    job: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    source: Path | None,
    last: bool,
    print_job: bool,
    quiet: bool,
) -> None:
    """Train the network described by the job file JOB, on all ranks of mpirun or srun.

    Ctrl-C, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU and a closed terminal (without nohup) save a checkpoint and exit with
    code 75; continue with `hpcadmm resume`. A second Ctrl-C exits at once. MPICH's mpiexec passes on Ctrl-C,
    SIGTERM and SIGUSR1; others end it and its ranks unsaved: if its terminal may close, start it with nohup or setsid.

    --from fine-tunes: the data are scaled as in RUN, their features must be the same, [network] is that of RUN. With
    other classes the last layer begins anew.
    """
    if print_job:
        print_resolved(job, overrides)
        return
    world, progress = started(quiet)
    from hpcadmm.job.job import read
    from hpcadmm.training import loop

    with phase("reading the job file"):
        parsed = read(job, overrides, world)
    loop.train(parsed, out, world, progress, begun(source, last, world))


@click.command()
@click.argument("run", type=FOLDER)
@SET
@QUIET
def resume(run: Path, overrides: tuple[str, ...], quiet: bool) -> None:
    """Resume RUN from its newest valid checkpoint, on any number of ranks."""
    world, progress = started(quiet)
    from hpcadmm.training import loop

    loop.resume(run, overrides, world, progress)


def begun(source: Path | None, last: bool, world: "World") -> "Origin | None":
    """The network of --from. Collective."""
    if source is None:
        if last:
            raise click.UsageError("--last belongs to --from RUN")
        return None
    from hpcadmm.after.trained import origin_of

    return origin_of(source, "last" if last else None, world, warn)


def started(quiet: bool) -> "tuple[World, Progress]":
    """Handle signals, start MPI and import the training loop. Collective."""
    heed()
    with importing():
        world = start_mpi()
        import hpcadmm.training.loop  # noqa: F401 (the commands use it)
        from hpcadmm.training.progress import Progress

    return world, Progress(world.first and not quiet)


def print_resolved(job: Path, overrides: tuple[str, ...]) -> None:
    """Print the job with all defaults, on one rank."""
    with importing():
        from hpcadmm.job.job import parse, source

    if expected_rank() == 0:
        click.echo(parse(source(job), overrides, default_name=job.stem).to_toml(), nl=False)
