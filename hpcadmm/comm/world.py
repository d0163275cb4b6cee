"""The ranks and their grid of layers x samples: a few verbs, each counted (messages, bytes, seconds)."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import mpi4py
import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.late import MPI, Solo
from hpcadmm.comm.nodes import Nodes
from hpcadmm.comm.together import Together
from hpcadmm.comm.traffic import Pending, Traffic

CHUNK = 1 << 27  # entries of one message; larger ones are cut, since some MPIs fail at 2^31 bytes
PIECE, PIECES = 1 << 15, 64  # least entries and most pieces of a started sum: small ones advance in few calls of MPI
LARGE = 1 << 16  # bytes of a sum from which it is made node by node, where some nodes have several ranks


class World(Together):
    """All ranks of a communicator. Serial is one rank: the same verbs, the same program.

    `arranged` makes a grid of the ranks: `samples` are those with the same layers and other columns, `chain` those with
    the same columns and other layers, in the order of the layers. Without it every rank has all layers.
    """

    def __init__(self, communicator: MPI.Comm | Solo | None = None) -> None:
        self.mpi: Any = MPI.COMM_WORLD if communicator is None else communicator
        self.rank: int = self.mpi.Get_rank()
        self.size: int = self.mpi.Get_size()
        self.host: str = platform.node()
        self.traffic = Traffic()
        self.beat: Callable[[str | None], None] = lambda what: None  # tells the watchdog what this rank waits for
        self.samples: World = self
        self._chain: World | None = None
        self._layout: Nodes | None = None

    @classmethod
    def alone(cls) -> World:
        """A world of this process only."""
        return cls(MPI.COMM_SELF)

    @classmethod
    def without_mpi(cls) -> World:
        """The same without MPI, to read a run: gathers and broadcasts only."""
        return cls(Solo())

    @property
    def chain(self) -> World:
        """The ranks with the same columns, in the order of the layers."""
        if self._chain is None:
            self._chain = self._part(MPI.COMM_SELF)
        return self._chain

    def arranged(self, layers: int, samples: int) -> World:
        """The same ranks as a grid: rank = block of layers x samples + block of samples. Collective."""
        if layers * samples != self.size:
            raise ValueError(f"a grid of {layers} x {samples} does not fit {self.size} ranks")
        grid = self._part(self.mpi)
        if layers > 1:
            block, column = divmod(self.rank, samples)
            grid.samples = self._part(self.mpi.Split(block, self.rank))
            grid._chain = self._part(self.mpi.Split(column, self.rank))
        return grid

    def _part(self, communicator: MPI.Comm) -> World:
        """Some of these ranks; their traffic counts here too."""
        part = World(communicator)
        part.traffic, part.beat = self.traffic, self.beat
        return part

    @property
    def library(self) -> dict[str, str]:
        """The MPI library, standard and binding, for the record of a run."""
        version = MPI.Get_library_version().strip("\x00").strip()
        return {
            "library": version.splitlines()[0],
            "standard": ".".join(map(str, MPI.Get_version())),
            "mpi4py": mpi4py.__version__,
        }

    @property
    def first(self) -> bool:
        """Is this the rank that writes, prints and reads for all?"""
        return self.rank == 0

    @property
    def layout(self) -> Nodes:
        """On which nodes these ranks are. Collective the first time, which is not counted."""
        if self._layout is None:
            before = self.traffic.messages, self.traffic.bytes
            self._layout = Nodes(self)
            self.traffic.messages, self.traffic.bytes = before
        return self._layout

    @property
    def nodes(self) -> int:
        """On how many nodes these ranks are. Collective the first time."""
        return self.layout.count if self.size > 1 else 1

    @contextmanager
    def counted(self, what: str, size: int | None = None) -> Iterator[None]:
        """Count the seconds of a verb, and one message of `size` bytes (None: no message)."""
        start = self.traffic.mark()
        self.beat(what)
        yield
        self.beat(None)
        self.traffic.spend(start)
        if self.size > 1 and size is not None:
            self.traffic.messages += 1
            self.traffic.bytes += size

    def _reduce(self, flat: NDArray[Any], operation: MPI.Op) -> NDArray[Any]:
        """Reduce a contiguous one-dimensional array in place."""
        by_node = self.size > 2 and flat.nbytes >= LARGE and self.layout.mixed
        reduce = self.layout.reduce if by_node else partial(self.mpi.Allreduce, MPI.IN_PLACE)
        with self.counted("sum", flat.nbytes):
            for lo in range(0, flat.size, CHUNK):
                reduce(flat[lo : lo + CHUNK], operation)
        return flat

    def sum(self, *arrays: Any) -> list[NDArray[np.float64]]:
        """The sums over all ranks of float64 arrays (or scalars), in one packed Allreduce."""
        return self._packed(MPI.SUM, arrays)

    def max(self, *arrays: Any) -> list[NDArray[np.float64]]:
        """The entrywise maxima over all ranks, in one packed Allreduce."""
        return self._packed(MPI.MAX, arrays)

    def min(self, *arrays: Any) -> list[NDArray[np.float64]]:
        """The entrywise minima over all ranks, in one packed Allreduce."""
        return self._packed(MPI.MIN, arrays)

    def _packed(self, operation: MPI.Op, arrays: tuple[Any, ...]) -> list[NDArray[np.float64]]:
        given = [np.asarray(a, dtype=np.float64) for a in arrays]
        flat = np.concatenate([a.reshape(-1) for a in given])
        self._reduce(flat, operation)
        parts = np.split(flat, np.cumsum([a.size for a in given])[:-1])
        return [part.reshape(a.shape) for part, a in zip(parts, given, strict=True)]

    def sum_flat(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum one contiguous float64 vector over all ranks, in place and without a copy."""
        return self._reduce(flat, MPI.SUM)

    def start_sum(self, flat: NDArray[np.float64]) -> Pending:
        """Begin the same sum, in the same order on all ranks; nobody may use the vector before it is complete."""
        pieces = _chunks(flat, max(PIECE, -(-flat.size // PIECES))) if self.size > 1 else []
        mpi = self.layout.ordered if self.size > 2 and self.layout.mixed else self.mpi
        with self.counted("sum", flat.nbytes):
            requests = [mpi.Iallreduce(MPI.IN_PLACE, piece, MPI.SUM) for piece in pieces]
        return self.traffic.started(Pending(self, requests, "sum", flat))

    def start_sum_at_first(self, flat: NDArray[np.float64]) -> Pending:
        """Begin to sum a vector over these ranks in that of the first one. Not counted: a part of a larger sum."""
        requests: list[Any] = []
        if self.size > 1:
            with self.counted("sum"):
                sent = (lambda part: (MPI.IN_PLACE, part)) if self.first else (lambda part: (part, None))
                requests = [self.mpi.Ireduce(*sent(part), MPI.SUM, 0) for part in _chunks(flat, CHUNK)]
        return Pending(self, requests, "sum")

    def progress(self) -> None:
        """Let the sums that this rank has started advance: MPI moves them only inside its calls. A thread of MPI for
        that would take half of the core."""
        for pending in self.traffic.sums[:]:
            pending.progress()

    def broadcast(self, array: NDArray[Any], root: int = 0) -> NDArray[Any]:
        """Overwrite a contiguous array on every rank with that of rank `root`."""
        flat = array.reshape(-1, order="A")
        with self.counted("broadcast", flat.nbytes):
            for lo in range(0, flat.size, CHUNK):
                self.mpi.Bcast(flat[lo : lo + CHUNK], root)
        return array

    def send(self, array: NDArray[Any], to: int, tag: int, *, counts: bool = True) -> Pending:
        """Begin to send a contiguous array; it must not change before `wait`. counts: as a message of its own."""
        with self.counted("send", array.nbytes if counts else None):
            return Pending(self, [self.mpi.Isend(part, to, tag) for part in _chunks(array, CHUNK)])

    def receive(self, array: NDArray[Any], source: int, tag: int) -> Pending:
        """Begin to receive into a contiguous array of the type sent and of at least its size."""
        with self.counted("receive"):
            return Pending(self, [self.mpi.Irecv(part, source, tag) for part in _chunks(array, CHUNK)])

    def share(self, value: Any) -> Any:
        """The first rank's value, on every rank; sent as JSON, never as a pickle."""
        text = json.dumps(value).encode() if self.first else b""
        length = self.broadcast(np.array([len(text)], dtype=np.int64))[0]
        buffer = np.frombuffer(text, np.uint8).copy() if self.first else np.empty(length, np.uint8)
        return json.loads(self.broadcast(buffer).tobytes())

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, on every rank; sent as JSON."""
        mine = np.frombuffer(json.dumps(value).encode(), np.uint8)
        return [json.loads(text.tobytes()) for text in self.gather_bytes(mine)]

    def gather_bytes(self, mine: NDArray[np.uint8], lengths: Any = None) -> list[NDArray[np.uint8]]:
        """The bytes of all ranks, on every rank; lengths: theirs if all ranks know them, else they are sent too."""
        with self.counted("gather", mine.nbytes + (8 if lengths is None else 0)):
            if lengths is None:
                lengths = np.zeros(self.size, dtype=np.int64)
                self.mpi.Allgather(np.array([mine.size], dtype=np.int64), lengths)
            everything = np.empty(int(np.sum(lengths)), np.uint8)
            self.mpi.Allgatherv(mine, [everything, lengths])
        return np.split(everything, np.cumsum(lengths)[:-1])

    def exchange(self, rows: NDArray[Any], counts: Any, expected: Any) -> NDArray[Any]:
        """The rows that all ranks send here, in the order of the ranks.

        rows (k, ...): contiguous, sorted by receiver. counts, expected: rows to and from each rank.
        """
        if self.size == 1:
            return rows
        out = np.empty((int(np.sum(expected)), *rows.shape[1:]), rows.dtype)
        row = rows.dtype.itemsize * int(np.prod(rows.shape[1:]))
        sent, received = (array.reshape(-1).view(np.uint8) for array in (rows, out))
        with self.counted("exchange", rows.nbytes):
            self.mpi.Alltoallv([sent, np.multiply(counts, row)], [received, np.multiply(expected, row)])
        return out

    def barrier(self) -> None:
        """Wait for all ranks."""
        with self.counted("barrier", 0):
            self.mpi.Barrier()


def _chunks(array: NDArray[Any], chunk: int) -> list[NDArray[Any]]:
    """Views of a contiguous array of either order, each small enough for one message, in order."""
    flat = array.reshape(-1, order="A")
    if not np.shares_memory(flat, array) and array.size:
        raise ValueError(f"an array of shape {array.shape} and strides {array.strides} is not contiguous")
    return [flat[lo : lo + chunk] for lo in range(0, flat.size, chunk)]
