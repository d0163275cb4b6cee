"""Times of messages between the ranks: the least of several measurements, the same number on every rank.

On a slow network a measurement repeats less: it ends with the repeat in which BUDGET seconds are spent.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import mpi4py
import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.late import MPI
from hpcadmm.comm.world import World

SMALL = 4096  # bytes; up to IN_A_ROW messages up to this size are timed together, since the clock is coarse
IN_A_ROW = 100
WARM = 2  # first repeats, which do not count if there are more
BUDGET = 1.0  # seconds
ALL_PAIRS = 4.0  # seconds


def library() -> str:
    """The MPI library and mpi4py, with their versions."""
    name, version = MPI.get_vendor()
    standard = ".".join(map(str, MPI.Get_version()))
    return f"{name} {'.'.join(map(str, version))} (MPI {standard}), mpi4py {mpi4py.__version__}"


def pingpong(world: World, nbytes: int, repeats: int = 10) -> float:
    """Seconds of a message of `nbytes` one way between the first and the last rank. ValueError on one rank."""
    if world.size == 1:
        raise ValueError("a ping-pong needs two ranks")
    return _least(world, there_and_back(world, (0, world.size - 1), nbytes), nbytes, repeats) / 2


def allreduce(world: World, nbytes: int, repeats: int = 10) -> float:
    """Seconds of an in-place sum of `nbytes` (whole float64 numbers, at least one) over all ranks."""
    numbers: NDArray[np.float64] = np.zeros(max(nbytes // 8, 1))
    return _least(world, lambda: world.mpi.Allreduce(MPI.IN_PLACE, numbers, MPI.SUM), nbytes, repeats)


def rising(measure: Callable[[int], float], sizes: Sequence[int]) -> Iterator[tuple[int, float]]:
    """(size, seconds) of rising sizes, up to the first that should take longer than BUDGET, going by the one before.

    >>> list(rising(lambda size: size / 100, [10, 100, 1000]))
    [(10, 0.1), (100, 1.0)]
    """
    rate = 0.0
    for size in sizes:
        if size * rate > BUDGET:
            return
        seconds = measure(size)
        rate = seconds / size
        yield size, seconds


@dataclass(frozen=True)
class Pair:
    """Two nodes, by number; seconds of a short message one way, bytes a second of a long one."""

    one: int
    other: int
    latency: float
    bandwidth: float


def pairs(world: World, ranks: Sequence[int], nbytes: int) -> list[Pair]:
    """Latency and bandwidth between nodes, each represented by one of its ranks; messages of 8 and `nbytes` bytes.
    Pairs of different nodes are measured at once, and some are left out after ALL_PAIRS seconds. Collective."""
    begin, found = time.perf_counter(), []
    for some in rounds(len(ranks)):
        mine = next((pair for pair in some if world.rank in (ranks[pair[0]], ranks[pair[1]])), None)
        both = (ranks[mine[0]], ranks[mine[1]]) if mine else None
        own = [min(_timed(world, there_and_back(world, both, size), size, 3)) / 2 for size in (8, nbytes)]
        told = world.gather(own)
        found += [Pair(one, other, told[ranks[one]][0], nbytes / told[ranks[one]][1]) for one, other in some]
        if float(world.max(time.perf_counter() - begin)[0]) > ALL_PAIRS:
            break
    return found


def rounds(n: int) -> list[list[tuple[int, int]]]:
    """All pairs of n, in rounds in which each is in one pair at most.

    >>> rounds(4), rounds(3), rounds(2)
    ([[(0, 3), (1, 2)], [(0, 2), (1, 3)], [(0, 1), (2, 3)]], [[(1, 2)], [(0, 2)], [(0, 1)]], [[(0, 1)]])
    """
    places = list(range(n + n % 2))  # of odd n the place n is nobody's
    half, found = len(places) // 2, []
    for _ in range(len(places) - 1):
        across = zip(places[:half], reversed(places[half:]), strict=True)
        found.append([(min(pair), max(pair)) for pair in across if max(pair) < n])
        places = [places[0], places[-1], *places[1:-1]]
    return found


def there_and_back(world: World, both: tuple[int, int] | None, nbytes: int) -> Callable[[], None]:
    """A call that sends a message from one rank to another and back; nothing on other ranks."""
    if both is None or world.rank not in both:
        return lambda: None
    message, first, other = np.zeros(nbytes, np.uint8), world.rank == both[0], sum(both) - world.rank

    def call() -> None:
        if first:
            world.mpi.Send(message, other)
        world.mpi.Recv(message, other)
        if not first:
            world.mpi.Send(message, other)

    return call


def _least(world: World, talk: Callable[[], None], nbytes: int, repeats: int) -> float:
    """The least over the repeats of the slowest rank's seconds."""
    (slowest,) = world.max(np.array(_timed(world, talk, nbytes, repeats)))
    return float(slowest.min())


def _timed(world: World, talk: Callable[[], None], nbytes: int, repeats: int) -> list[float]:
    """This rank's seconds of each repeat, those to warm up left out. All ranks end after the same repeat."""
    found: list[float] = []
    calls, spent = 1, 0.0
    while len(found) < repeats + WARM and spent < BUDGET:
        world.mpi.Barrier()
        start = time.perf_counter()
        for _ in range(calls):
            talk()
        found.append((time.perf_counter() - start) / calls)
        slowest = float(world.max(found[-1])[0])
        spent += calls * slowest
        if nbytes <= SMALL and len(found) == WARM:  # the first call of all may be slow: it opens the connection
            calls = max(1, min(IN_A_ROW, int(BUDGET / repeats / slowest)))
    return found[WARM:] or found
