"""Errors that are not defects: bad input, a signal, divergence, and another rank's exception."""

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

MOST = 2000  # files of a folder among which a mistyped one is sought
ALIKE, SHORT = (0.75, 0.65), 4  # share of the letters that a mistyped name has right; of a short name


class UsageError(Exception):
    """Bad input: shown as one message without a traceback, exit code 2."""

    def __init__(self, message: str) -> None:
        super().__init__(sayable(message))


class Interrupted(Exception):
    """A signal stopped the run after its checkpoint: exit code 75, `hpcadmm resume` continues."""


class Diverged(Exception):
    """The iterate became NaN or left all bounds: the run is over, exit code 1."""


class RankFailed(RuntimeError):
    """Another rank raised; the traceback is printed there, not here."""


def denied(error: OSError) -> str:
    """What a file system refused, and where.

    >>> denied(PermissionError(13, "Permission denied", "a/b"))
    'permission denied: a/b'
    """
    reason = error.strerror or str(error)
    near = nearby(Path(error.filename)) if isinstance(error, FileNotFoundError) and error.filename else ""
    return sayable(f"{reason[:1].lower()}{reason[1:]}" + (f": {error.filename}{near}" if error.filename else ""))


def sayable(text: str) -> str:
    r"""Text that UTF-8 can say: a file's name may be any bytes, which Python gives as lone surrogates.

    >>> sayable("a\udcff")
    'a\\udcff'
    """
    return text.encode(errors="backslashreplace").decode()


def printable(text: str) -> str:
    r"""Text as a table or message shows it: line breaks, control characters and direction marks are escaped.

    >>> printable("a\nb\x1b[31m"), printable("é \u202e")
    ('a\\nb\\x1b[31m', 'é \\u202e')
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Note(UserWarning):
    """A notice that does not stop the command: shown once, on one rank, as a line `Warning: ...`."""


def meant(given: object, known: Iterable[str]) -> str:
    """The question for a mistyped name; "" if no known one is near.

    >>> meant("digit", ["digits", "mnist"]), meant("MNIST", ["digits", "mnist"]), meant("x", ["digits"])
    ('did you mean digits? ', 'did you mean mnist? ', '')
    """
    near = nearest(str(given), known)
    return f"did you mean {near}? " if near else ""


def nearest(given: str, known: Iterable[str]) -> str:
    """The known name that is most like a given one; "" if none is."""
    from difflib import get_close_matches  # rarely needed

    plain = {one.casefold().replace("_", "-"): one for one in known}
    near = get_close_matches(given.casefold().replace("_", "-"), plain, 1, ALIKE[len(given) <= SHORT])
    return plain[near[0]] if near else ""


def nearby(path: Path) -> str:
    """The end of a message about a path that is not there: which one in its folder may be meant; "" if none is near."""
    try:
        with os.scandir(path.parent) as entries:
            names = sorted(entry.name for entry in islice(entries, MOST) if entry.name != path.name)
    except (OSError, ValueError):  # ValueError: a NUL
        return ""
    found = nearest(path.name, names)
    return sayable(f"; did you mean {path.with_name(found)}?") if found else ""
