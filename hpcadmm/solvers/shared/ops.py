"""What an iteration is made of on one rank: products, passes over arrays, small dense algebra, messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["apply", "pull", "outer", "gram"]  # W a, W^T z, z a^T, a a^T


@dataclass(frozen=True)
class Gemm:
    """A product with (rows, inner) or over the samples, (rows, columns) (columns, inner); in so many calls."""

    layer: int
    kind: Kind
    rows: int
    inner: int
    columns: float
    calls: float
    name: str = ""  # as in `W1 a0`, for the floor of bench

    @property
    def flops(self) -> float:
        """Of all calls; a symmetric one is half."""
        if self.kind == "gram":
            return self.rows * (self.rows + 1) * self.columns
        return 2.0 * self.rows * self.inner * self.columns

    @property
    def shape(self) -> tuple[float, float, float]:
        """(m, n, k) of one call: m x n by k."""
        width = self.columns / self.calls if self.calls else 0.0
        if self.kind in ("outer", "gram"):
            return self.rows, self.inner, width
        return self.rows, width, self.inner


@dataclass(frozen=True)
class Passes:
    """Bytes read and written: `near` of what is in cache, `far` of what is not; Python calls."""

    layer: int
    near: float
    far: float
    calls: float


@dataclass(frozen=True)
class Kernel:
    """A function entry by entry: "relu prox", "hinge gradient", "fold", ..."""

    layer: int
    name: str
    entries: float
    calls: float


@dataclass(frozen=True)
class Dense:
    """Algebra of small matrices that every rank does alike: the factor or the inverse of (n, n), `columns` right sides
    of a triangle, or a product (n, columns) (columns, n) in float64."""

    layer: int
    kind: Literal["cholesky", "solve", "inverse", "square"]
    n: int
    columns: int = 0
    times: float = 1.0


@dataclass(frozen=True)
class Message:
    """What a rank sends: its part of a sum over ranks, or an array to the next rank; overlapped: while it works."""

    layer: int
    verb: Literal["sum", "send"]
    bytes: float
    group: Literal["samples", "chain"] = "samples"
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
        """Over all columns, tile by tile; `share`: in how many of the iterations."""
        if share:
            self.ops.append(Gemm(l, kind, rows, inner, self.columns * share, self.calls * share, name))

    def passes(self, l: int, *, near: float = 0.0, far: float = 0.0, calls: float = 1.0) -> None:
        """near, far: rows of the columns that are read or written; calls a tile."""
        size = self.columns * self.item
        self.ops.append(Passes(l, near * size, far * size, calls * self.calls))

    def memory(self, l: int, *, near: float = 0.0, far: float = 0.0, calls: float = 1.0) -> None:
        """Bytes, whatever the columns."""
        self.ops.append(Passes(l, near, far, calls))

    def kernel(self, l: int, name: str, rows: float) -> None:
        """On so many rows of the columns."""
        self.ops.append(Kernel(l, name, rows * self.columns, self.calls))

    def fold(self, l: int, entries: float, share: float = 1.0) -> None:
        """A tile's product of so many entries into its exact sum, for each tile."""
        name = "fold" if entries * (8 + self.item) < 1 << 20 else "fold far"
        self.ops.append(Kernel(l, name, entries * self.calls * share, self.calls * share))

    def dense(self, l: int, kind: str, n: int, columns: int = 0, times: float = 1.0) -> None:
        if times:
            self.ops.append(Dense(l, kind, n, columns, times))  # type: ignore[arg-type]

    def sum(self, l: int, size: float, group: str = "samples", times: float = 1.0) -> None:
        """An Allreduce of so many bytes."""
        self.ops.append(Message(l, "sum", size, group, times))  # type: ignore[arg-type]

    def send(self, l: int, size: float, times: float = 1.0, overlapped: bool = False) -> None:
        """To the neighbour on the chain."""
        self.ops.append(Message(l, "send", size, "chain", times, overlapped))

    @property
    def flops(self) -> float:
        """Of what `floor` counts: the products and the inverses of a sweep."""
        found = sum(op.flops for op in self.ops if isinstance(op, Gemm))
        return found + sum(op.times * op.n**3 for op in self.ops if isinstance(op, Dense) and op.kind == "inverse")

    def sent(self, place: "object") -> tuple[float, float]:
        """(messages, bytes) that the communicator counts; a group of one rank sends nothing."""
        found = [op for op in self.ops if isinstance(op, Message) and getattr(place, op.group) > 1]
        return sum(op.times for op in found), sum(op.times * op.bytes for op in found)
