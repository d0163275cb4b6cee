"""`hpcadmm evaluate`, `predict`, `show`, `plot`, `export`: what one does with a run."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from hpcadmm.comm.launcher import expected_rank

RUN = click.argument("run", type=click.Path(readable=False, path_type=Path))
ITERATION = click.option("--iteration", type=int, metavar="K", help="The checkpoint of this iteration, not the newest.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
FORCE = click.option("--force", is_flag=True, help="Replace FILE if it is there.")
ACROSS = ("iterations", "seconds", "rounds", "payload", "bytes")
UP = ("objective", "objective error", "primal residual", "accuracy", "mean squared error")
WIDE = 200  # characters a line where the output is no terminal


def to_file(endings: str) -> Any:
    """The option that names the file to write."""
    path = click.Path(readable=False, path_type=Path)
    return click.option("-o", "out", required=True, metavar="FILE", type=path, help=endings)


@click.command()
@RUN
@click.option("--data", "overrides", multiple=True, metavar="KEY=VALUE",
              help="Other data: a key of the run's [data] table (KEY= unsets it), a dataset's name, the path of a data "
              "file, or a TOML file with a table [data]; repeatable.")  # fmt: skip
@click.option("--part", type=click.Choice(["train", "test", "all"]),
              help="Which samples; by default the test part, or all of a file that has none.")  # fmt: skip
@ITERATION
@JSON
def evaluate(run: Path, overrides: tuple[str, ...], part: str | None, iteration: int | None, as_json: bool) -> None:
    """Measure the network of RUN: accuracy, a row for each class, confusion matrix; or the errors of a regression.

    On the run's own data, or on others, which are scaled as those of the training were. Under mpirun on all ranks.
    """
    from hpcadmm.comm.launch import start_mpi

    world = start_mpi()
    from hpcadmm.after import evaluate as evaluating

    result = evaluating.evaluate(run, overrides, part, iteration, world, warn)
    if world.first:
        report(result, as_json, lambda width: evaluating.shown(result))


@click.command()
@RUN
@click.argument("source", metavar="INPUT", type=click.Path(readable=False, path_type=Path))
@to_file(".csv, .npz or .h5.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of [data] for INPUT.")
@click.option("--ignore", "ignored", metavar="COLUMN",
              help="The csv column that is no feature, by name or number from 0; if there is one, by default the "
              "last.")  # fmt: skip
@ITERATION
@FORCE
def predict(run: Path, source: Path, out: Path, settings: tuple[str, ...], ignored: str | None,
            iteration: int | None, force: bool) -> None:  # fmt: skip
    """Write what the network of RUN says of the samples in INPUT: class, name and scores, or a regression's values.

    INPUT is .npz or HDF5 (array X), csv, LIBSVM or IDX images; labels are not needed, nor looked at. The features are
    scaled as in the training.
    """
    from hpcadmm.comm.launch import start_mpi

    world = start_mpi()
    from hpcadmm.after import predict as predicting

    how = predicting.Reading(settings, ignored)
    said = predicting.predict(run, source, out, how, force, iteration, world, warn)
    if world.first:
        click.echo(f"{said['out']}: {said['samples']} samples, {', '.join(said['holds'])}")


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(readable=False, path_type=Path))
@JSON
def show(runs: tuple[Path, ...], as_json: bool) -> None:
    """Print a table of RUNS, by default of all in results/runs: what they are, how far they came, what they reached."""
    from hpcadmm.after import show as showing

    rows = showing.show(runs)
    if rows or as_json:
        report(rows, as_json, lambda width: [showing.shown(rows, width)])
    else:
        click.echo(f"there are no runs in {showing.RUNS}")


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(readable=False, path_type=Path))
@to_file(".png, .svg or .pdf.")
@click.option(
    "--x",
    "across",
    multiple=True,
    type=click.Choice(ACROSS),
    default=ACROSS[:2],
    show_default=True,
    help="What lies across; may be repeated.",
)
@click.option("--y", "up", multiple=True, type=click.Choice(UP), help="What is drawn, all of it by default.")
def plot(runs: tuple[Path, ...], out: Path, across: tuple[str, ...], up: tuple[str, ...]) -> None:
    """Draw objective, residual and accuracy (or error) of RUNS, several overlaid."""
    from hpcadmm.after import plot as plotting

    click.echo(plotting.plot(runs, out, across, up))


@click.command()
@RUN
@to_file(".npz or .onnx.")
@ITERATION
@FORCE
def export(run: Path, out: Path, iteration: int | None, force: bool) -> None:
    """Write the network of RUN for other programs: numpy's .npz, or an ONNX graph that takes features unscaled."""
    from hpcadmm.after import export as exporting
    from hpcadmm.comm.world import World

    if expected_rank() == 0:
        said = exporting.export(run, out, force, iteration, World.without_mpi(), warn)
        click.echo(f"{said['out']}: network {said['sizes']} of iteration {said['iteration']}")


def warn(line: str) -> None:
    """Tell of a checkpoint that is not used."""
    click.echo(f"Warning: {line}", err=True)


def report(result: Any, as_json: bool, parts: Any) -> None:
    """Print JSON that every reader takes (null for NaN), or the parts for people, `parts(width)`."""
    from hpcadmm.storage.readers import plain

    if as_json:
        click.echo(json.dumps(plain(result), indent=2, allow_nan=False))
        return
    from hpcadmm.cli.console import console

    out = console(None if sys.stdout.isatty() else WIDE)
    for part in parts(out.width):
        out.print(part, soft_wrap=isinstance(part, str))
