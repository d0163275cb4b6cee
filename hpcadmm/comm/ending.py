"""How a rank ended, as a record of fixed size; no MPI here."""

import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from hpcadmm.comm.phases import current_phase, phase_of
from hpcadmm.errors import RankFailed

Describe = Callable[[BaseException], tuple[int, str] | None]
RECORD = struct.Struct("<qq496s")


class Kind(IntEnum):
    """Of several failures the greatest kind is the cause."""

    FINE = 0
    ECHO = 1  # RankFailed: another rank's failure
    USAGE = 2  # bad input, a signal: a message without a traceback
    DEFECT = 3


@dataclass(frozen=True)
class Ending:
    """How one rank ended. Kind, exit code and one line that says why travel; the report stays on its rank."""

    kind: Kind
    code: int
    line: str = ""
    place: str = ""
    report: str = ""

    def packed(self) -> bytes:
        """The record of 512 bytes; the line is cut where it is too long."""
        return RECORD.pack(self.kind, self.code, self.line.encode()[:496])

    @classmethod
    def unpacked(cls, record: bytes) -> "Ending":
        """What another rank packed.

        >>> Ending.unpacked(Ending(Kind.USAGE, 2, "beta = -1").packed()).line
        'beta = -1'
        """
        kind, code, line = RECORD.unpack(record)
        return cls(Kind(kind), code, line.rstrip(b"\0").decode(errors="ignore"))


def failed(error: BaseException, described: tuple[int, str] | None, place: str) -> Ending:
    """How the rank at `place` ("rank 1 of 3 on HOST") ended with this exception, described as (exit code, message)."""
    place = f"{place}, phase: {phase_of(error) or current_phase()}"
    if described is not None:
        code, message = described
        return Ending(Kind.USAGE, code, message, place, message)
    kind = Kind.ECHO if isinstance(error, RankFailed) else Kind.DEFECT
    line = traceback.format_exception_only(error)[0].strip()
    return Ending(kind, exit_code(error), line, place, "".join(traceback.format_exception(error)).rstrip())


def placed(ending: Ending) -> str:
    """The report after the place it comes from; "" without a report (Ctrl-C)."""
    return f"{ending.place}\n{ending.report}" if ending.report else ""


def exit_code(error: BaseException) -> int:
    """The exit code that goes with an exception: its own, if it has one that says failure, else 1."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    code = error.code if isinstance(error, SystemExit) else 1
    return code if isinstance(code, int) and 0 < code < 256 else 1
