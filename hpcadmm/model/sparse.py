"""Sparse inputs of a network: only the products with the first layer see them."""

from typing import Any

import numpy as np
from scipy.sparse import csc_array

from hpcadmm.model.inputs import Coming, Inputs
from hpcadmm.model.noise import factors
from hpcadmm.model.state import Array
from hpcadmm.products.base import WHOLE, Engine
from hpcadmm.products.plain import Arrays, Plain


class Sparse(Inputs):
    """x (rows, m) by columns; the row of ones, if there is one, holds entries like any other.

    Products add the entries of a row or column one after the other, so their last bits differ from those of an array.
    """

    def __init__(self, matrix: csc_array) -> None:
        self.matrix = matrix
        self.shape: tuple[int, int] = (matrix.shape[0], matrix.shape[1])
        self.dtype = matrix.dtype

    @classmethod
    def of(cls, data: Array, rows: Array, starts: Array, height: int) -> "Sparse":
        """From the entries column after column, their rows, and where each column starts and the last ends."""
        return cls(csc_array((data, rows, starts), shape=(height, len(starts) - 1), copy=False))

    def __getitem__(self, key: Any) -> "Sparse":
        if isinstance(key, slice):
            return Sparse(self.matrix[key])
        rows, columns = key
        found = self._between(*columns.indices(self.shape[1])[:2])
        return found if rows == slice(None) else Sparse(found.matrix[rows])

    def _between(self, lo: int, hi: int) -> "Sparse":
        """The columns from lo to hi, without a copy of their entries."""
        starts = self.matrix.indptr[lo : hi + 1]
        held = slice(starts[0], starts[-1])
        return Sparse.of(self.matrix.data[held], self.matrix.indices[held], starts - starts[0], self.shape[0])

    def taken(self, columns: Array, coming: Coming) -> "Sparse":
        return Sparse(self.matrix[:, columns])

    def part(self, columns: slice) -> "Sparse":
        return self[:, columns]

    def min(self, axis: int, initial: float) -> Array:
        return self._reduced(np.minimum, initial)

    def max(self, axis: int, initial: float) -> Array:
        return self._reduced(np.maximum, initial)

    def _reduced(self, of: np.ufunc, initial: float) -> Array:
        """The reduction of each row's entries, and of 0 where it has fewer than m of them."""
        entries = np.bincount(self.matrix.indices, minlength=self.shape[0])
        found = np.where(entries < self.shape[1], of(initial, 0.0), initial).astype(self.dtype)
        of.at(found, self.matrix.indices, self.matrix.data)
        return found

    @property
    def size(self) -> int:
        """Entries, zeros too."""
        return self.shape[0] * self.shape[1]

    @property
    def nonzeros(self) -> int:
        return int(np.count_nonzero(self.matrix.data))

    @property
    def nbytes(self) -> int:
        return self.matrix.data.nbytes + self.matrix.indices.nbytes + self.matrix.indptr.nbytes

    def engine(self, usual: Engine) -> Engine:
        return SparseProducts(self.dtype.name)

    def product(self, W: Array, out: Array) -> Array:
        out[...] = (self.matrix.T @ W.T).T
        return out

    def outer(self, lam: Array, out: Array) -> Array:
        out[...] = (self.matrix @ lam.T).T
        return out

    def dropped(self, units: int, rate: float, keys: Array, noise: str) -> "Sparse":
        rows, starts = self.matrix.indices, self.matrix.indptr
        each = factors(rows, rate, np.repeat(keys, np.diff(starts)), 0, noise)
        factor = np.where(rows < units, each, 1).astype(self.dtype)
        return Sparse.of(self.matrix.data * factor, rows, starts, self.shape[0])

    def gram(self, out: Array) -> Array:
        out[...] = (self.matrix @ self.matrix.T).toarray(order="F")
        return out

    def dense(self) -> Array:
        return self.matrix.toarray(order="F")

    def __mul__(self, w: Array) -> "Sparse":
        """Column j times w[j]."""
        held = self.matrix
        data = held.data * np.repeat(w, np.diff(held.indptr))
        return Sparse.of(data, held.indices, held.indptr, self.shape[0])

    def contents(self, columns: slice) -> list[Array]:
        held = self[:, columns].matrix
        return [held.indptr, held.indices, held.data]


class SparseProducts(Plain):
    """Products of arrays with arrays or `Sparse`."""

    def apply(self, W: Array, a: Any, out: Array | None = None) -> Array:
        if not isinstance(a, Sparse):
            return super().apply(W, a, out)
        return a.product(W, np.empty((len(W), a.shape[1]), W.dtype, order="F") if out is None else out)

    def outer(self, z: Array, a: Any, out: Array, block: slice = WHOLE) -> Array:
        if not isinstance(a, Sparse):
            return super().outer(z, a, out, block)
        return (a if block == WHOLE else a[block]).outer(z, out)

    def gram(self, a: Any, out: Array) -> Array:
        return a.gram(out) if isinstance(a, Sparse) else super().gram(a, out)

    def operands(self) -> "SparseOperands":
        return SparseOperands(self.precision)


class SparseOperands(Arrays):
    """Operands that are arrays or `Sparse`, which never change."""

    def kept(self, name: str, x: Any) -> Any:
        return x if isinstance(x, Sparse) else super().kept(name, x)

    def times(self, name: str, x: Any, w: Array) -> Any:
        return x * w if isinstance(x, Sparse) else super().times(name, x, w)
