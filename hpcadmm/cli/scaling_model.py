"""`hpcadmm scaling machine`, `model` and `advise`: predict what has not been measured."""

import json
from pathlib import Path
from typing import Any

import click

from hpcadmm.comm.launch import refuse_launcher, start_mpi

FOLDER = click.Path(readable=False, path_type=Path, file_okay=False)
FILE = click.Path(readable=False, path_type=Path, dir_okay=False)
FABRIC = click.option("--fabric", default="this", show_default=True, metavar="this|100g|200g|FILE",
                      help="The network between nodes: a preset (assumed numbers), or a TOML file.")  # fmt: skip
MACHINE = click.option("--machine", "file", type=FILE, help="What `hpcadmm scaling machine` wrote; else measured now.")


@click.command()
@click.option("-o", "--out", type=FILE, default="machine.json", show_default=True, help="The file to write.")
@click.option("--ranks", metavar="N,N,...", help="Ranks at once.  [default: 1 and as many as cores]")
@click.option("--launcher", metavar="COMMAND", help="Instead of mpiexec; it has to take -n N.")
@click.option("--quick", is_flag=True, help="Fewer shapes and repeats: seconds instead of a minute or two.")
def machine(out: Path, ranks: str | None, launcher: str | None, quick: bool) -> int:
    """Measure what this machine does in a second, for `model` and `advise`: products by shape, passes over memory,
    small factors, messages. All cores should be free."""
    refuse_launcher()
    from hpcadmm.bench.scaling import usable_cores
    from hpcadmm.performance.probing import counts, doubts, measured, write

    found = measured(counts(ranks, usable_cores()), launcher, ["--quick"] if quick else [], click.echo)
    write(found, out)
    for doubt in doubts(found):
        click.echo(f"note: {doubt}")
    click.echo(f"written: {out}")
    return 0


@click.command(hidden=True)
@click.option("--quick", is_flag=True)
@click.option("--precision", "precisions", multiple=True)
@click.option("--activation", "activations", multiple=True)
@click.option("--loss", "losses", multiple=True)
def probe(**given: Any) -> int:
    """What `machine` starts under the launcher."""
    world = start_mpi()
    from threadpoolctl import threadpool_limits

    from hpcadmm.performance.probe import Wanted
    from hpcadmm.performance.probe import probe as probing
    from hpcadmm.storage.environment import environment

    with threadpool_limits(1):
        found = probing(world, Wanted(**{name: value for name, value in given.items() if value}))
        found["environment"] = environment(world, 1, world.library)
    if world.first:
        click.echo(json.dumps(found, allow_nan=False))
    return 0


@click.command()
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@MACHINE
@FABRIC
@click.option("--most", type=click.IntRange(min=1), default=10_000, show_default=True, help="Ranks at most.")
@click.option("--kind", type=click.Choice(["strong", "weak", "layers", "grids"]),
              help="What grows with the ranks.  [default: as in the experiment]")  # fmt: skip
@click.option("-o", "--out", type=FOLDER, required=True, help="Folder for model.md, .csv, .json and .png.")
def model(folders: tuple[Path, ...], file: Path | None, out: Path, **options: Any) -> int:
    """Predict the time of an iteration on many more ranks than were measured by `hpcadmm scaling run` in FOLDERS.

    Fits what the machine's rates do not tell of each solver to the measured points, says how wrong that is on points
    left out, and where adding ranks no longer helps, and why. Predictions are never drawn as measurements.
    """
    refuse_launcher()
    from hpcadmm.performance.study import Options, study

    return study(folders, file, out, Options(**options), click.echo)


@click.command()
@click.argument("job", type=FILE)
@click.option("--ranks", type=click.IntRange(min=1), required=True, help="At most so many.")
@click.option("--set", "overrides", multiple=True, metavar="TABLE.KEY=VALUE", help="Override the job; repeatable.")
@MACHINE
@FABRIC
@click.option("--fitted", type=FILE, metavar="model.json", help="Of `hpcadmm scaling model`: use its solver's factors.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def advise(job: Path, overrides: tuple[str, ...], file: Path | None, **options: Any) -> int:
    """How many ranks, and which grid, for JOB?

    All rank counts up to RANKS and all grids that its solver takes, by predicted seconds an iteration; the advice is
    the fewest ranks that are within 10 % of the fastest at an efficiency of half or more.
    """
    refuse_launcher()
    from hpcadmm.performance.advise import Options, advising

    return advising(job, overrides, file, Options(**options), click.echo)
