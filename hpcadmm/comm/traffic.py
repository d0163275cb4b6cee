"""What a rank has sent, and the messages that are still in transit."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcadmm.comm.late import MPI
    from hpcadmm.comm.world import World


@dataclass
class Traffic:
    """What one rank has sent so far: messages and bytes; the seconds that it spent in the verbs; the hidden seconds, in
    which it computed while a sum was in transit."""

    messages: int = 0
    bytes: int = 0
    seconds: float = 0.0
    hidden: float = 0.0
    sums: list[Any] = field(default_factory=list)  # in transit: of Pending, or of what has its `progress`
    marked: float = 0.0  # up to when `hidden` is known

    def mark(self) -> float:
        """The time. This rank has computed since the last mark."""
        now = time.perf_counter()
        if self.sums:
            self.hidden += now - self.marked
        self.marked = now
        return now

    def spend(self, start: float) -> None:
        """A verb that began at `start` has ended."""
        self.marked = time.perf_counter()
        self.seconds += self.marked - start

    def started(self, pending: Pending) -> Pending:
        """A sum is in transit, until all its requests are complete."""
        if pending.requests:
            self.sums.append(pending)
        return pending


class Pending:
    """A message in transit; after `wait` its buffer may be used again."""

    def __init__(self, world: World, requests: list[MPI.Request], what: str = "message", buffer: Any = None) -> None:
        self.world, self.requests, self.what = world, requests, what
        self.buffer = buffer  # lives until the message is complete

    def progress(self) -> bool:
        """Let the message advance; is it complete? The time counts as communication."""
        if self.requests:
            with self.world.counted(self.what):
                self._keep([request for request in self.requests if not request.Test()])
        return not self.requests

    def wait(self) -> None:
        """Complete the message; the time counts as communication."""
        with self.world.counted(self.what):
            for request in self.requests:
                request.Wait()
            self._keep([])

    def _keep(self, requests: list[MPI.Request]) -> None:
        """Only these are not complete."""
        self.requests, sums = requests, self.world.traffic.sums
        if not requests and self in sums:
            sums.remove(self)
