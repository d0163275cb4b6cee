"""End a job in which a rank waits too long for the others; a stopped rank raises no error."""

import os
import threading
import time
from collections.abc import Callable

from hpcadmm.errors import UsageError

VARIABLE = "HPCADMM_WATCHDOG"
GENEROUS = 600.0  # seconds that the slowest rank may be late (it reads, writes or downloads for all)


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
    """A thread that calls `report(what, seconds)` when this rank has waited for `what` longer than `limit` seconds."""

    def __init__(self, limit: float, report: Callable[[str, float], None]) -> None:
        self.limit = limit
        self._report = report
        self._waiting: tuple[str, float] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def beat(self, what: str | None) -> None:
        """This rank begins to wait for `what` (None: it has stopped waiting). Cheap: one assignment."""
        self._waiting = (what, time.monotonic()) if what else None

    def _watch(self) -> None:
        while not self._stopped.wait(min(1.0, self.limit / 4)):
            waiting = self._waiting
            if waiting and time.monotonic() - waiting[1] > self.limit:
                self._report(waiting[0], time.monotonic() - waiting[1])
                return
