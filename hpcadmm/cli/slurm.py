"""`hpcadmm slurm`: batch jobs. None of its commands starts MPI."""

import json
from pathlib import Path
from typing import Any

import click

from hpcadmm.cli import Group
from hpcadmm.cli.options import CLUSTER, FILE, FOLDER, JSON, KEY, PATH, combined
from hpcadmm.comm.launcher import expected_rank

REQUEST = combined(
    click.argument("target", metavar="JOB|RUN", type=PATH),
    click.option("--nodes", type=int, metavar="N", help="Nodes."),
    click.option("--ntasks", type=int, metavar="N", help="Total number of ranks (default: nodes x ranks per node)."),
    click.option("--cpus-per-task", type=int, metavar="N", help="Cores per rank; see `threads` in the job file."),
    click.option("--time", metavar="[D-]HH:MM:SS", help="Time limit of one start; the run continues in the next."),
    *CLUSTER,
    click.option("--array", metavar="TASKS", help="Array of runs, such as 0-4; the task number is the seed."),
    click.option("--launcher", type=click.Choice(["srun", "mpirun"]), default="srun", show_default=True,
                 help="Program that starts the ranks."),
    click.option("--module", "modules", multiple=True, metavar="NAME",
                 help="Module to load; the script calls the hpcadmm that modules put on the PATH. Repeatable."),
    click.option("--container", type=PATH, metavar="IMAGE", help="Apptainer image whose hpcadmm the script calls."),
    click.option("--signal", default="120", show_default=True, metavar="[NAME@]SECONDS",
                 help="Save this long before the time limit: longer than an iteration and a checkpoint take. NAME: the "
                      "signal, USR1 or HUP, INT, TERM, USR2, XCPU."),
    click.option("--name", metavar="NAME", help="Job name (default: that of the job file)."),
    click.option("--out", type=FOLDER, help="Run folder, OUT-<task> in an array (default: one in results/runs)."),
    click.option("--set", "settings", multiple=True, metavar=KEY, help="Override a key of the job; repeatable."),
)  # fmt: skip


@click.group(cls=Group)
def slurm() -> None:
    """Write batch scripts for Slurm, submit them, and show the status of their runs."""


@slurm.command("script")
@REQUEST
@click.option("-o", "to", type=FILE, metavar="FILE", help="Write the script to FILE instead of printing it.")
def script_command(target: Path, out: Path | None, settings: tuple[str, ...], to: Path | None, **asked: Any) -> None:
    """Write a script for sbatch that trains JOB, or resumes RUN, each time Slurm starts it."""
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
@REQUEST
def submit_command(target: Path, out: Path | None, settings: tuple[str, ...], **asked: Any) -> None:
    """Write the script RUN.sbatch next to the run folder and submit it. The ranks' output goes to RUN.out.

    Under a launcher only one rank submits. The exit code is 0 once the job id is printed.
    """
    from hpcadmm.slurm import plan, status, submit

    if expected_rank() > 0:
        return
    run, request = plan.plan(target, out, settings, asked)
    job = submit.submit(plan.write(run, request))
    click.echo(f"job {job}\nrun folder {run.run}{'-<task>' if request.array is not None else ''}")
    if fault := status.note(run.run, job):
        click.echo(f"Warning: job {job} is submitted, but `hpcadmm slurm status` cannot find it: {fault}", err=True)


@slurm.command("status")
@click.argument("run", type=FOLDER)
@JSON
def status_command(run: Path, as_json: bool) -> None:
    """Show RUN, or all runs of the array RUN: state, restarts, iterations, last checkpoint and output."""
    from hpcadmm.slurm.status import shown, status

    found = status(run)
    click.echo(json.dumps(found, indent=2) if as_json else "\n\n".join(map(shown, found)))


@slurm.command("next", hidden=True)
@click.argument("run", type=FOLDER)
@click.option("--set", "changes", multiple=True, metavar=KEY)
def next_command(run: Path, changes: tuple[str, ...]) -> None:
    """For the script: print train, resume or finished. Fails after two starts without progress."""
    from hpcadmm.slurm.turn import turn

    click.echo(turn(run, changes))
