"""Ranks as threads of this process: World over a communicator of barriers, for tests of what each rank reads."""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from mpi4py import MPI

from hpcadmm.comm.world import World

COMBINE = [(MPI.SUM, np.add), (MPI.MAX, np.maximum), (MPI.MIN, np.minimum)]


class Failed(Exception):
    """Another rank has failed, so that this one would wait in vain."""


class Board:
    """What the threads of a communicator show one another; `root` is that of all ranks."""

    def __init__(self, size: int, root: "Board | None" = None) -> None:
        self.size = size
        self.root = root or self
        self.barrier = threading.Barrier(size, timeout=60)
        self.shown: list[Any] = [None] * size
        self.sent: dict[Any, list[Any]] = defaultdict(list)  # by (from, to, tag), in order
        self.expected: dict[Any, int] = defaultdict(int)  # how many of them were asked for
        self.sums: dict[int, dict[int, Any]] = defaultdict(dict)  # those begun, in order: the values of each rank
        self.parts: dict[Any, Board] = {}
        if root is None:
            self.news = threading.Condition(threading.RLock())
            self.failed = False
            self.open: set[Request] = set()  # messages not waited for
            self.boards = [self]

    def part(self, key: Any, size: int) -> "Board":
        """The board of some of the ranks."""
        with self.root.news:
            if key not in self.parts:
                self.parts[key] = Board(size, self.root)
                self.root.boards.append(self.parts[key])
                if self.root.failed:
                    self.parts[key].barrier.abort()
            return self.parts[key]

    def fail(self) -> None:
        """Nobody waits any longer."""
        with self.news:
            self.failed = True
            for board in self.boards:
                board.barrier.abort()
            self.news.notify_all()

    def check_all_arrived(self) -> None:
        """Raise AssertionError where a message was not received or not waited for."""
        for board in self.boards:
            for key, messages in board.sent.items():
                assert len(messages) == board.expected[key], f"not received: messages (from, to, tag) = {key}"
        assert not self.open, f"{len(self.open)} messages were never waited for"


class Request:
    """A message that arrives when it is waited for; `ready`: can it?"""

    def __init__(self, board: Board, done: Callable[[], Any], ready: Callable[[], bool] = lambda: True) -> None:
        self.root, self.done, self.ready = board.root, done, ready
        with self.root.news:
            self.root.open.add(self)

    def Wait(self) -> None:
        self.done()
        with self.root.news:
            self.root.open.discard(self)

    def Test(self) -> bool:
        """Complete it, if it can be."""
        with self.root.news:
            ready = self.ready() or self.root.failed
        if ready:
            self.Wait()
        return ready


class Communicator:
    """One rank's view of the board: the calls that World makes."""

    def __init__(self, board: Board, rank: int, node: int = 0) -> None:
        self.board, self.rank, self.node, self.splits, self.begun = board, rank, node, 0, 0

    def Get_rank(self) -> int:
        return self.rank

    def Get_size(self) -> int:
        return self.board.size

    def exchange(self, mine: Any) -> list[Any]:
        """Everybody's values, by rank."""
        self.board.shown[self.rank] = mine
        self._meet()
        everything = list(self.board.shown)
        self._meet()
        return everything

    def _meet(self) -> None:
        try:
            self.board.barrier.wait()
        except threading.BrokenBarrierError:
            raise Failed("a rank did not come to the others") from None

    def Allreduce(self, _: Any, flat: Any, operation: Any) -> None:
        combine = next(function for known, function in COMBINE if known == operation)
        flat[...] = combine.reduce(self.exchange(flat.copy()))

    def Iallreduce(self, _: Any, flat: Any, operation: Any) -> Request:
        """All ranks begin their sums in the same order; until a sum is complete its buffer holds NaN."""
        combine = next(function for known, function in COMBINE if known == operation)
        root, size, own = self.board.root, self.board.size, flat.copy()
        flat[...] = np.nan
        with root.news:
            values = self.board.sums[self.begun]
            values[self.rank] = own
            root.news.notify_all()
        self.begun += 1

        def done() -> None:
            with root.news:
                root.news.wait_for(lambda: len(values) == size or root.failed, timeout=60)
            if len(values) < size:
                raise Failed("a rank did not begin the same sum")
            assert np.isnan(flat).all(), "a buffer was written before its sum was complete"
            flat[...] = combine.reduce([values[rank] for rank in range(size)])

        return Request(self.board, done, lambda: len(values) == size)

    def Ireduce(self, sent: Any, received: Any, operation: Any, root: int) -> Request:
        """As Iallreduce, for the root alone; the others may write their vector again once they have waited."""
        if self.rank == root:
            return self.Iallreduce(sent, received, operation)
        return self.Iallreduce(None, sent.copy(), operation)

    def Reduce(self, sent: Any, received: Any, operation: Any, root: int) -> None:
        self.Allreduce(None, received if self.rank == root else sent.copy(), operation)

    def Bcast(self, flat: Any, root: int) -> None:
        flat[...] = self.exchange(flat.copy())[root]

    def Allgather(self, mine: Any, out: Any) -> None:
        out[...] = np.concatenate(self.exchange(mine.copy()))

    def Allgatherv(self, mine: Any, out: Any) -> None:
        out[0][...] = np.concatenate(self.exchange(mine.copy()))

    def Alltoallv(self, mine: Any, out: Any) -> None:
        parts = self.exchange(np.split(mine[0].copy(), np.cumsum(mine[1])[:-1]))
        received = [part[self.rank] for part in parts]
        assert [part.size for part in received] == list(out[1]), "other counts than were sent"
        out[0][...] = np.concatenate(received)

    def Barrier(self) -> None:
        self.exchange(None)

    def Split(self, color: int, key: int) -> "Communicator":
        """Ranks with the same color, in the order of their keys."""
        every = self.exchange((color, key))
        members = sorted((rank for rank, (c, _) in enumerate(every) if c == color), key=lambda rank: every[rank][1])
        self.splits += 1
        board = self.board.part((self.splits, color), len(members))
        return Communicator(board, members.index(self.rank), self.node)

    def Split_type(self, _: int, key: int) -> "Communicator":
        """Ranks of one node."""
        return self.Split(self.node, key)

    def Isend(self, array: Any, to: int, tag: int) -> Request:
        """The values leave now or when the message is waited for: the buffer must not change before."""
        first = array.copy()

        def unchanged() -> None:
            assert first.tobytes() == array.tobytes(), "a send buffer changed before its message was waited for"

        with self.board.root.news:
            self.board.sent[self.rank, to, tag].append(first)
            self.board.root.news.notify_all()
        return Request(self.board, unchanged)

    def Irecv(self, array: Any, source: int, tag: int) -> Request:
        """The values arrive when the message is waited for; until then the buffer holds NaN, or -1; so does what
        a shorter message leaves."""
        root, key = self.board.root, (source, self.rank, tag)
        array.view(np.uint8)[...] = 255
        with root.news:
            order = self.board.expected[key]
            self.board.expected[key] += 1

        def done() -> None:
            with root.news:
                came = root.news.wait_for(lambda: len(self.board.sent[key]) > order or root.failed, timeout=60)
                if not came or len(self.board.sent[key]) <= order:
                    raise Failed(f"no message (from, to, tag) = {key} came")
                message = self.board.sent[key][order]
                self.board.sent[key][order] = None
            assert message.dtype == array.dtype, "another type than was sent"
            assert message.size <= array.size, "more than there is room for"
            array[: message.size] = message

        return Request(self.board, done, lambda: len(self.board.sent[key]) > order)


def on_ranks(size: int, work: Callable[[World], Any], nodes: Sequence[int] | None = None) -> list[Any]:
    """What `work` gives on each of `size` ranks; raises the exception of the first rank that failed by itself.
    nodes: that of each rank; default one for all.

    Also checks that every message was received and waited for.
    """
    board = Board(size)
    worlds = [World(Communicator(board, rank, nodes[rank] if nodes else 0)) for rank in range(size)]  # type: ignore[arg-type]

    def run(world: World) -> Any:
        try:
            return work(world)
        except BaseException:
            board.fail()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(run, world) for world in worlds]
    errors = [error for error in (future.exception() for future in futures) if error is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, Failed)), errors[0])
    board.check_all_arrived()
    return [future.result() for future in futures]
