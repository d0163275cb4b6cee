"""Times of messages between the ranks: the least of several measurements, the same number on every rank."""

import time
from collections.abc import Callable

import mpi4py
import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.late import MPI
from hpcadmm.comm.world import World

SMALL = 4096  # bytes; messages up to this size are timed IN_A_ROW, since the clock is too coarse for one
IN_A_ROW = 100


def library() -> str:
    """The MPI library and mpi4py, with their versions."""
    name, version = MPI.get_vendor()
    standard = ".".join(map(str, MPI.Get_version()))
    return f"{name} {'.'.join(map(str, version))} (MPI {standard}), mpi4py {mpi4py.__version__}"


def pingpong(world: World, nbytes: int, repeats: int = 10) -> float:
    """Seconds of a message of `nbytes` one way between the first and the last rank. ValueError on one rank."""
    if world.size == 1:
        raise ValueError("a ping-pong needs two ranks")
    message = np.zeros(nbytes, np.uint8)
    last = world.size - 1

    def there_and_back() -> None:
        if world.rank == 0:
            world.mpi.Send(message, last)
            world.mpi.Recv(message, last)
        elif world.rank == last:
            world.mpi.Recv(message, 0)
            world.mpi.Send(message, 0)

    return _least(world, there_and_back, nbytes, repeats) / 2


def allreduce(world: World, nbytes: int, repeats: int = 10) -> float:
    """Seconds of an in-place sum of `nbytes` (whole float64 numbers, at least one) over all ranks."""
    numbers: NDArray[np.float64] = np.zeros(max(nbytes // 8, 1))
    return _least(world, lambda: world.mpi.Allreduce(MPI.IN_PLACE, numbers, MPI.SUM), nbytes, repeats)


def _least(world: World, talk: Callable[[], None], nbytes: int, repeats: int) -> float:
    """The least over the repeats of the slowest rank's seconds, after two repeats to warm up."""
    calls = IN_A_ROW if nbytes <= SMALL else 1
    seconds = np.empty(repeats + 2)
    for i in range(len(seconds)):
        world.mpi.Barrier()
        start = time.perf_counter()
        for _ in range(calls):
            talk()
        seconds[i] = (time.perf_counter() - start) / calls
    (slowest,) = world.max(seconds)
    return float(slowest[2:].min())
