"""Partials that wait, so that a sum is read and written once for several of them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST, BYTES = 4, 1 << 24  # partials that may wait, and the memory that they may take


class Waiting:
    """Memory for partials of one shape, at least one, that are added in one pass."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, most: int = MOST) -> None:
        rows, columns = shape[0], math.prod(shape[1:])
        most = min(most, max(1, BYTES // max(1, rows * columns * np.dtype(dtype).itemsize)))
        self._matrices = np.empty((most, columns, rows), dtype)
        self._partials = [matrix.reshape(-1).reshape(shape, order="F") for matrix in self._matrices]
        self.count = 0

    @property
    def most(self) -> int:
        return len(self._partials)

    @property
    def full(self) -> bool:
        return self.count == self.most

    @property
    def next(self) -> NDArray[Any]:
        """Memory for the next partial, in Fortran order, unless `full`."""
        return self._partials[self.count]

    def take(self, partial: NDArray[Any]) -> bool:
        """Is this `next`? Then it waits."""
        mine = not self.full and partial is self.next
        self.count += mine
        return mine

    def leave(self) -> NDArray[Any]:
        """The transposes of the partials that waited, (count, columns, rows); valid until the next `take`."""
        count, self.count = self.count, 0
        return self._matrices[:count]
