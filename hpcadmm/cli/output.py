"""How commands print results: as JSON, or as text and tables."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDE = 200  # characters per line when the output is not a terminal


def console(width: int | None = None) -> "Console":
    """Standard output as a rich console. Names are printed literally, even `[bold]` and `:smile:`."""
    from rich.console import Console

    return Console(width=width, markup=False, emoji=False, highlight=False)


def report(result: Any, as_json: bool, parts: Callable[[int], "Iterable[RenderableType]"]) -> None:
    """Print the result as standard JSON (NaN becomes null), or as the readable `parts(width)`."""
    if as_json:
        from hpcadmm.storage.readers import plain

        click.echo(json.dumps(plain(result), indent=2, allow_nan=False))
        return
    out = console(None if sys.stdout.isatty() else WIDE)
    for part in parts(out.width):
        out.print(part, soft_wrap=isinstance(part, str))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    from rich.table import Table

    made = Table(*head)
    for row in rows:
        made.add_row(*row)
    console().print(made)


def warn(line: str) -> None:
    """Print a warning on standard error."""
    click.echo(f"Warning: {line}", err=True)
