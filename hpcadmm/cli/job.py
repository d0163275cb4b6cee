"""`hpcadmm job`: write a job file."""

from pathlib import Path

import click

from hpcadmm.cli import Group
from hpcadmm.cli.data import KIND
from hpcadmm.cli.options import FILE, FORCE, SET, names
from hpcadmm.comm.launcher import expected_rank


@click.group(cls=Group)
def job() -> None:
    """Write a job file for your data."""


@job.command()
@click.option("--data", "source", required=True, metavar="FILE|NAME", help="Data file, or one of `hpcadmm datasets`.")
@click.option("--target", metavar="COLUMN", help="Column to predict, by name or number (default: the last).")
@click.option("--solver", default="mpadmm", show_default=True, metavar="NAME",
              shell_complete=names("hpcadmm.solvers:SOLVERS"), help="A solver of `hpcadmm solvers`.")  # fmt: skip
@KIND
@SET
@click.option("-o", "out", type=FILE, metavar="FILE", help="The job file (default: NAME.toml, after the data).")
@FORCE
def new(source: str, target: str | None, solver: str, kind: str | None, overrides: tuple[str, ...], out: Path | None,
        force: bool) -> None:  # fmt: skip
    """Write a commented job file for the data at hand.

    The loss follows from the target: classes or numbers. A tenth of the training part is held out to stop by. Each key
    says what it means, and the solver's other keys follow with their defaults.
    """
    if expected_rank() > 0:
        return
    from hpcadmm.errors import UsageError
    from hpcadmm.experiments.report import write
    from hpcadmm.job.draft import drafted

    draft = drafted(source, kind, target, solver, overrides)
    path = out or Path(f"{draft.name}.toml")
    if path.exists() and not force:
        raise UsageError(f"{path} exists: choose another file with -o, or overwrite it with --force")
    write(path, draft.text)
    click.echo("\n".join([*draft.facts, f"written: {path}; train it: hpcadmm train {path}"]))
