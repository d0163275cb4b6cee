"""`hpcadmm slurm`: batch jobs. No command of it starts MPI."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hpcadmm.cli import Group
from hpcadmm.comm.launcher import expected_rank

RUN = click.Path(readable=False, path_type=Path, file_okay=False)
FILE = click.Path(readable=False, path_type=Path, dir_okay=False)
# Checked by hpcadmm.slurm.request, all at once.
CLUSTER = (
    click.option("--partition", metavar="NAME"),
    click.option("--account", metavar="NAME"),
    click.option("--qos", metavar="NAME"),
    click.option("--constraint", metavar="FEATURES"),
    click.option("--mem", metavar="SIZE", help="Memory a node, as 16G."),
)
OPTIONS = (
    click.option("--nodes", type=int, metavar="N", help="Nodes."),
    click.option("--ntasks", type=int, metavar="N", help="Ranks in all.  [default: nodes x ranks a node]"),
    click.option("--ntasks-per-node", type=int, metavar="N", help="Ranks a node."),
    click.option("--cpus-per-task", type=int, metavar="N", help="Cores a rank; see `threads` of the job."),
    click.option("--time", metavar="[D-]HH:MM:SS", help="Limit of one start; the run goes on in the next."),
    *CLUSTER,
    click.option("--array", metavar="TASKS", help="One run a task, each with its number as the seed, as 0-4."),
    click.option("--setup", multiple=True, metavar="LINE", help="A shell command that runs first, as 'module load "
                 "openmpi'; repeatable."),
    click.option("--launcher", type=click.Choice(["srun", "mpirun"]), default="srun", show_default=True),
    click.option("--mpi", metavar="PLUGIN", help="Of srun.  [default: that of the MPI library here, or the cluster's]"),
    click.option("--signal", type=int, default=120, show_default=True, metavar="SECONDS",
                 help="Save so long before the limit: longer than an iteration and a checkpoint take."),
    click.option("--name", metavar="NAME", help="Of the job.  [default: that of the job file]"),
    click.option("--out", type=RUN, help="Run folder, in an array OUT-<task>; by default one in results/runs."),
    click.option("--set", "settings", multiple=True, metavar="TABLE.KEY=VALUE", help="Override the job; repeatable."),
)  # fmt: skip


def requested(command: Callable[..., None]) -> Callable[..., None]:
    """The argument and the options of a request."""
    for option in reversed(OPTIONS):
        command = option(command)
    return click.argument("target", metavar="JOB|RUN", type=click.Path(readable=False, path_type=Path))(command)


@click.group(cls=Group)
def slurm() -> None:
    """Batch jobs under Slurm: write the script, submit it, see what became of it."""


@slurm.command("script")
@requested
@click.option("-o", "to", type=FILE, metavar="FILE", help="Write it there instead of printing it.")
def script_command(target: Path, out: Path | None, settings: tuple[str, ...], to: Path | None, **asked: Any) -> None:
    """Write the script that sbatch takes: it trains as JOB says, or goes on with RUN, as often as Slurm starts it."""
    from hpcadmm.slurm import plan
    from hpcadmm.slurm.script import training

    if expected_rank() > 0:
        return
    run, request = plan.plan(target, out, settings, asked)
    if to is None:
        click.echo(training(run, request), nl=False)
    else:
        click.echo(plan.write(run, request, to))


@slurm.command("submit")
@requested
def submit_command(target: Path, out: Path | None, settings: tuple[str, ...], **asked: Any) -> None:
    """Write the script beside the run folder, as RUN.sbatch, and submit it. The ranks' output goes to RUN.out.

    Under a launcher one rank submits. After the job's number was printed the exit code is 0.
    """
    from hpcadmm.slurm import plan
    from hpcadmm.slurm.status import note
    from hpcadmm.slurm.submit import submit

    if expected_rank() > 0:
        return
    run, request = plan.plan(target, out, settings, asked)
    job = submit(plan.write(run, request))
    tasks = "-<task>" if request.array is not None else ""
    click.echo(f"job {job}\nrun folder {run.run}{tasks}")
    if fault := note(run.run, job):
        click.echo(f"Warning: job {job} is submitted, but `hpcadmm slurm status` will not know it: {fault}", err=True)


@slurm.command("status")
@click.argument("run", type=RUN)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status_command(run: Path, as_json: bool) -> None:
    """How far RUN, or each run of the array RUN, has come: state, restarts, iterations, checkpoint, last output."""
    from hpcadmm.slurm.status import shown, status

    found = status(run)
    click.echo(json.dumps(found, indent=2) if as_json else "\n\n".join(map(shown, found)))


@slurm.command("next", hidden=True)
@click.argument("run", type=RUN)
@click.option("--set", "changes", multiple=True, metavar="TABLE.KEY=VALUE")
def next_command(run: Path, changes: tuple[str, ...]) -> None:
    """For the script: what this start is to do: train, resume or finished. Fails after two without progress."""
    from hpcadmm.slurm.turn import turn

    click.echo(turn(run, changes))
