"""Ranks as threads of this process: World over a communicator of barriers, for tests of what each rank reads."""

import threading
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


class Communicator:
    """One rank's view of the board: the calls that World makes."""

    def __init__(self, board: Board, rank: int) -> None:
        self.board, self.rank = board, rank

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


def on_ranks(size: int, work: Callable[[World], Any]) -> list[Any]:
    """What `work` gives on each of `size` ranks; the first rank's exception is raised."""
    board = Board(size)
    worlds = [World(Communicator(board, rank)) for rank in range(size)]  # type: ignore[arg-type]
    with ThreadPoolExecutor(size) as pool:
        return [future.result() for future in [pool.submit(work, world) for world in worlds]]
