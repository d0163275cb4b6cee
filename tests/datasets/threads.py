"""Ranks as threads of this process: World over a communicator of barriers, for tests of what each rank reads."""

import queue
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from mpi4py import MPI

from hpcadmm.comm.world import World

COMBINE = [(MPI.SUM, np.add), (MPI.MAX, np.maximum), (MPI.MIN, np.minimum)]


class Board:
    """What the threads show one another."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size, timeout=60)
        self.shown: list[Any] = [None] * size
        self.mail: dict[Any, queue.Queue[Any]] = defaultdict(queue.Queue)  # by (from, to, tag)
        self.parts: dict[Any, Board] = {}
        self.lock = threading.Lock()


class Request:
    """A message whose rest is done when it is waited for."""

    def __init__(self, done: Callable[[], Any]) -> None:
        self.Wait = done


class Communicator:
    """One rank's view of the board: the calls that World makes."""

    def __init__(self, board: Board, rank: int) -> None:
        self.board, self.rank, self.splits = board, rank, 0

    def Get_rank(self) -> int:
        return self.rank

    def Get_size(self) -> int:
        return self.board.size

    def exchange(self, mine: Any) -> list[Any]:
        """Everybody's values, by rank."""
        self.board.shown[self.rank] = mine
        self.board.barrier.wait()
        everything = list(self.board.shown)
        self.board.barrier.wait()
        return everything

    def Allreduce(self, _: Any, flat: Any, operation: Any) -> None:
        combine = next(function for known, function in COMBINE if known == operation)
        flat[...] = combine.reduce(self.exchange(flat.copy()))

    def Bcast(self, flat: Any, root: int) -> None:
        flat[...] = self.exchange(flat.copy())[root]

    def Allgather(self, mine: Any, out: Any) -> None:
        out[...] = np.concatenate(self.exchange(mine.copy()))

    def Allgatherv(self, mine: Any, out: Any) -> None:
        out[0][...] = np.concatenate(self.exchange(mine.copy()))

    def Barrier(self) -> None:
        self.exchange(None)

    def Split(self, color: int, key: int) -> "Communicator":
        """Ranks with the same color; the keys must rise with the ranks."""
        colors = self.exchange(color)
        members = [rank for rank, c in enumerate(colors) if c == color]
        splits = self.splits = self.splits + 1
        with self.board.lock:
            part = self.board.parts.setdefault((splits, color), Board(len(members)))
        return Communicator(part, members.index(self.rank))

    def Isend(self, array: Any, to: int, tag: int) -> Request:
        """The values as they are when the message is waited for: a send buffer must not change before."""
        first = array.copy()

        def unchanged() -> None:
            assert first.tobytes() == array.tobytes(), "a send buffer changed before its message was waited for"

        self.board.mail[self.rank, to, tag].put(first)
        return Request(unchanged)

    def Irecv(self, array: Any, source: int, tag: int) -> Request:
        box = self.board.mail[source, self.rank, tag]

        def done() -> None:
            message = box.get(timeout=60)
            assert (message.dtype, message.size) == (array.dtype, array.size), "another size or type than was sent"
            array[...] = message

        return Request(done)


def on_ranks(size: int, work: Callable[[World], Any]) -> list[Any]:
    """What `work` gives on each of `size` ranks; the first rank's exception is raised."""
    board = Board(size)
    worlds = [World(Communicator(board, rank)) for rank in range(size)]  # type: ignore[arg-type]
    with ThreadPoolExecutor(size) as pool:
        return [future.result() for future in [pool.submit(work, world) for world in worlds]]
