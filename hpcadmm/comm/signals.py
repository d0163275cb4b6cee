"""SIGUSR1 and SIGTERM as a wish to stop after a checkpoint."""

import signal
from types import FrameType, TracebackType
from typing import Any


class Signals:
    """While entered, the two signals only set `raised`, at any time; the handlers before are restored on exit.

    May be entered within another: what that one has noted is known to this one, so a command that enters one at its
    start is not killed by a signal while it loads or ends.
    `agreed` is what all ranks know of at the same place: set by whoever asked them, and never taken back.
    """

    WATCHED = (signal.SIGUSR1, signal.SIGTERM)

    def __init__(self) -> None:
        self.raised: str | None = None  # "SIGUSR1" or "SIGTERM": the first that came to this rank
        self.agreed: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.raised = self.raised or signal.Signals(number).name

    def __enter__(self) -> "Signals":
        self._before = {number: signal.signal(number, self._note) for number in self.WATCHED}
        for handler in self._before.values():
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, Signals):
                self.raised = self.raised or outer.raised
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def heed() -> None:
    """From now on, for the life of this process, the signals are only noted: at the start of a command that saves."""
    Signals().__enter__()
