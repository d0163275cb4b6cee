"""`hpcadmm bench`."""

from pathlib import Path
from typing import Any

import click

from hpcadmm.bench.report import PARTS, Options
from hpcadmm.comm.launch import start_mpi
from hpcadmm.errors import UsageError

MANY = click.IntRange(min=1)
OVERRIDE = "TABLE.KEY=VALUE"


@click.command()
@click.argument("job", required=False, type=click.Path(readable=False, path_type=Path, dir_okay=False))
@click.option("--set", "overrides", multiple=True, metavar=OVERRIDE, help="Override the job; repeatable.")
@click.option("--iterations", type=MANY, default=7, show_default=True, help="Rounds that are measured.")
@click.option("--warm", type=MANY, help="Iterations before the first round.  [default: 3]")
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Measure this part; repeatable. Default: all.")
@click.option("--against", multiple=True, metavar=OVERRIDE, help="Compare with the job so overridden; repeatable.")
@click.option("--scaling", is_flag=True, help="Compare numbers of ranks. Starts them itself: run it without mpirun.")
@click.option("--ranks", metavar="N,N,...", help="With --scaling.  [default: 1,2]")
@click.option("--repeats", type=MANY, help="With --scaling: runs of each number of ranks.  [default: 3]")
@click.option("--launcher", metavar="COMMAND", help="With --scaling: instead of mpiexec; it has to take -n N.")
@click.option(
    "--oversubscribe", is_flag=True, help="With --scaling: allow more ranks than cores, and mark the figures."
)
@click.option("--target", type=float, metavar="RATIO", help="Exit code 1 if the ratio is above it (a speed-up: below).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def bench(job: Path | None, overrides: tuple[str, ...], scaling: bool, as_json: bool, **given: Any) -> int:
    """Measure this machine and, given a JOB, its iteration against its floor: the time of the matrix products that
    it cannot do without. Prints a line `FOM name = value` for each figure."""
    from hpcadmm.bench.scaling import Scaling, scale

    if scaling:
        world, report = None, scale(job, overrides, options(Scaling, given, "does not go with --scaling"))
    else:
        chosen, world = options(Options, given, "needs --scaling"), start_mpi()
        from hpcadmm.bench.run import run

        report = run(job, overrides, chosen, world)
    if world is None or world.first:
        click.echo(report.json() if as_json else report.text())
    return int(report.missed)


def options(cls: type, given: dict[str, Any], complaint: str) -> Any:
    """What was given on the command line as a dataclass. Raises UsageError for an option that is not one of its own."""
    chosen = {name: value for name, value in given.items() if value}
    for name in chosen:
        if name not in cls.__dataclass_fields__:  # type: ignore[attr-defined]
            raise UsageError(f"--{name} {complaint}")
    return cls(**chosen)
