"""The ranks tell each other how they ended, on their own communicator.

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
TAG = 1


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


class Meeting:
    """The communicator of the agreement. Making one is the first collective of every rank."""

    def __init__(self) -> None:
        self.rank: int = MPI.COMM_WORLD.Get_rank()
        self.size: int = MPI.COMM_WORLD.Get_size()
        self.place = f"rank {self.rank} of {self.size} on {MPI.Get_processor_name()}"
        self.mpi, self._made = MPI.COMM_WORLD.Idup()
        self._convened = False

    def convene(self, seconds: float) -> bool:
        """Wait until all ranks have begun; False if they have not within `seconds`."""
        self._convened = self._convened or poll(self._made.Test, seconds)
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
        others = [rank for rank in range(self.size) if rank != self.rank]
        sent = [self.mpi.Isend([bytes([kind]), MPI.BYTE], rank, TAG) for rank in others]
        heard = [(kind, -self.rank)]
        poll(lambda: self._listen(heard), ROUND)
        del sent  # messages that were not received end with the job
        return max(heard) == (kind, -self.rank)

    def _listen(self, heard: list[tuple[Kind, int]]) -> bool:
        status, note = MPI.Status(), bytearray(1)
        while self.mpi.Iprobe(MPI.ANY_SOURCE, TAG, status):
            self.mpi.Recv([note, MPI.BYTE], status.Get_source(), TAG)
            heard.append((Kind(note[0]), -status.Get_source()))
        return False
