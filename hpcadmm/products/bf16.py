"""Products of operands rounded to bfloat16, summed in float32, by the package numkong.

numkong computes A B^T of rows that are contiguous along the summed index, B packed. An entry of a product has the same
bits whatever the number of rows of A and B, so tiles and ranks do not change it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcadmm.products import dots, rounding
from hpcadmm.products.base import Array, Change, Shapes
from hpcadmm.products.plain import Plain
from hpcadmm.products.rounded import Rounded

LEAST = 1024  # entries of W from which rounding pays
NARROW = 32  # kernels sum over so many columns of W at once


class RoundedOperands:
    """Operands in bfloat16."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, int], Rounded] = {}

    def __call__(self, name: str, rows: int, columns: int, ones: int = 0) -> Rounded:
        """Memory for an operand; the last `ones` rows are ones, if they are never overwritten."""
        key = name, rows, columns
        if key not in self._made:
            self._made[key] = Rounded.ones(rows, columns, ones)
        return self._made[key]

    def rounded(self, name: str, x: Any) -> Rounded:
        return x if isinstance(x, Rounded) else self(name, *x.shape).hold(x)

    def kept(self, name: str, x: Any) -> Rounded:
        return x if isinstance(x, Rounded) else self(name, *x.shape).hold(x).settle()

    def incoming(self, name: str, rows: int, columns: int) -> Rounded:
        made = self(name, rows, columns)
        made.fill(turned=False)
        return made

    def activated(self, name: str, h: Any, z: Array, ones: int, drops: Change = None) -> Rounded:
        a = self(name, len(z) + ones, z.shape[1], ones)
        plain, _ = a.fill(turned=False)
        value = h.value(z, out=self._float(z))
        rounding.round_plain((drops(value) if drops else value).T, plain[:, : len(z)])
        return a

    def through(self, name: str, h: Any, z: Array, pull: Array, drops: Change = None) -> Rounded:
        pull *= h.derivative(z, out=z)
        return self(name, *z.shape).hold(drops(pull) if drops else pull)

    def times(self, name: str, x: Rounded, w: Array) -> Rounded:
        out = self(name, *x.shape)
        rounding.scale(x.plain, w, out.fill(turned=False)[0])
        return out

    def over(self, name: str, x: Rounded, w: Array) -> Rounded:
        return self.times(name, x, np.divide(1, w, out=np.zeros_like(w), where=w > 0))

    def _float(self, like: Array) -> Array:
        return np.empty_like(like)


@dataclass(frozen=True)
class Bf16:
    """The engine of operands in bfloat16; arrays, sums and results are float32.

    A layer whose W has fewer than LEAST entries, or fewer than NARROW columns, is multiplied in float32: there rounding
    would cost more than it saves.
    """

    precision: str = "bfloat16"
    real: Shapes = field(default_factory=dict)  # the real shapes, in a rehearsal

    def at(self, rows: int, inner: int) -> "Bf16 | Plain":
        rows, inner = self.real.get((rows, inner), (rows, inner))
        return self if rows * inner >= LEAST and inner >= NARROW else Plain("float32")

    def beside(self, shapes: Shapes) -> "Bf16":
        return Bf16(real=shapes)

    def operands(self) -> RoundedOperands:
        return RoundedOperands()

    def message(self, x: Rounded) -> Array:
        return x.plain

    def data(self, x: Any) -> Any:
        return Rounded(*x.shape).hold(x) if isinstance(x, np.ndarray) else x

    def apply(self, W: Rounded, a: Rounded, out: Array) -> Array:
        dots.multiply(a.plain, W.packed("rows", lambda: dots.pack(W.turned)), out.T)
        return out

    def pull(self, W: Rounded, z: Rounded, out: Array) -> Array:
        rows = len(out)
        dots.multiply(z.plain, W.packed(rows, lambda: dots.pack(W.plain[:rows])), out.T)
        return out

    def outer(self, z: Rounded, a: Rounded, out: Array) -> Array:
        dots.multiply(a.turned, z.packed("samples", lambda: dots.pack(z.turned)), out.T)
        return out

    def gram(self, a: Rounded, out: Array) -> Array:
        dots.square(a.turned, out.T)
        return out
