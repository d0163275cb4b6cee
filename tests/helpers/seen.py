"""Solvers stepped on a communicator that counts what they send."""

from typing import Any, NamedTuple

from hpcadmm.comm.world import World
from hpcadmm.testing.problems import posed, started
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.measure import Clock


class Counting:
    """A communicator that counts calls that send, and their bytes."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.calls, self.bytes = inner, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def count(self, array: Any) -> None:
        self.calls, self.bytes = self.calls + 1, self.bytes + array.nbytes

    def Allreduce(self, place: Any, array: Any, operation: Any) -> None:
        self.count(array)
        self.inner.Allreduce(place, array, operation)

    def Allgather(self, mine: Any, every: Any) -> None:
        self.count(mine)
        self.inner.Allgather(mine, every)

    def Allgatherv(self, mine: Any, every: Any) -> None:
        self.count(mine)
        self.inner.Allgatherv(mine, every)

    def Isend(self, array: Any, to: int, tag: int) -> Any:
        self.count(array)
        return self.inner.Isend(array, to, tag)


class Seen(NamedTuple):
    """Of a rank: what its communicator saw in the steps; what the metrics of all ranks said; what was measured."""

    calls: int
    bytes: int
    row: dict[str, Any]
    measured: dict[str, Any]


def seen(size: int, solver: Any, steps: int, hidden: tuple[int, ...] = (), **options: Any) -> list[Seen]:
    """Of each rank, after so many steps; a regression in least squares unless told otherwise."""

    def work(world: World) -> Seen:
        world.mpi = counting = Counting(world.mpi)
        p, world = posed(solver, world, hidden, **{"loss": "squared", "classes": 0, **options})
        s, clock, calls, size = started(solver, p, world), Clock(world), counting.calls, counting.bytes
        for _ in range(steps):
            with clock.solver():
                solver.step(s, p, world)
        found = counting.calls - calls, counting.bytes - size
        return Seen(*found, clock.row(), dict(solver.measure(s, p, world)))

    return on_ranks(size, work)


def check_uploads_and_broadcasts(found: list[Seen], workers: int, steps: int, bits: int) -> None:
    """Each step every worker uploads a vector of so many bits, and the server broadcasts one."""
    for rank in found:
        m = rank.measured
        assert m["payload_bits_per_worker"] == [steps * bits] * workers
        assert (m["broadcast_bits"], m["payload_bits"]) == (steps * bits, steps * (workers + 1) * bits)
        assert (m["payload_messages"], m["rounds"]) == (steps * (workers + 1), steps * 2)
        assert rank.row["bytes"] == (sum(other.bytes for other in found) if len(found) > 1 else 0)
