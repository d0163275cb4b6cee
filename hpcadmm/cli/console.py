"""Where tables are printed."""

from rich.console import Console


def console(width: int | None = None) -> Console:
    """Standard output, so many characters wide; names are printed as they are, `[bold]` and `:smile:` too."""
    return Console(width=width, markup=False, emoji=False, highlight=False)
