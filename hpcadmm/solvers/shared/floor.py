"""The floor of `bench`: the matrix products and inverses of a bill, each timed alone on random operands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles
from hpcadmm.products.base import Engine, Operand
from hpcadmm.products.plain import Plain
from hpcadmm.products.scratch import Scratch
from hpcadmm.solvers.shared.ops import Bill, Dense, Gemm, Kind
from hpcadmm.subproblems.matrix_penalty import damped_inverse

MOST = 1 << 28  # bytes of an array of random columns: far above any cache, far below the memory of a large job


@dataclass(frozen=True)
class Product:
    """left right or, `outer`, left right^T over the samples; a call computes it tile after tile.

    left: (rows, inner), `outer`: (rows, held); right: (inner, held). left is right: one triangle (SYRK).
    tiles: the columns of each tile, of those that are held. The result of a tile overwrites that of the tile before.
    """

    flops: float
    left: Array
    right: Array
    tiles: list[slice]
    outer: bool
    results: Scratch

    def __call__(self) -> None:
        for A, B in self.factors():
            np.matmul(A, B, out=self.results("product", A.shape[0], B.shape[1]))

    def factors(self) -> Iterator[tuple[Any, Any]]:
        """Both factors of each tile."""
        for t in self.tiles:
            yield (self.left[:, t], self.right[:, t].T) if self.outer else (self.left, self.right[:, t])


@dataclass(frozen=True)
class RoundedProduct:
    """The same by an engine of rounded operands, which are made at the first call; a call packs what an iteration packs
    for every tile.

    left: W, or the tiles of z; right: the tiles of a; of a Gram matrix left is right."""

    flops: float
    kind: Kind
    engine: Engine
    left: Operand | list[Operand]
    right: list[Operand]
    results: Scratch

    def __call__(self) -> None:
        engine = self.engine
        for k, x in enumerate(self.right):
            left = self.left[k] if isinstance(self.left, list) else self.left
            rows = left.shape[1] if self.kind == "pull" else left.shape[0]
            out = self.results("product", rows, x.shape[self.kind not in ("outer", "gram")])
            if self.kind == "apply":
                engine.apply(left, x, out)
            elif self.kind == "pull":
                engine.pull(left, x, out)
            elif self.kind == "outer":
                engine.outer(left.unpacked(), x, out)
            else:
                engine.gram(x, out)


@dataclass(frozen=True)
class Inverse:
    """The inverse of a positive definite matrix by its Cholesky factor."""

    flops: float
    matrix: Array
    out: Array

    def __call__(self) -> None:
        damped_inverse(self.matrix, 1.0, 1.0, self.out)


Necessary = Product | RoundedProduct | Inverse


class Floor:
    """The products of bills over these tiles. Those of a layer share its W, a and z, so that caches see as much memory
    as in an iteration; an array that would be larger than `most` bytes begins again at its first columns."""

    def __init__(self, tiles: Tiles, dtype: Any, products: Engine | None = None, most: int = MOST) -> None:
        self.tiles, self.dtype, self.results, self.most = tiles, np.dtype(dtype), Scratch(dtype), most
        self.products = products or Plain(self.dtype.name)
        self._flat: dict[str, Array] = {}
        self._rounded: dict[Any, list[Operand]] = {}
        self._made: dict[Gemm | Dense, Necessary] = {}

    def of(self, bill: Bill) -> dict[str, Necessary]:
        """Each product and inverse of a bill by its name."""
        self._reserve([op for op in bill.necessary if isinstance(op, Gemm)])
        found: dict[str, Necessary] = {}
        for op in bill.necessary:
            name, times = op.name or f"{op.kind} {op.layer}", 1
            while name in found:
                times += 1
                name = f"{op.name or f'{op.kind} {op.layer}'} ({times})"
            if op not in self._made:
                self._made[op] = self._product(op) if isinstance(op, Gemm) else self._inverse(op)
            found[name] = self._made[op]
        return found

    def _reserve(self, products: list[Gemm]) -> None:
        """Make the arrays large enough."""
        for name, rows, columns in (operand for op in products for operand in operands(op, self._held(op))):
            if name not in self._flat or self._flat[name].size < rows * columns:
                self._flat[name] = np.empty(rows * columns, self.dtype)
                self._made.clear()
                self._rounded.clear()
        if not self._made:
            for flat in self._flat.values():
                flat[...] = np.random.default_rng(0).standard_normal(flat.size, self.dtype)

    def _product(self, op: Gemm) -> Product | RoundedProduct:
        held = self._held(op)
        named = operands(op, held)
        arrays = [
            self._flat[name][: rows * columns].reshape((rows, columns), order="F") for name, rows, columns in named
        ]
        tiles = again(self._cuts(op), held)
        engine = self.products.at(*op.factor)
        if not isinstance(engine, Plain):
            left, right = (
                self._operands(engine, x, name, tiles)
                for x, (name, _, _) in zip((arrays[0], arrays[-1]), (named[0], named[-1]), strict=True)
            )
            return RoundedProduct(op.flops, op.kind, engine, left, right, self.results)
        left = arrays[0].T if op.kind == "pull" else arrays[0]
        return Product(op.flops, left, arrays[-1], tiles, op.kind in ("outer", "gram"), self.results)

    def _cuts(self, op: Gemm) -> list[slice]:
        """The tiles of a product."""
        columns, calls = round(op.columns), max(1, round(op.calls))
        same = columns == self.tiles.hi - self.tiles.lo and calls == max(1, len(self.tiles))
        return [t for _, t in (self.tiles if same else Tiles(columns, max(1, columns), parts=calls))]

    def _held(self, op: Gemm) -> int:
        """The columns that a product's arrays have: at least those of its widest tile."""
        widest = max((t.stop - t.start for t in self._cuts(op)), default=0)
        return min(round(op.columns), max(widest, self.most // (max(op.rows, op.inner) * self.dtype.itemsize)))

    def _operands(self, engine: Engine, x: Array, name: str, tiles: list[slice]) -> Any:
        """The operand of a W, or those of the tiles of an array, the same for all products."""
        cuts = [(0, x.shape[1])] if name.startswith("W") else [(t.start, t.stop) for t in tiles]
        key = name, *x.shape, *cuts
        if key not in self._rounded:
            made = {cut: engine.data(x[:, slice(*cut)]) for cut in cuts}
            self._rounded[key] = [made[cut] for cut in cuts]
        return self._rounded[key][0] if name.startswith("W") else self._rounded[key]

    def _inverse(self, op: Dense) -> Inverse:
        return Inverse(op.flops, np.eye(op.n, order="F"), np.empty((op.n, op.n), self.dtype, order="F"))


def again(tiles: list[slice], held: int) -> list[slice]:
    """The columns of each tile in arrays of `held` columns: of the same width, and from the first ones again where the
    arrays end.

    >>> again([slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 11)], 7)
    [slice(0, 3, None), slice(3, 6, None), slice(0, 3, None), slice(3, 5, None)]
    """
    if not tiles or tiles[-1].stop <= held:
        return tiles
    widest = max(t.stop - t.start for t in tiles)
    starts = [t.start for t in tiles if t.start + widest <= held]
    pairs = ((starts[k % len(starts)], t.stop - t.start) for k, t in enumerate(tiles))
    return [slice(start, start + width) for start, width in pairs]


def operands(op: Gemm, columns: int) -> list[tuple[str, int, int]]:
    """(array, rows, columns) of each factor, as it lies in memory: W^T z has W, z a^T both over the samples."""
    l = op.layer
    right = f"{'z' if op.kind == 'pull' else 'a'}{l}", op.inner, columns
    if op.kind == "gram":
        return [(f"a{l}", op.rows, columns)]
    if op.kind == "outer":
        return [(f"z{l}", op.rows, columns), right]
    return [(f"W{l}", *((op.inner, op.rows) if op.kind == "pull" else (op.rows, op.inner))), right]
