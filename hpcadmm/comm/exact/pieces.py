"""An exact sum whose columns are added, and travel, block by block."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.exact.sums import Exact


class Pieces:
    """Blocks of columns of a sum of one word, not symmetric. All partials are added to a block before the next one; the
    bits and the loads are those of whole partials.

    blocks: the columns of each, in order
    """

    def __init__(self, total: Exact, count: int) -> None:
        self.total = total
        step = 16 if total.columns >= 64 * count else 1  # products like columns in sixteens
        edges = [step * (k * total.columns // (step * count)) for k in range(count)] + [total.columns]
        self.blocks = [slice(lo, hi) for lo, hi in pairwise(edges) if lo < hi]
        self._buffers: dict[tuple[int, int], NDArray[Any]] = {}
        self._sizes = np.zeros((0, len(total.scales)))

    def clear(self, partials: int) -> None:
        """Begin a new sum of this number of partials."""
        self.total.clear()
        self._sizes = np.zeros((partials, len(self.total.scales)))

    def partials(self, block: slice) -> list[NDArray[Any]]:
        """Memory for that block of each partial, (rows, columns of the block) in Fortran order."""
        shape = len(self._sizes), block.stop - block.start
        if shape not in self._buffers:
            self._buffers[shape] = np.empty((*shape, self.total.rows), self.total.dtype)
        return [one.T for one in self._buffers[shape]]

    def add(self, block: slice) -> NDArray[np.float64]:
        """Add the block that was written to `partials`; returns its part of the message, of the last with the loads."""
        rows, last = self.total.rows, block.stop == self.total.columns
        lines = np.r_[:rows, rows + block.start : rows + block.stop]
        sizes = np.zeros((len(self._sizes), len(lines)))
        buffer = self._buffers[len(self._sizes), block.stop - block.start]
        self.total.fold_columns(block, buffer, lines, sizes)
        np.maximum(self._sizes[:, lines], sizes, out=sizes)
        self._sizes[:, lines] = sizes
        if last:
            self.total.weigh(self._sizes)
        return self.total.packed[block.start * rows : None if last else block.stop * rows]
