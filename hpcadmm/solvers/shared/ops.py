"""The operations of one rank in one iteration: products, passes over arrays, small dense algebra, messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["apply", "pull", "outer", "gram"]  # W a, W^T z, z a^T, a a^T
Algebra = Literal["cholesky", "solve", "inverse", "square"]
Group = Literal["samples", "chain"]


@dataclass(frozen=True)
class Gemm:
    """A product over the samples, cut into `calls` tiles: (rows, inner) (inner, columns), or (rows, columns)
    (columns, inner) for the kinds "outer" and "gram".

    name: as in `W1 a0`, for the floor of bench.
    """

    layer: int
    kind: Kind
    rows: int
    inner: int
    columns: float
    calls: float
    name: str = ""

    @property
    def flops(self) -> float:
        """Of all calls; a symmetric product costs half."""
        if self.kind == "gram":
            return self.rows * (self.rows + 1) * self.columns
        return 2.0 * self.rows * self.inner * self.columns

    @property
    def factor(self) -> tuple[int, int]:
        """The shape of W, of the layer whose W it would be, or of a Gram matrix."""
        return {"pull": (self.inner, self.rows), "gram": (self.rows, self.rows)}.get(self.kind, (self.rows, self.inner))

    @property
    def shape(self) -> tuple[float, float, float]:
        """(m, n, k) of one call: m x n by k."""
        width = self.columns / self.calls if self.calls else 0.0
        if self.kind in ("outer", "gram"):
            return self.rows, self.inner, width
        return self.rows, width, self.inner


@dataclass(frozen=True)
class Passes:
    """Bytes read and written: `near` in cache, `far` in memory; Python calls."""

    layer: int
    near: float
    far: float
    calls: float


@dataclass(frozen=True)
class Kernel:
    """A function applied entry by entry: "relu prox", "hinge gradient", "fold", ..."""

    layer: int
    name: str
    entries: float
    calls: float


@dataclass(frozen=True)
class Dense:
    """Algebra of small matrices that every rank repeats: the factor or the inverse of (n, n), `columns` right sides
    of a triangle, or a product (n, columns) (columns, n) in float64."""

    layer: int
    kind: Algebra
    n: int
    columns: int = 0
    times: float = 1.0
    name: str = ""

    @property
    def flops(self) -> float:
        """Of an inverse: its Cholesky factor included."""
        return self.times * self.n**3


@dataclass(frozen=True)
class Message:
    """A rank's part of a sum over ranks, its bytes for all ranks, or an array for another rank; overlapped: while the
    rank works."""

    layer: int
    verb: Literal["sum", "gather", "send"]
    bytes: float
    group: Group = "samples"
    times: float = 1.0
    overlapped: bool = False


Op = Gemm | Passes | Kernel | Dense | Message


class Bill:
    """The operations of one rank in one iteration. `columns` of samples in `calls` tiles, entries of `item` bytes."""

    def __init__(self, columns: float, calls: float, item: int) -> None:
        self.columns, self.calls, self.item = columns, calls, item
        self.ops: list[Op] = []

    def __iter__(self) -> Iterator[Op]:
        return iter(self.ops)

    def gemm(self, l: int, kind: Kind, rows: int, inner: int, share: float = 1.0, name: str = "") -> None:
        """A product over all columns, tile by tile; `share`: in this fraction of the iterations."""
        if share:
            self.ops.append(Gemm(l, kind, rows, inner, self.columns * share, self.calls * share, name))

    def passes(self, l: int, *, near: float = 0.0, far: float = 0.0, calls: float = 1.0) -> None:
        """near, far: rows of the columns that are read or written; calls: of Python, per tile."""
        size = self.columns * self.item
        self.ops.append(Passes(l, near * size, far * size, calls * self.calls))

    def memory(self, l: int, *, near: float = 0.0, far: float = 0.0, calls: float = 1.0) -> None:
        """Bytes read and written whatever the columns."""
        self.ops.append(Passes(l, near, far, calls))

    def kernel(self, l: int, name: str, rows: float) -> None:
        """A function on this many rows of the columns."""
        self.ops.append(Kernel(l, name, rows * self.columns, self.calls))

    def fold(self, l: int, entries: float, share: float = 1.0) -> None:
        """For each tile, add its product of this many entries to an exact sum."""
        name = "fold" if entries * (8 + self.item) < 1 << 20 else "fold far"
        self.ops.append(Kernel(l, name, entries * self.calls * share, self.calls * share))

    def dense(self, l: int, kind: Algebra, n: int, columns: int = 0, times: float = 1.0, name: str = "") -> None:
        """Algebra of small matrices, `times` an iteration."""
        if times:
            self.ops.append(Dense(l, kind, n, columns, times, name))

    def sum(self, l: int, size: float, group: Group = "samples", times: float = 1.0, overlapped: bool = False) -> None:
        """An Allreduce of `size` bytes."""
        self.ops.append(Message(l, "sum", size, group, times, overlapped))

    def gather(self, l: int, size: float) -> None:
        """An Allgather to which this rank gives `size` bytes."""
        self.ops.append(Message(l, "gather", size))

    def send(self, l: int, size: float, times: float = 1.0, overlapped: bool = False, group: Group = "chain") -> None:
        """`size` bytes to a neighbour, on the chain."""
        self.ops.append(Message(l, "send", size, group, times, overlapped))

    @property
    def necessary(self) -> list[Gemm | Dense]:
        """What the floor of bench times: the products and the inverses."""
        return [op for op in self.ops if isinstance(op, Gemm) or (isinstance(op, Dense) and op.kind == "inverse")]

    @property
    def flops(self) -> float:
        """Of the necessary operations."""
        return sum(op.flops for op in self.necessary)

    def sent(self, place: "object") -> tuple[float, float]:
        """(messages, bytes) that the communicator counts; a group of one rank sends nothing."""
        found = [op for op in self.ops if isinstance(op, Message) and getattr(place, op.group) > 1]
        return sum(op.times for op in found), sum(op.times * op.bytes for op in found)
