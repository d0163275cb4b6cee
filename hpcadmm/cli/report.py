"""`hpcadmm report`: runs as a page to send to others."""

from pathlib import Path

import click

from hpcadmm.cli.after import to_file
from hpcadmm.cli.options import FORCE, PATH, warn
from hpcadmm.comm.launch import refuse_launcher


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PATH)
@to_file(".html")
@click.option("--target", "targets", type=float, multiple=True, metavar="ACC",
              help="Tell the seconds to this test accuracy (0 to 1), or error; repeatable (default: two that were "
              "reached).")  # fmt: skip
@click.option("--no-data", is_flag=True, help="Do not read the runs' data: no scores by class, no confusion matrix.")
@FORCE
def report(runs: tuple[Path, ...], out: Path, targets: tuple[float, ...], no_data: bool, force: bool) -> None:
    """Write RUNS as one HTML page to send to others: curves, table, confusion, time, environment, job.

    The page needs no other file and no network. A run may be unfinished; what is missing, such as its data, is said on
    the page.
    """
    refuse_launcher()
    from hpcadmm.after.report.page import report as reporting

    click.echo(reporting(runs, out, force, targets, not no_data, warn))
