"""Products of float32 or float64 arrays by numpy's BLAS: an operand is the array itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcadmm.products.base import WHOLE, Array, Change, Shapes
from hpcadmm.products.scratch import Scratch


class Arrays(Scratch):
    """Operands that are arrays."""

    def like(self, name: str, x: Any) -> Any:
        return x

    def rounded(self, name: str, x: Any) -> Any:
        return x

    def kept(self, name: str, x: Any) -> Any:
        out = self(name + " kept", *x.shape)
        np.copyto(out, x)
        return out

    def incoming(self, name: str, rows: int, columns: int) -> Array:
        return self(name, rows, columns)

    def activated(self, name: str, h: Any, z: Array, ones: int, drops: Change = None) -> Array:
        a: Array = h.value(z, out=self.ones(name, len(z) + ones, z.shape[1]))
        return drops(a) if drops else a

    def through(self, name: str, h: Any, z: Array, pull: Array, drops: Change = None) -> Array:
        pull *= h.derivative(z, out=z)
        return drops(pull) if drops else pull

    def times(self, name: str, x: Array, w: Array) -> Array:
        return np.multiply(x, w, out=self(name, *x.shape))

    def over(self, name: str, x: Array, w: Array) -> Array:
        out = self(name, *x.shape)
        out[...] = 0
        return np.divide(x, w, out=out, where=w > 0)


@dataclass(frozen=True)
class Plain:
    """The engine of arrays in their own precision, "float32" or "float64"."""

    when = "float64: all digits; float32: half the memory, and about twice as fast"
    precision: str

    def at(self, rows: int, inner: int) -> "Plain":
        return self

    def rehearsed(self, shapes: Shapes) -> "Plain":
        return self

    def operands(self) -> Arrays:
        return Arrays(self.precision)

    def message(self, x: Array) -> Array:
        return x

    def data(self, x: Any) -> Any:
        return x

    def columns(self, x: Any) -> Any:
        return x

    def apply(self, W: Array, a: Array, out: Array | None = None) -> Array:
        found: Array = np.matmul(W, a, out=out)
        return found

    def pull(self, W: Array, z: Array, out: Array) -> Array:
        return np.matmul(W[:, : len(out)].T, z, out=out)

    def outer(self, z: Array, a: Array, out: Array, block: slice = WHOLE) -> Array:
        return np.matmul(z, a[block].T, out=out)

    def gram(self, a: Array, out: Array) -> Array:
        return np.matmul(a, a.T, out=out)
