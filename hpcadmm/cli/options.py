"""Path types and options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

PATH = click.Path(readable=False, path_type=Path)
FILE = click.Path(readable=False, path_type=Path, dir_okay=False)
FOLDER = click.Path(readable=False, path_type=Path, file_okay=False)
COUNT = click.IntRange(min=1)
KEY = "TABLE.KEY=VALUE"

SET = click.option("--set", "overrides", multiple=True, metavar=KEY, help="Override a key of the job; repeatable.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
FORCE = click.option("--force", is_flag=True, help="Overwrite the output file if it exists.")
LAUNCHER = click.option(
    "--launcher",
    metavar="COMMAND",
    help="Launcher that accepts -n N (default: mpiexec, or srun in a Slurm allocation without mpiexec).",
)
# hpcadmm.slurm.request checks the values of these, all together.
CLUSTER = (
    click.option("--partition", metavar="NAME", help="Partition."),
    click.option("--account", metavar="NAME", help="Account."),
    click.option("--qos", metavar="NAME", help="Quality of service."),
    click.option("--constraint", metavar="FEATURES", help="Required node features."),
    click.option("--mem", metavar="SIZE", help="Memory per node, such as 16G."),
    click.option("--ntasks-per-node", type=int, metavar="N", help="Ranks per node."),
    click.option(
        "--setup", multiple=True, metavar="LINE", help="Shell command to run first, such as 'module load'; repeatable."
    ),
    click.option("--mpi", metavar="PLUGIN", help="MPI plugin of srun (default: the one for this MPI library)."),
)


def combined(*options: Callable[..., Any]) -> Callable[..., Any]:
    """One decorator that adds all options, in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add
