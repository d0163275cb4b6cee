"""`hpcadmm job`: write a job file."""

from pathlib import Path
from typing import Any

import click

from hpcadmm.cli import Group
from hpcadmm.cli.options import FILE, FORCE, SET, of_data
from hpcadmm.comm.launcher import expected_rank


@click.group(cls=Group)
def job() -> None:
    """Write a job file for your data."""


@job.command()
@of_data(required=True)
@SET
@click.option("-o", "out", type=FILE, metavar="FILE", help="The job file (default: NAME.toml, after the data).")
@FORCE
def new(out: Path | None, force: bool, **asked: Any) -> None:
    """Write a commented job file for the data at hand; `hpcadmm train --data` trains it at once.

    The loss follows from the target: classes or numbers. A tenth of the training part is held out to stop by. Each key
    says what it means, and the solver's other keys follow with their defaults.
    """
    if expected_rank() > 0:
        return
    from hpcadmm.errors import UsageError
    from hpcadmm.experiments.report import write
    from hpcadmm.job.draft import drafted

    draft = drafted(**asked)
    path = out or Path(f"{draft.name}.toml")
    if path.exists() and not force:
        raise UsageError(f"{path} exists: choose another file with -o, or overwrite it with --force")
    write(path, draft.text)
    click.echo("\n".join([*draft.facts, f"written: {path}; train it: hpcadmm train {path}"]))
