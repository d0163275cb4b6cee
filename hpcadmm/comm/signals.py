"""Signals as a wish to stop after a checkpoint."""

import os
import signal
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from hpcadmm.comm.launcher import expected_rank

TWICE = 0.25  # seconds: what follows sooner is the same wish (`timeout` tells the process and then its group)
STOPS = "\nCtrl-C: saves after this iteration, or the first, and ends; a second Ctrl-C ends the run at once\n"
CURSOR = "\x1b[?25h\n"  # a progress bar hides it


class Watch:
    """While entered, the signals are noted, at any time: `raised` names the first, `count` counts them, and `heard`
    is called for each. The handlers before are restored on exit. Under nohup SIGHUP stays ignored.
    """

    WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)

    def __init__(self) -> None:
        self.raised: str | None = None
        self.count = 0
        self._at = float("-inf")  # when the last one was counted
        self._before: dict[signal.Signals, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._at < TWICE:
            return
        self._at = now
        self.raised = self.raised or signal.Signals(number).name
        self.count += 1
        self.heard(signal.Signals(number))

    def heard(self, number: signal.Signals) -> None:
        """What else is to be done at a signal."""

    def __enter__(self) -> Self:
        for number in self.WATCHED:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class Signals(Watch):
    """Of a training, which saves and ends at the first signal; a second Ctrl-C ends the process at once.

    May be entered within another: what that one has noted is known to this one, so a command that enters one at its
    start is not killed by a signal while it loads or ends.
    `agreed` is what all ranks know of at the same place: set by whoever asked them, and never taken back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.agreed: str | None = None
        self.pressed = 0  # times Ctrl-C
        self._outer: Signals | None = None

    def heard(self, number: signal.Signals) -> None:
        if number is not signal.SIGINT:
            return
        self.pressed += 1
        if expected_rank() == 0:
            with suppress(OSError):  # not sys.stderr: the signal may have come within a write to it
                os.write(2, (STOPS if self.pressed == 1 else CURSOR if os.isatty(2) else "").encode())
        if self.pressed > 1:
            os._exit(130)

    def __enter__(self) -> Self:
        super().__enter__()
        outers = (getattr(handler, "__self__", None) for handler in self._before.values())
        self._outer = next((outer for outer in outers if isinstance(outer, Signals)), None)
        if self._outer:
            self.raised = self.raised or self._outer.raised
            self.pressed, self._at = self._outer.pressed, self._outer._at
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)
        if self._outer:
            self._outer.pressed, self._outer._at = self.pressed, self._at


def heed() -> None:
    """From now on, for the life of this process, the signals are only noted: at the start of a command that saves."""
    Signals().__enter__()
