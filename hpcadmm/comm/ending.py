"""What a rank is doing (phases) and how it ended, as a record of fixed size; no MPI here."""

import struct
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

from hpcadmm.errors import RankFailed

Describe = Callable[[BaseException], tuple[int, str] | None]
RECORD = struct.Struct("<qq496s")
NOTE = "phase: "
_entered: list[str] = []  # phases, the innermost last


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Name what this rank does ("reading the data"), for tracebacks and the watchdog; an exception keeps the innermost
    phase."""
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


class Kind(IntEnum):
    """The greatest kind of several failures is the cause."""

    FINE = 0
    ECHO = 1  # RankFailed: another rank's failure
    USAGE = 2  # bad input, a signal: a message without a traceback
    DEFECT = 3


@dataclass(frozen=True)
class Ending:
    """How one rank ended. Kind, exit code and a one-line reason are sent; place and report stay on the rank."""

    kind: Kind
    code: int
    line: str = ""
    place: str = ""
    report: str = ""

    def packed(self) -> bytes:
        """The record of 512 bytes; a longer line is cut."""
        return RECORD.pack(self.kind, self.code, self.line.encode()[:496])

    @classmethod
    def unpacked(cls, record: bytes) -> "Ending":
        """The inverse of `packed`, on another rank.

        >>> Ending.unpacked(Ending(Kind.USAGE, 2, "beta = -1").packed()).line
        'beta = -1'
        """
        kind, code, line = RECORD.unpack(record)
        return cls(Kind(kind), code, line.rstrip(b"\0").decode(errors="ignore"))

    def placed(self) -> str:
        """The report with its place; "" without a report (Ctrl-C)."""
        return f"{self.place}\n{self.report}" if self.report else ""


def failed(error: BaseException, described: tuple[int, str] | None, place: str) -> Ending:
    """How the rank at `place` ("rank 1 of 3 on HOST") ended; described: (exit code, message) of the exception."""
    place = f"{place}, phase: {phase_of(error) or current_phase()}"
    if described is not None:
        code, message = described
        return Ending(Kind.USAGE, code, message, place, message)
    kind = Kind.ECHO if isinstance(error, RankFailed) else Kind.DEFECT
    line = traceback.format_exception_only(error)[0].strip()
    return Ending(kind, exit_code(error), line, place, "".join(traceback.format_exception(error)).rstrip())


def exit_code(error: BaseException) -> int:
    """The exit code of an exception: its own if that says failure, else 1."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    code = error.code if isinstance(error, SystemExit) else 1
    return code if isinstance(code, int) and 0 < code < 256 else 1
