"""`hpcadmm evaluate`, `predict`, `show`, `plot` and `export`: commands for finished runs."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpcadmm.cli.options import FORCE, JSON, PATH, report, warn
from hpcadmm.comm.launch import start_mpi
from hpcadmm.comm.launcher import expected_rank

if TYPE_CHECKING:
    from hpcadmm.after.trained import Which

RUN = click.argument("run", type=PATH)
ACROSS = ("iterations", "seconds", "rounds", "payload", "bytes")
UP = ("objective", "objective error", "primal residual", "accuracy", "mean squared error", "balanced accuracy",
      "log loss", "ROC AUC", "macro precision", "macro recall", "macro F1", "precision", "recall", "F1", "RMSE", "MAE",
      "R^2")  # fmt: skip


def which(command: Callable[..., None]) -> Callable[..., None]:
    """The options that choose the checkpoint, as one argument: `iteration`."""

    @click.option("--iteration", type=int, metavar="K", help="Use this checkpoint (default: the best, see --last).")
    @click.option(
        "--last", is_flag=True, help="Use the newest checkpoint, although the run keeps its best (save.best)."
    )
    @wraps(command)
    def chosen(*arguments: Any, iteration: int | None, last: bool, **options: Any) -> None:
        if last and iteration is not None:
            raise click.UsageError("--iteration and --last exclude each other")
        command(*arguments, iteration="last" if last else iteration, **options)

    return chosen


def to_file(endings: str) -> Any:
    """The option that names the output file."""
    return click.option("-o", "out", required=True, metavar="FILE", type=PATH, help=f"Output file: {endings}.")


@click.command()
@RUN
@click.option("--data", "overrides", multiple=True, metavar="KEY=VALUE",
              help="Other data: a key of the run's [data] table (KEY= unsets it), a dataset's name, the path of a data "
              "file, or a TOML file with a [data] table; repeatable.")  # fmt: skip
@click.option("--part", type=click.Choice(["train", "test", "all"]),
              help="Samples to use (default: test, or all samples of a file without a test part).")  # fmt: skip
@which
@JSON
def evaluate(run: Path, overrides: tuple[str, ...], part: str | None, iteration: "Which", as_json: bool) -> None:
    """Measure the network of RUN: accuracy, log loss, ROC AUC, scores per class, confusion matrix; or errors of values.

    Uses the run's own data, or other data scaled like the training data. Errors are in the unit of the target; with
    data.weight samples count by their weight. Runs on all ranks of mpirun.
    """
    world = start_mpi()
    from hpcadmm.after import evaluate as evaluating

    result = evaluating.evaluate(run, overrides, part, iteration, world, warn)
    if world.first:
        report(result, as_json, lambda width: evaluating.shown(result))


@click.command()
@RUN
@click.argument("source", metavar="INPUT", type=PATH)
@to_file(".csv, .npz, .h5 or .parquet")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of [data] for INPUT; repeatable.")
@click.option("--ignore", "ignored", metavar="COLUMN",
              help="csv column to skip, by name or by number from 0 (default: a surplus last column).")  # fmt: skip
@which
@FORCE
def predict(run: Path, source: Path, out: Path, settings: tuple[str, ...], ignored: str | None, **options: Any) -> None:
    """Write the predictions of RUN for the samples in INPUT: class, name, and scores or probabilities; or values.

    INPUT is a table (csv, Parquet, Arrow), .npz or HDF5 (array X), LIBSVM or IDX images, with or without labels, of any
    size. Features are scaled like the training data. Runs on all ranks of mpirun, in blocks; the output does not depend
    on the number of ranks.
    """
    world = start_mpi()
    from hpcadmm.after import predict as predicting

    how = predicting.Reading(settings, ignored)
    written = predicting.predict(run, source, out, how, world=world, warn=warn, **options)
    if world.first:
        click.echo(
            f"{written['out']}: {written['samples']} samples, {', '.join(written['holds'])}, from {written['which']}"
        )


@click.command()
@click.argument("runs", nargs=-1, type=PATH)
@click.option("--coefficients", is_flag=True, help="Those of the linear model of one run, in the units of the data.")
@which
@JSON
def show(runs: tuple[Path, ...], as_json: bool, coefficients: bool, iteration: "Which") -> None:
    """List RUNS (default: all in results/runs) in a table: settings, state, iterations, time and accuracy."""
    if coefficients:
        show_coefficients(runs, iteration, as_json)
        return
    if iteration is not None:
        raise click.UsageError("--iteration and --last are for --coefficients")
    from hpcadmm.after import show as showing

    rows = showing.show(runs)
    if rows or as_json:
        report(rows, as_json, lambda width: [showing.shown(rows, width)])
    else:
        click.echo(f"there are no runs in {showing.RUNS}")


def show_coefficients(runs: tuple[Path, ...], iteration: "Which", as_json: bool) -> None:
    """Of one run."""
    if len(runs) != 1:
        raise click.UsageError(f"--coefficients takes one run, not {len(runs)}")
    from hpcadmm.after import coefficients
    from hpcadmm.comm.world import World

    found = coefficients.coefficients(runs[0], iteration, world=World.without_mpi(), warn=warn)
    report(found, as_json, lambda width: [coefficients.shown(found, width)])


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PATH)
@to_file(".png, .svg or .pdf")
@click.option("--x", "across", multiple=True, type=click.Choice(ACROSS), default=ACROSS[:2], show_default=True,
              help="Quantity on the x axis; repeatable.")  # fmt: skip
@click.option("--y", "up", multiple=True, type=click.Choice(UP), help="Quantity to plot; repeatable (default: all).")
@click.option("--path", "of_path", is_flag=True, help="Instead, of one run: its coefficients and deviance by strength "
              "(solver.path).")  # fmt: skip
def plot(runs: tuple[Path, ...], out: Path, across: tuple[str, ...], up: tuple[str, ...], of_path: bool) -> None:
    """Plot objective, residual and accuracy (or error) of RUNS in one figure."""
    if of_path:
        if len(runs) != 1:
            raise click.UsageError(f"--path takes one run, not {len(runs)}")
        from hpcadmm.after.plot_path import plot_path

        click.echo(plot_path(runs[0], out))
        return
    from hpcadmm.after import plot as plotting

    click.echo(plotting.plot(runs, out, across, up))


@click.command()
@RUN
@to_file(".npz or .onnx")
@which
@FORCE
def export(run: Path, out: Path, iteration: int | None, force: bool) -> None:
    """Export the network of RUN as numpy .npz, or as an ONNX graph that takes unscaled features."""
    from hpcadmm.after import export as exporting
    from hpcadmm.comm.world import World

    if expected_rank() == 0:
        written = exporting.export(run, out, force, iteration, World.without_mpi(), warn)
        click.echo(f"{written['out']}: network {written['sizes']} of {written['which']}")
