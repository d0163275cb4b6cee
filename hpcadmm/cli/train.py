"""`hpcadmm train` and `hpcadmm resume`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpcadmm.cli import importing
from hpcadmm.cli.options import FILE, FOLDER, PATH, SET, of_data, warn
from hpcadmm.comm.launch import phase, start_mpi
from hpcadmm.comm.launcher import expected_rank
from hpcadmm.comm.signals import heed

if TYPE_CHECKING:
    from hpcadmm.comm.world import World
    from hpcadmm.job.job import Job
    from hpcadmm.training.callbacks import Callback
    from hpcadmm.training.origin import Origin
    from hpcadmm.training.progress import Progress

PLAIN = {"source": "data", "kind": "as"}  # options by the names of their values
QUIET = click.option("--quiet", is_flag=True, help="Print errors only.")


@click.command()
@click.argument("job", type=FILE, required=False)
@of_data(required=False)
@SET
@click.option("--out", type=FOLDER, help="Run folder (default: a new one in results/runs).")
@click.option("--from", "origin", type=PATH, metavar="RUN", help="Begin with the weights of RUN.")
@click.option("--last", is_flag=True, help="With --from: its newest weights, although it keeps the best (save.best).")
@click.option("--print-job", is_flag=True, help="Print the job with every key and default filled in, and exit.")
@QUIET
def train(
    job: Path | None, out: Path | None, origin: Path | None, last: bool, print_job: bool, quiet: bool, **asked: Any
) -> None:
    """Train the network described by the job file JOB, on all ranks of mpirun or srun.

    Without JOB, `--data FILE --target COLUMN` chooses loss, network, solver, scaling, samples to hold out and stopping
    rules for the data, says so, and leaves a job file in the run folder. --set, --out and the others work as with JOB.

    Ctrl-C, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU and a closed terminal (without nohup) save a checkpoint and exit with
    code 75; continue with `hpcadmm resume`. A second Ctrl-C exits at once. MPICH's mpiexec passes on Ctrl-C,
    SIGTERM and SIGUSR1; others end it and its ranks unsaved: if its terminal may close, start it with nohup or setsid.

    --from fine-tunes: the data are scaled as in RUN, their features must be the same, [network] is that of RUN. With
    other classes the last layer begins anew.
    """
    check_asked(job, asked)
    if print_job:
        print_resolved(job, asked)
        return
    world, progress = started(quiet)
    from hpcadmm.training import loop

    parsed, callbacks = job_for(job, asked, world, progress)
    loop.train(parsed, out, world, progress, begun(origin, last, world), callbacks)


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


def check_asked(job: Path | None, asked: dict[str, Any]) -> None:
    """Raise UsageError unless there is a job file, or data and nothing that contradicts them."""
    given = [f"--{PLAIN.get(key, key)}" for key, value in asked.items() if value and key != "overrides"]
    if job is None and not asked["source"]:
        raise click.UsageError("name a job file, JOB, or train without one: --data FILE --target COLUMN")
    if job is not None and given:
        other = "for other data --set data.path=FILE, for another solver --set solver.name=NAME"
        raise click.UsageError(f"{job} and {', '.join(given)}: leave out one of the two; {other}")


def job_for(
    job: Path | None, asked: dict[str, Any], world: "World", progress: "Progress"
) -> "tuple[Job, list[Callback]]":
    """The job of a file, or of data, and who leaves that in the run folder. Collective."""
    if job is not None:
        from hpcadmm.job.job import read

        with phase("reading the job file"):
            return read(job, asked["overrides"], world), []
    from hpcadmm.training.drafting import draft

    made, kept = draft(world, progress, **asked)
    return made, [kept]


def print_resolved(job: Path | None, asked: dict[str, Any]) -> None:
    """Print the job with all defaults, on one rank."""
    with importing():
        from hpcadmm.job.draft import drafted
        from hpcadmm.job.job import parse, source

    if expected_rank() > 0:
        return
    if job is None:
        made = parse(drafted(**asked, named=True).text)
    else:
        made = parse(source(job), asked["overrides"], default_name=job.stem)
    click.echo(made.to_toml(), nl=False)
