"""`hpcadmm data`: list, download, convert and inspect datasets. Serial: no MPI, no ranks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hpcadmm.cli import Group

KIND = click.option("--as", "kind", metavar="NAME", help="Read the file as this dataset, whatever its bytes say.")
OPTIONS = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of [data]; repeatable.")


@click.group(cls=Group)
def data() -> None:
    """Datasets: what there is, downloads, conversion to HDF5, a look inside."""


@data.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """Show all datasets, the files they expect and where those were found."""
    from dataclasses import asdict

    from hpcadmm.datasets import DATASETS
    from hpcadmm.datasets.catalogue import catalogue

    entries = catalogue(DATASETS)
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], indent=2))
    else:
        rows = [(e.name, e.what, "\n".join(e.expects), e.found) for e in entries]
        table(("name", "what", "files (plain or packed)", "found"), rows)


@data.command()
@click.argument("name")
@click.option(
    "--to",
    type=click.Path(readable=False, path_type=Path, file_okay=False),
    help="Folder; by default in the user's cache.",
)
@click.option("--url-base", help="A mirror that has the files by their names. [env: HPCADMM_URL_BASE]")
@click.option("--force", is_flag=True, help="Also what is there already.")
def download(name: str, to: Path | None, url_base: str | None, force: bool) -> None:
    """Get the files of dataset NAME; each is checked against its sha256."""
    from hpcadmm.datasets import DATASETS
    from hpcadmm.datasets.public.download import download as get

    click.echo(f"in {get(DATASETS[name], to, url_base, force, click.echo)}")


@data.command()
@click.argument("source", metavar="IN")
@click.argument("out", type=click.Path(readable=False, path_type=Path, dir_okay=False))
@KIND
@OPTIONS
@click.option("--dtype", type=click.Choice(["uint8", "int16", "float32", "float64"]), help="Of X; by default as it is.")
@click.option("--compress", is_flag=True, help="Pack with gzip; smaller, slower to read.")
@click.option("--note", "notes", multiple=True, metavar="KEY=TEXT", help="An attribute of the file: licence, ...")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def convert(source: str, out: Path, kind: str | None, settings: tuple[str, ...], notes: tuple[str, ...],
            dtype: str | None, compress: bool, force: bool) -> None:  # fmt: skip
    """Write IN, a dataset's name or a file, to the HDF5 file OUT: X, y and, if there is a test part, X_test, y_test."""
    from hpcadmm.datasets.convert import convert as write
    from hpcadmm.datasets.convert import noted

    read = chosen(source, kind, settings)
    written = write(read, out, dtype=dtype, compress=compress, notes=noted(notes), force=force)
    for part, (samples, features) in written.items():
        click.echo(f"{out}: {part} {samples} x {features}")


@data.command()
@click.argument("source", metavar="FILE")
@KIND
@OPTIONS
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all features.")
def inspect(source: str, kind: str | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Show what is in FILE, or in a dataset by its name: sizes, classes, each feature's range and mean."""
    from hpcadmm.datasets.inspect import inspect as look

    found = look(chosen(source, kind, settings))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        show(found)


def chosen(source: str, kind: str | None, settings: tuple[str, ...]) -> Any:
    """The dataset that a user names, its options checked as in a job."""
    from hpcadmm.datasets import DATASETS
    from hpcadmm.datasets.recognise import recognised
    from hpcadmm.errors import UsageError
    from hpcadmm.job.tables import plain
    from hpcadmm.job.typed import setting

    cls, options = recognised(source, kind, DATASETS)
    faults: list[str] = []
    made = plain(cls, options | dict(map(setting, settings)), "data", faults)
    if faults:
        raise UsageError("\n".join(faults))
    return made


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table."""
    from rich.table import Table

    from hpcadmm.cli.console import console

    made = Table(*head)
    for row in rows:
        made.add_row(*row)
    console().print(made)


def show(found: dict[str, Any]) -> None:
    """Print a description of a dataset: a paragraph and a table of features for each part."""
    from hpcadmm.datasets.inspect import feature_rows, summary

    for part in ("train", "test"):
        if part in found:
            head = f"{part} ({found['format']}, scaling {found['scaling']}): {summary(found[part])}"
            click.echo("\n".join([head, *found[part]["facts"]]))
            table(("feature", "minimum", "maximum", "mean"), feature_rows(found[part]))
