"""Signals ask a run to stop after a checkpoint."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from hpcadmm.comm.launcher import expected_rank, terminal

TWICE = 0.25  # seconds; a signal that follows sooner is the same (`timeout` signals the process, then its group)
STOPS = "\nCtrl-C: the run saves after this (or the first) iteration and ends; a second Ctrl-C ends it at once\n"
CURSOR = "\x1b[?25h\n"  # a progress bar hides it


class Watch:
    """Inside the block, notes signals: `raised` is the first one's name, `count` their number; each calls `heard`.

    Exit restores the former handlers. Under nohup SIGHUP stays ignored. Only the main thread gets signals.
    """

    WATCHED = (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGXCPU)

    def __init__(self) -> None:
        self.raised: str | None = None
        self.count = 0
        self._at = float("-inf")  # time of the last one
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
        """Called at each signal."""

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        for number in self.WATCHED if main else ():
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class Signals(Watch):
    """The signals of a training, which saves and ends at the first one; a second Ctrl-C ends the process at once.

    May be entered within another, which hands on the signals it has noted: a command that enters one at its start
    survives a signal while it loads or ends.
    exits: a second Ctrl-C ends the process; else it raises KeyboardInterrupt, in a program of the user. As in the outer
    one, if there is one.
    agreed: the signal that all ranks know of; the caller sets it, once.
    """

    def __init__(self, exits: bool = True) -> None:
        super().__init__()
        self.exits = exits
        self.agreed: str | None = None
        self.pressed = 0  # number of Ctrl-C
        self._outer: Signals | None = None

    def heard(self, number: signal.Signals) -> None:
        if number is not signal.SIGINT:
            return
        self.pressed += 1
        if expected_rank() == 0:
            with suppress(OSError):  # not sys.stderr: the signal may have interrupted a write to it
                bar = os.isatty(2) or terminal(sys.stderr) is not None
                os.write(2, (STOPS if self.pressed == 1 else CURSOR if bar else "").encode())
        if self.pressed > 1 and not self.exits:
            raise KeyboardInterrupt
        if self.pressed > 1:
            os._exit(130)

    def __enter__(self) -> Self:
        super().__enter__()
        outers = (getattr(handler, "__self__", None) for handler in self._before.values())
        self._outer = next((outer for outer in outers if isinstance(outer, Signals)), None)
        if self._outer:
            self.raised = self.raised or self._outer.raised
            self.pressed, self._at, self.exits = self._outer.pressed, self._outer._at, self._outer.exits
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)
        if self._outer:
            self._outer.pressed, self._outer._at = self.pressed, self._at


def heed() -> None:
    """From now on this process only notes the signals; called at the start of a command that saves."""
    Signals().__enter__()
