"""What may stand for the array of a part's inputs x (n_0 + ones, m): inputs that stay in a file, or sparse ones."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from hpcadmm.model.state import Array
from hpcadmm.products.base import Engine
from hpcadmm.products.plain import Plain

# Arrays of columns that will be asked for from now on, in this order; those of a group perhaps several times in turn.
Coming = Callable[[], Iterable[Sequence[Array]]]


class Inputs:
    """x (rows, m) that is not an array. Its columns are asked for as those of an array: x[:, t] for a slice t."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """x[:, t], valid until the next columns are asked for; or x[:n], the first n rows."""
        raise NotImplementedError

    def taken(self, columns: Array, coming: Coming) -> Any:
        """x[:, columns], valid until the next columns are asked for, and not to be written. `coming` gives the same
        object `columns`, perhaps after others."""
        raise NotImplementedError

    def part(self, columns: slice) -> Any:
        """x[:, columns] of any width as inputs of the same kind."""
        raise NotImplementedError

    def min(self, axis: int, initial: float) -> Array:
        """The least value of each row, and at most `initial`; axis = 1."""
        raise NotImplementedError

    def max(self, axis: int, initial: float) -> Array:
        """The largest value of each row, and at least `initial`; axis = 1."""
        raise NotImplementedError

    def engine(self, usual: Engine) -> Engine:
        """The engine of products with columns of these inputs; `usual`: that of arrays."""
        return usual

    def product(self, W: Array, out: Array) -> Array:
        """out = W x."""
        raise NotImplementedError

    def outer(self, lam: Array, out: Array) -> Array:
        """out = lam x^T."""
        raise NotImplementedError

    def dropped(self, units: int, rate: float, keys: Array, noise: str) -> Any:
        """x times the factors of dropout, as `model.noise.DROPOUT[noise]` does it, layer 0."""
        raise NotImplementedError

    def gram(self, out: Array) -> Array:
        """out = x x^T."""
        raise NotImplementedError

    def dense(self) -> Array:
        """x as an array."""
        raise NotImplementedError

    def contents(self, columns: slice) -> Iterable[Array]:
        """Arrays whose bytes, one after the other, tell these columns."""
        return (np.ascontiguousarray(self[:, t].T) for t in self.stretches(columns))

    @property
    def nonzeros(self) -> int:
        """Entries that are not 0."""
        raise NotImplementedError

    def stretches(self, columns: slice) -> list[slice]:
        """Slices that together are `columns`, each small enough to be asked for at once."""
        return [columns]


def engine_of_arrays(x: Any) -> Engine:
    """The engine of products with x itself, an array or sparse."""
    usual = Plain(x.dtype.name)
    return x.engine(usual) if isinstance(x, Inputs) else usual


def product(W: Array, a: Any, out: Array) -> Array:
    """out = W a, where a is an array or sparse."""
    return a.product(W, out) if isinstance(a, Inputs) else np.matmul(W, a, out=out)


def dense(a: Any) -> Array:
    """a as an array."""
    return a.dense() if isinstance(a, Inputs) else a


def stretches(x: Any, columns: slice) -> list[slice]:
    """Slices that together are `columns`; an array is not cut."""
    return x.stretches(columns) if isinstance(x, Inputs) else [columns]


def contents(x: Any, columns: slice) -> Iterable[Array]:
    """Arrays whose bytes, one after the other, tell these columns."""
    return x.contents(columns) if isinstance(x, Inputs) else [np.ascontiguousarray(x[:, columns].T)]


def part(x: Any, columns: slice) -> Any:
    """x[:, columns] of any width, which is not read before it is used."""
    return x.part(columns) if isinstance(x, Inputs) else x[:, columns]
