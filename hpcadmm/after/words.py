"""Names of runs, folders and columns, made safe for tables, pages and figures."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 60  # characters of a name in a figure


def printable(text: str) -> str:
    r"""Text with line breaks, control characters and direction marks escaped.

    >>> printable("a\nb\x1b[31m"), printable("é \u202e")
    ('a\\nb\\x1b[31m', 'é \\u202e')
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Text cut in the middle to at most `longest` characters.

    >>> shortened("abcdefghij", 7)
    'ab...ij'
    """
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def shown(label: str) -> str:
    """A label that matplotlib draws literally: not as a formula, and not hidden.

    >>> shown("a$b"), shown("_a")
    ('a\\\\$b', ' _a')
    """
    text = shortened(printable(label))
    return (" " if text.startswith("_") else "") + text.replace("$", "\\$")


@contextmanager
def any_glyph() -> Iterator[None]:
    """Draw characters that no font has as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing|.*does not support .* natively", UserWarning)
        yield
