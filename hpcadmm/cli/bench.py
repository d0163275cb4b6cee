"""`hpcadmm bench`."""

from pathlib import Path
from typing import Any

import click

from hpcadmm.bench.options import PARTS, Options
from hpcadmm.cli.options import COUNT, FILE, KEY, SET
from hpcadmm.comm.launch import start_mpi
from hpcadmm.errors import UsageError


@click.command()
@click.argument("job", required=False, type=FILE)
@SET
@click.option("--iterations", type=COUNT, default=7, show_default=True, help="Rounds to measure.")
@click.option("--warm", type=COUNT, help="Iterations before the first round (default: 3).")
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Part to measure; repeatable (default: all).")
@click.option(
    "--against", multiple=True, metavar=KEY, help="Compare with the job changed by this override; repeatable."
)
@click.option("--scaling", is_flag=True, help="Compare rank counts. Starts the ranks itself: run it without mpirun.")
@click.option("--ranks", metavar="N,N,...", help="Rank counts for --scaling (default: 1,2).")
@click.option("--repeats", type=COUNT, help="Runs per rank count for --scaling (default: 3).")
@click.option("--launcher", metavar="COMMAND", help="Launcher for --scaling that accepts -n N (default: mpiexec).")
@click.option("--oversubscribe", is_flag=True, help="With --scaling: allow more ranks than cores and mark the figures.")
@click.option("--target", type=float, metavar="RATIO",
              help="Exit with code 1 if the ratio is above RATIO (or the speed-up below).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def bench(job: Path | None, overrides: tuple[str, ...], scaling: bool, as_json: bool, **given: Any) -> int:
    """Benchmark this machine and, with a JOB, its iteration against its floor: the time of its matrix products alone.

    Prints one line `FOM name = value` per figure.
    """
    report, prints = (scaled if scaling else measured)(job, overrides, given)
    if prints:
        click.echo(report.json() if as_json else report.text())
    return int(report.missed)


def measured(job: Path | None, overrides: tuple[str, ...], given: dict[str, Any]) -> tuple[Any, bool]:
    """The report of this machine and job, and whether this rank prints it. Collective."""
    options = chosen(Options, given, "needs --scaling")
    world = start_mpi()
    from hpcadmm.bench.run import run

    return run(job, overrides, options, world), world.first


def scaled(job: Path | None, overrides: tuple[str, ...], given: dict[str, Any]) -> tuple[Any, bool]:
    """The report of several rank counts, and that this process prints it."""
    from hpcadmm.scaling.speedup import Scaling, scale

    return scale(job, overrides, chosen(Scaling, given, "cannot be combined with --scaling")), True


def chosen(cls: type, given: dict[str, Any], complaint: str) -> Any:
    """The options given on the command line as a dataclass. Raises UsageError for an option that it lacks."""
    present = {name: value for name, value in given.items() if value}
    for name in present:
        if name not in cls.__dataclass_fields__:  # type: ignore[attr-defined]
            raise UsageError(f"--{name} {complaint}")
    return cls(**present)
