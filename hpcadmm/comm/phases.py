"""What each rank is doing, in words: for tracebacks and for the watchdog."""

from collections.abc import Iterator
from contextlib import contextmanager

NOTE = "phase: "
_entered: list[str] = []  # innermost last


@contextmanager
def phase(name: str) -> Iterator[None]:
    """What this rank does now ("reading the data"); an exception keeps the innermost one it passes through."""
    _entered.append(name)
    try:
        yield
    except BaseException as error:
        if phase_of(error) is None:
            error.add_note(NOTE + name)
        raise
    finally:
        _entered.pop()


def current_phase() -> str:
    """The innermost phase that this rank is in."""
    return _entered[-1] if _entered else "command line"


def phase_of(error: BaseException) -> str | None:
    """The innermost phase that the exception passed through.

    >>> try:
    ...     with phase("training"), phase("reading the data"):
    ...         raise OSError
    ... except OSError as error:
    ...     phase_of(error)
    'reading the data'
    """
    notes = [note for note in getattr(error, "__notes__", []) if note.startswith(NOTE)]
    return notes[0].removeprefix(NOTE) if notes else None
