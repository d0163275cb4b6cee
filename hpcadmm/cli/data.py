"""`hpcadmm data`: list, download, convert and inspect datasets. Only convert runs on several ranks."""

import json
from pathlib import Path
from typing import Any

import click

from hpcadmm.cli import Group
from hpcadmm.cli.options import FILE, FOLDER, FORCE, JSON, KIND, SET, names, table

KEYS = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of [data]; repeatable.")


@click.group(cls=Group)
def data() -> None:
    """List, download, convert and inspect datasets."""


@data.command("list")
@JSON
def list_command(as_json: bool) -> None:
    """List all datasets, the files they need and where those were found."""
    from dataclasses import asdict

    from hpcadmm.datasets import DATASETS
    from hpcadmm.datasets.given.inspect import catalogue

    entries = catalogue(DATASETS)
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], indent=2))
    else:
        rows = [(e.name, e.what, "\n".join(e.expects), e.found) for e in entries]
        table(("name", "description", "files (plain or compressed)", "found"), rows)


@data.command()
@click.argument("name", shell_complete=names("hpcadmm.datasets:DATASETS"))
@click.option("--to", type=FOLDER, help="Download folder (default: in the user's cache).")
@click.option("--url-base", help="Mirror that serves the files under their names. [env: HPCADMM_URL_BASE]")
@click.option("--force", is_flag=True, help="Download again even if present.")
def download(name: str, to: Path | None, url_base: str | None, force: bool) -> None:
    """Download the files of dataset NAME and check each against its sha256."""
    from hpcadmm.datasets import DATASETS
    from hpcadmm.datasets.public.download import download as get

    click.echo(f"in {get(DATASETS[name], to, url_base, force, click.echo)}")


@data.command()
@click.argument("source", metavar="IN")
@click.argument("out", type=FILE)
@KIND
@KEYS
@click.option("--dtype", type=click.Choice(["uint8", "int16", "float32", "float64"]),
              help="Data type of X (default: unchanged).")  # fmt: skip
@click.option("--compress", is_flag=True, help="Compress with gzip: smaller, slower to read.")
@click.option("--note", "notes", multiple=True, metavar="KEY=TEXT",
              help="Attribute of the file, such as licence=...; repeatable.")  # fmt: skip
@FORCE
def convert(source: str, out: Path, kind: str | None, settings: tuple[str, ...], notes: tuple[str, ...],
            **options: Any) -> None:  # fmt: skip
    """Convert IN, a dataset's name or a file, to the HDF5 file OUT: X, y and, with a test part, X_test, y_test."""
    from hpcadmm.comm.launch import launched_world
    from hpcadmm.datasets.given.convert import convert as write
    from hpcadmm.datasets.given.convert import noted

    world = launched_world()
    written = write(chosen(source, kind, settings), out, world, notes=noted(notes), **options)
    for part, (samples, features) in written.items() if world.first else ():
        click.echo(f"{out}: {part} {samples} x {features}")


@data.command()
@click.argument("job", type=FILE)
@click.argument("out", type=FOLDER)
@SET
def samples(job: Path, out: Path, overrides: tuple[str, ...]) -> None:
    """Write the samples of JOB as numpy files to the folder OUT, chosen and scaled as in training.

    x_train.npy and x_test.npy (samples, features), y_train.npy and y_test.npy (classes 0, 1, ..., or targets), and with
    data.weight weight_train.npy. For programs to compare with.
    """
    from hpcadmm.comm.world import World
    from hpcadmm.experiments.samples import write_samples
    from hpcadmm.job.job import read

    click.echo(json.dumps(write_samples(read(job, overrides, World.without_mpi()), out)))


@data.command()
@click.argument("source", metavar="FILE")
@KIND
@KEYS
@click.option("--json", "as_json", is_flag=True, help="Print JSON with all features.")
def inspect(source: str, kind: str | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Describe FILE, or a dataset given by name: sizes, classes, and each feature's range and mean.

    Of a table: how the file is read, and each column's type, missing and distinct values, range or most frequent texts,
    and what it becomes.
    """
    from hpcadmm.datasets.given.inspect import inspect as look

    found = look(chosen(source, kind, settings))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        show(found)


def chosen(source: str, kind: str | None, settings: tuple[str, ...]) -> Any:
    """The dataset that the user names. Its options are checked as in a job file."""
    from hpcadmm.datasets import DATASETS
    from hpcadmm.datasets.given.recognise import recognised
    from hpcadmm.errors import UsageError
    from hpcadmm.job.tables import plain
    from hpcadmm.job.typed import options as given

    cls, options = recognised(source, kind, DATASETS)
    faults: list[str] = []
    made = plain(cls, options | given(settings), "data", faults)
    if faults:
        raise UsageError("\n".join(faults))
    return made


def show(found: dict[str, Any]) -> None:
    """Print the description of a dataset: a paragraph and a table of columns or features for each part."""
    from hpcadmm.datasets.given.inspect import column_rows, feature_rows, summary
    from hpcadmm.datasets.tabular.report import HEAD

    for part in ("train", "test"):
        if part in found:
            head = f"{part} ({found['format']}, scaling {found['scaling']}): {summary(found[part])}"
            click.echo("\n".join([head, *found[part]["facts"]]))
            if found[part]["table"]:
                table(HEAD, column_rows(found[part]), whole=True)
            else:
                table(("feature", "minimum", "maximum", "mean"), feature_rows(found[part]))
