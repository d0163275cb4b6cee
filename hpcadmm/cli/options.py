"""What several commands share: path types, options, and output as JSON or as text and tables."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpcadmm.registry import loaded

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDE = 200  # characters per line when the output is not a terminal
PATH = click.Path(readable=False, path_type=Path)
FILE = click.Path(readable=False, path_type=Path, dir_okay=False)
FOLDER = click.Path(readable=False, path_type=Path, file_okay=False)
COUNT = click.IntRange(min=1)
KEY = "TABLE.KEY=VALUE"

SET = click.option("--set", "overrides", multiple=True, metavar=KEY, help="Override a key of the job; repeatable.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
KIND = click.option("--as", "kind", metavar="NAME", help="Read the file as this dataset instead of detecting it.")
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


def names(registry: str) -> Callable[..., list[str]]:
    """Completes the names of a registry, "package.module:REGISTRY"."""

    def complete(ctx: click.Context, argument: click.Parameter, incomplete: str) -> list[str]:
        return [name for name in loaded(registry) if name.startswith(incomplete)]

    return complete


def combined(*options: Callable[..., Any]) -> Callable[..., Any]:
    """One decorator that adds all options, in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def of_data(required: bool) -> Callable[..., Any]:
    """The options of a command that drafts a job for data; required: it cannot do without."""
    solver = names("hpcadmm.solvers:SOLVERS")
    last = "" if not required else " (default: the last)"
    return combined(
        click.option(
            "--data", "source", required=required, metavar="FILE|NAME", help="Data file, or one of `hpcadmm datasets`."
        ),
        click.option("--target", metavar="COLUMN", help=f"Column to predict, by name or number{last}."),
        click.option(
            "--task", type=click.Choice(["classification", "regression"]), help="What the target is (default: found)."
        ),
        click.option("--solver", metavar="NAME", shell_complete=solver, help="A solver (default: mpadmm)."),
        KIND,
    )


def console(width: int | None = None) -> "Console":
    """Standard output as a rich console. Names are printed literally, even `[bold]` and `:smile:`."""
    from rich.console import Console

    return Console(width=width, markup=False, emoji=False, highlight=False)


def report(result: Any, as_json: bool, parts: Callable[[int], "Iterable[RenderableType]"]) -> None:
    """Print the result as standard JSON (NaN becomes null), or as the readable `parts(width)`."""
    if as_json:
        from hpcadmm.storage.readers import plain

        click.echo(json.dumps(plain(result), indent=2, allow_nan=False))
        return
    out = console(None if sys.stdout.isatty() else WIDE)
    for part in parts(out.width):
        out.print(part, soft_wrap=isinstance(part, str))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], whole: bool = False) -> None:
    """Print a table. whole: cut no text off, and use long lines if the output is no terminal."""
    from rich.table import Table

    made = Table()
    for name in head:
        made.add_column(name, overflow="fold" if whole else "ellipsis")
    for row in rows:
        made.add_row(*row)
    console(WIDE if whole and not sys.stdout.isatty() else None).print(made)


def warn(line: str) -> None:
    """Print a warning on standard error."""
    click.echo(f"Warning: {line}", err=True)
