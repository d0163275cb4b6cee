"""Names as people see them: of any run, folder or column, in a table, a page or a figure."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 60  # characters of a name in a figure


def printable(text: str) -> str:
    r"""Text without line breaks, control characters or what reverses the order of others: those are escaped.

    >>> printable("a\nb\x1b[31m"), printable("é \u202e")
    ('a\\nb\\x1b[31m', 'é \\u202e')
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Text of at most so many characters, the middle left out.

    >>> shortened("abcdefghij", 7)
    'ab...ij'
    """
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def shown(label: str) -> str:
    """A label that matplotlib takes for what it is: no formula, and not one of those it hides.

    >>> shown("a$b"), shown("_a")
    ('a\\\\$b', ' _a')
    """
    text = shortened(printable(label))
    return (" " if text.startswith("_") else "") + text.replace("$", "\\$")


@contextmanager
def any_glyph() -> Iterator[None]:
    """While entered, a character that no font has is drawn as a box, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing|.*does not support .* natively", UserWarning)
        yield
