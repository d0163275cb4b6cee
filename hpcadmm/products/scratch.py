"""Reused buffers for tiles: a tile's temporaries stay in cache and need no allocation."""

from typing import Any

import numpy as np

from hpcadmm.products.base import Array


class Scratch:
    """Named Fortran-ordered arrays of one dtype; the same name and shape always give the same memory."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self._arrays: dict[tuple[str, int, int], Array] = {}

    def __call__(self, name: str, rows: int, columns: int) -> Array:
        """An array (rows, columns) with its previous contents."""
        key = (name, rows, columns)
        if key not in self._arrays:
            self._arrays[key] = np.empty((rows, columns), self.dtype, order="F")
        return self._arrays[key]

    def ones(self, name: str, rows: int, columns: int) -> Array:
        """The same, created full of ones, for activations whose last row is never overwritten."""
        key = (name + " with ones", rows, columns)
        if key not in self._arrays:
            self._arrays[key] = np.ones((rows, columns), self.dtype, order="F")
        return self._arrays[key]
