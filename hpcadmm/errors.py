"""Errors that are not defects: bad input, a signal, divergence, and another rank's exception."""


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
    return sayable(f"{reason[:1].lower()}{reason[1:]}" + (f": {error.filename}" if error.filename else ""))


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
