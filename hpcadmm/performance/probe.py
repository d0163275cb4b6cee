"""Measure the machine in one process of a launcher: products, passes, kernels, small algebra and messages.

Each figure is the least of a few repeats, of the slowest rank, with all ranks running at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from scipy.linalg import cho_factor
from scipy.linalg.blas import dtrsm

from hpcadmm.bench.machine import triad
from hpcadmm.bench.timing import repeated
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.probe import allreduce, pingpong
from hpcadmm.comm.world import World
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.tiles import Tiles
from hpcadmm.products import PRECISIONS, engine_of
from hpcadmm.products.base import Engine
from hpcadmm.products.rates import installed
from hpcadmm.solvers.shared.floor import Floor
from hpcadmm.solvers.shared.ops import Bill, Gemm, Kind
from hpcadmm.subproblems.matrix_penalty import damped_inverse

Rows = list[list[Any]]  # of numbers: shape ..., seconds
STREAM = 16 << 20  # bytes of the operand that a product runs over
# (rows, inner, columns of a tile) as solvers have them; the first ones for a quick measurement
QUICK = [
    (10, 300, 1024),
    (300, 300, 1024),
    (300, 785, 1024),
    (1000, 1000, 512),
    (64, 64, 64),
    (300, 10, 256),
    (128, 500, 256),
]
SHAPES = [*QUICK, (1, 300, 1024), (300, 28, 1024), (100, 100, 512), (128, 785, 64), (500, 500, 256), (300, 300, 64),
          (1500, 1000, 1024), (1000, 300, 128), (32, 1000, 512)]  # fmt: skip
MESSAGES = [8, 1024, 8192, 65536, 1 << 20, 1 << 22]
FOLDS = 8  # partials of a sum
NEAR, FAR = 1 << 14, 1 << 23  # entries of float64 of an array in cache, and of one that is not


@dataclass(frozen=True)
class Wanted:
    """What to measure: everything, or what one job needs."""

    precisions: tuple[str, ...] = ("float32", "float64", *(["bfloat16"] if installed() else []))
    activations: tuple[str, ...] = tuple(ACTIVATIONS)
    losses: tuple[str, ...] = tuple(LOSSES)
    quick: bool = False

    @property
    def repeats(self) -> int:
        return 3 if self.quick else 5


def probe(world: World, wanted: Wanted) -> dict[str, Any]:
    """All measurements, as JSON can hold them. Collective."""
    found: dict[str, Any] = {"ranks": world.size, "gemm": {}, "kernels": {}}
    arrays = dict.fromkeys(np.dtype(PRECISIONS[precision]).name for precision in wanted.precisions)
    for precision in dict.fromkeys([*arrays, *wanted.precisions]):
        found["gemm"][precision] = gemms(world, engine_of(precision), wanted)
    for precision in arrays:
        found["kernels"][precision] = {
            name: least(world, call, wanted.repeats) / entries for name, entries, call in kernels(precision, wanted)
        }
    found["dense"] = dense(world, wanted)
    found["passes"] = passes(world, wanted.repeats)
    found["call"] = call_seconds(world, wanted.repeats)
    nodes = world.layout
    found["nodes"] = nodes.count
    found["messages"] = world.share(messages(nodes.here))
    found["between"] = world.share(messages(nodes.between) if nodes.between else {})
    return found


def least(world: World, call: Callable[[], Any], repeats: int) -> float:
    """Seconds of the best repeat of the slowest rank."""
    return min(repeated(call, world, repeats))


def gemms(world: World, engine: Engine, wanted: Wanted) -> dict[str, Rows]:
    """[m, n, k, seconds] of one call, by kind, streaming over an array larger than the nearer caches."""
    found: dict[str, Rows] = {"apply": [], "pull": [], "outer": [], "gram": []}
    dtype = np.dtype(PRECISIONS[engine.precision])
    for rows, inner, width in QUICK if wanted.quick else SHAPES:
        tiles = Tiles(width * max(2, min(32, STREAM // (inner * width * dtype.itemsize))), width)
        bill = Bill(tiles.n, tiles.count, dtype.itemsize)
        for kind in get_args(Kind):
            bill.gemm(1, kind, inner if kind == "gram" else rows, inner, name=kind)
        for op, call in zip(bill.necessary, Floor(tiles, dtype, engine).of(bill).values(), strict=True):
            assert isinstance(op, Gemm)
            if engine.at(*op.factor).precision == engine.precision:
                call()  # makes the operands
                found[op.kind].append([*op.shape, least(world, call, wanted.repeats) / tiles.count])
    return found


def kernels(precision: str, wanted: Wanted) -> Iterator[tuple[str, int, Callable[[], Any]]]:
    """(name, entries, call) of what goes entry by entry."""
    random, dtype = np.random.default_rng(0), np.dtype(precision)

    def some(rows: int, columns: int) -> Any:
        return np.asfortranarray(random.standard_normal((rows, columns)), dtype)

    a, m, z, size = some(64, 1024), some(64, 1024), some(64, 1024), 64 * 1024
    for name in wanted.activations:
        h = ACTIVATIONS[name]()
        yield f"{name} value", size, lambda h=h: h.value(m, out=z)  # type: ignore[misc]
        yield f"{name} derivative", size, lambda h=h: h.derivative(m, out=z)  # type: ignore[misc]
        yield f"{name} prox", size, lambda h=h: h.prox(a, m, 1.0, 1.0, z)  # type: ignore[misc]
    for name in wanted.losses:
        loss = LOSSES[name]()
        rows, labels = 10, random.integers(0, 10, 2048)
        if loss.real or name == "logistic":
            rows, labels = 1, random.integers(0, 2, 2048)
        y = loss.targets(labels, rows, 0 if loss.real else max(rows, 2), dtype.type)
        given = [some(rows, 2048), y, np.zeros_like(y), 1.0, some(rows, 2048)]
        yield f"{name} prox", y.size, lambda f=loss, given=given: f.prox(*given)  # type: ignore[misc]
        yield f"{name} gradient", y.size, lambda f=loss, given=given: f.gradient(*given[:2])  # type: ignore[misc]
    for name, side in (("fold", 200), ("fold far", 1000)):
        total = Exact((side, side), dtype, FOLDS, 10)
        fold(total, some(side, side))
        yield name, FOLDS * side * side, lambda total=total: fold(total)  # type: ignore[misc]


def fold(total: Exact, fill: Any = None) -> None:
    """A sum of FOLDS partials, added together as in an iteration; they are those of the last call unless `fill`."""
    total.clear()
    for _ in range(FOLDS):
        partial = total.partial
        if fill is not None:
            partial[...] = fill
        total.add(partial)
    total.close(alone=True)


def dense(world: World, wanted: Wanted) -> dict[str, Rows]:
    """[n, columns, seconds] of small algebra in float64; `inverse` in float32, as mpadmm uses it."""
    found: dict[str, Rows] = {"cholesky": [], "solve": [], "inverse": [], "square": []}
    for n in (64, 300, 800) if wanted.quick else (32, 64, 128, 300, 500, 800, 1200):
        M = np.asfortranarray(np.eye(n) * n + 1.0)
        L, out = cho_factor(M, lower=True)[0], np.zeros((n, n), np.float32, order="F")
        repeats = max(2, wanted.repeats // 2)
        found["cholesky"].append([n, 0, least(world, lambda M=M: cho_factor(M, lower=True), repeats)])  # type: ignore[misc]
        invert = lambda M=M, out=out: damped_inverse(M, 1.0, 1.0, out)  # noqa: E731
        found["inverse"].append([n, 0, least(world, invert, repeats)])
        for columns in (10, n):
            right = np.ones((columns, n), order="F")
            solve = lambda L=L, r=right: dtrsm(1.0, L, r, side=1, lower=1, trans_a=1)  # noqa: E731
            found["solve"].append([n, columns, least(world, solve, repeats)])
            square = lambda r=right: r.T @ r  # noqa: E731
            found["square"].append([n, columns, least(world, square, repeats)])
    return found


def passes(world: World, repeats: int) -> dict[str, float]:
    """Seconds a byte of a = b + s c, in cache and in memory."""
    found = {}
    for name, entries, times in (("near", NEAR, 50), ("far", FAR, 1)):
        a, b, c = (np.full(entries, float(k)) for k in range(3))

        def call(a: Any = a, b: Any = b, c: Any = c, times: int = times) -> None:
            for _ in range(times):
                triad(a, b, c, 0.5)

        found[name] = least(world, call, repeats) / (24 * entries * times)
    return found


def call_seconds(world: World, repeats: int) -> float:
    """Seconds of a numpy call with two slices of tiny arrays."""
    x, y = np.zeros((2, 64), order="F"), np.zeros((2, 2), order="F")

    def call() -> None:
        for k in range(1000):
            np.multiply(x[:, k % 32 : k % 32 + 2], 0.5, out=y)

    return least(world, call, repeats) / 1000


def messages(world: World) -> dict[str, Rows]:
    """[bytes, seconds] of a message from the first rank to the last, and of a sum over all; none of one rank."""
    if world.size == 1:
        return {}
    return {
        "send": [[size, pingpong(world, size)] for size in MESSAGES],
        "sum": [[size, allreduce(world, size)] for size in MESSAGES],
    }
