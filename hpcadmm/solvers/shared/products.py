"""Matrix products to be timed alone: what an iteration cannot do without."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles
from hpcadmm.subproblems.scratch import Scratch


@dataclass(frozen=True)
class Product:
    """left right or, `outer`, left right^T over the samples, on this rank; calling it runs it, tile after tile.

    left: (rows, inner), `outer`: (rows, samples); right: (inner or columns, samples). left is right: one half (SYRK).
    The result of a tile is written where that of the one before was, in memory that stays between calls.
    """

    left: Array
    right: Array
    tiles: Tiles
    outer: bool = False
    scratch: Scratch = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scratch", Scratch(self.right.dtype))

    def __call__(self) -> None:
        for A, B in self.factors():
            np.matmul(A, B, out=self.scratch("product", A.shape[0], B.shape[1]))

    def factors(self) -> Iterator[tuple[Any, Any]]:
        """Both factors of each tile."""
        for _, t in self.tiles:
            yield (self.left[:, t], self.right[:, t].T) if self.outer else (self.left, self.right[:, t])

    @property
    def flops(self) -> int:
        """Floating-point operations of a call."""
        rows, samples = self.left.shape[0], self.right.shape[1]
        if self.left is self.right:
            return rows * (rows + 1) * samples
        return 2 * rows * (self.right.shape[0] if self.outer else self.left.shape[1]) * samples
