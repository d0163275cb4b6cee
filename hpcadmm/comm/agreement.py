"""The ranks tell each other how they ended, and who is still there, on their own communicator.

Nothing here blocks for ever: operations are nonblocking and polled, since another rank may wait in a collective that
this one never joins.
"""

import os
import threading
import time
from collections.abc import Callable

from mpi4py import MPI

from hpcadmm.comm.ending import RECORD, Ending, Kind

ROUND = 0.5  # seconds in which ranks that fail at about the same time hear of each other
TAG, CALL, ANSWER = 1, 2, 3
NAME = 64  # bytes of a host's name


def poll(done: Callable[[], bool], seconds: float) -> bool:
    """Call `done` about every millisecond until it is true; False if it is not within `seconds`."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True


def abort(code: int) -> None:
    """End all ranks at once. Never returns or hangs, even if MPI_Abort does."""
    last_resort = threading.Timer(2.0, os._exit, [code])
    last_resort.daemon = True
    last_resort.start()
    time.sleep(0.1)  # so that the launcher reads what this rank has printed
    MPI.COMM_WORLD.Abort(code)
    os._exit(code)


def threads_may_call() -> bool:
    """May any thread call MPI now?"""
    return not MPI.Is_finalized() and bool(MPI.Query_thread() == MPI.THREAD_MULTIPLE)


class Meeting:
    """The communicator of the agreement. Making one is the first collective of every rank."""

    def __init__(self) -> None:
        self.rank: int = MPI.COMM_WORLD.Get_rank()
        self.size: int = MPI.COMM_WORLD.Get_size()
        host = MPI.Get_processor_name()
        self.place = f"rank {self.rank} of {self.size} on {host}"
        self.mpi, self._made = MPI.COMM_WORLD.Idup()
        self._hosts = bytearray(NAME * self.size)
        mine = host.encode()[:NAME].ljust(NAME, b"\0")
        self._named = MPI.COMM_WORLD.Iallgather([mine, MPI.BYTE], [self._hosts, MPI.BYTE])
        self._convened = False
        self._answers: list[MPI.Request] = []

    @property
    def others(self) -> list[int]:
        """The other ranks."""
        return [rank for rank in range(self.size) if rank != self.rank]

    def host(self, rank: int) -> str:
        """The name of a rank's host, once all have convened."""
        return self._hosts[rank * NAME : (rank + 1) * NAME].rstrip(b"\0").decode(errors="ignore")

    def convene(self, seconds: float) -> bool:
        """Wait until all ranks have begun; False if they have not within `seconds`."""
        self._convened = self._convened or poll(lambda: self._made.Test() and self._named.Test(), seconds)
        return self._convened

    def exchange(self, mine: Ending, seconds: float) -> list[Ending] | None:
        """How each rank ended; None if not all have within `seconds`."""
        if not self.convene(seconds):
            return None
        records = bytearray(RECORD.size * self.size)
        request = self.mpi.Iallgather([mine.packed(), MPI.BYTE], [records, MPI.BYTE])
        if not poll(request.Test, seconds):
            return None
        return [Ending.unpacked(bytes(records[i : i + RECORD.size])) for i in range(0, len(records), RECORD.size)]

    def leave(self, seconds: float) -> None:
        """Finish MPI after the reporting rank has printed."""
        poll(self.mpi.Ibarrier().Test, seconds)
        MPI.Finalize()

    def speaks(self, kind: Kind) -> bool:
        """Does this rank report, of those that failed while others did not? Call once."""
        if not self._convened:
            return True
        sent = [self.mpi.Isend([bytes([kind]), MPI.BYTE], rank, TAG) for rank in self.others]
        heard = [(kind, -self.rank)]
        poll(lambda: self._listen(heard), ROUND)
        del sent  # messages that were not received end with the job
        return max(heard) == (kind, -self.rank)

    def _listen(self, heard: list[tuple[Kind, int]]) -> bool:
        heard += [(Kind(note[0]), -rank) for rank, note in self._received(TAG)]
        return False

    def _received(self, tag: int) -> list[tuple[int, bytearray]]:
        """The messages that have arrived: sender and content."""
        status, found = MPI.Status(), []
        while self.mpi.Iprobe(MPI.ANY_SOURCE, tag, status):
            note = bytearray(status.Get_count(MPI.BYTE))
            self.mpi.Recv([note, MPI.BYTE], status.Get_source(), tag)
            found.append((status.Get_source(), note))
        return found

    def answer(self, doing: str) -> bool:
        """Tell the ranks that have asked what this rank does; has one asked? For the watchdog's thread."""
        if not threads_may_call():
            return False
        asked = self._received(CALL)
        self._answers += [self.mpi.Isend([doing.encode(), MPI.BYTE], rank, ANSWER) for rank, _ in asked]
        return bool(asked)

    def roll_call(self, doing: str, seconds: float) -> dict[int, str] | None:
        """What each other rank does, of those that answer within `seconds`; None if threads may not call MPI."""
        if not threads_may_call():
            return None
        found: dict[int, str] = {}

        def complete() -> bool:
            self.answer(doing)  # another may call at the same time
            found.update({rank: note.decode(errors="ignore") for rank, note in self._received(ANSWER)})
            return len(found) == len(self.others)

        self._answers += [self.mpi.Isend([b"", MPI.BYTE], rank, CALL) for rank in self.others]
        poll(complete, seconds)
        return found
