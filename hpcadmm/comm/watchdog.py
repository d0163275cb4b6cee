"""End a job in which a rank waits too long for the others; a stopped rank raises no error."""

import os
import threading
import time
from collections.abc import Callable

from hpcadmm.errors import UsageError

VARIABLE = "HPCADMM_WATCHDOG"
GENEROUS = 600.0  # seconds that the slowest rank may be late (it reads, writes or downloads for all)
TICK = 1.0  # seconds within which a rank answers others
REPORTS = 4.0  # seconds in which another rank, which has asked this one, reports


def patience() -> float:
    """The limit in seconds from the variable HPCADMM_WATCHDOG; 0: no watchdog. Raises UsageError if invalid."""
    text = os.environ.get(VARIABLE, "")
    try:
        limit = float(text) if text else GENEROUS
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise UsageError(f"{VARIABLE} = {text!r}: must be a number of seconds, or 0 for no watchdog")
    return limit


class Watchdog:
    """A thread that calls `report(what, seconds)` when this rank has waited for `what` longer than `limit` seconds.

    answer: answers other ranks that ask whether this one is alive, and returns whether one asked: that one reports.
    """

    def __init__(
        self, limit: float, report: Callable[[str, float], None], answer: Callable[[], bool] = lambda: False
    ) -> None:
        self.limit = limit
        self._report, self._answer = report, answer
        self._waiting: tuple[str, float] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching: this rank answers no more."""
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(TICK)

    def beat(self, what: str | None) -> None:
        """This rank begins to wait for `what` (None: it has stopped waiting). Cheap: one assignment."""
        self._waiting = (what, time.monotonic()) if what else None

    @property
    def waits(self) -> str:
        """What this rank waits for; "" if for nothing."""
        waiting = self._waiting
        return waiting[0] if waiting else ""

    def _watch(self) -> None:
        silent_until = 0.0
        while not self._stopped.wait(min(TICK, self.limit / 4)):
            waiting, now = self._waiting, time.monotonic()
            if self._answer():
                silent_until = now + REPORTS
            if waiting and now > max(waiting[1] + self.limit, silent_until):
                self._report(waiting[0], now - waiting[1])
                return
