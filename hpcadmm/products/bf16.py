"""Products of operands rounded to bfloat16, summed in float32, by the package numkong.

numkong computes A B^T of rows that are contiguous along the summed index, B packed. An entry of a product has the same
bits whatever the number of rows of A and B, so tiles and ranks do not change it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcadmm.products import dots, piecewise, rounding
from hpcadmm.products.base import WHOLE, Array, Change, Shapes, pays
from hpcadmm.products.plain import Plain
from hpcadmm.products.rounded import Rounded
from hpcadmm.products.scratch import Scratch
from hpcadmm.products.targets import renew

SHORT = 32  # sums of fewer products take as long as of these


class RoundedOperands:
    """Operands in bfloat16."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, int], Rounded] = {}
        self._floats = Scratch(np.float32)

    def __call__(self, name: str, rows: int, columns: int, ones: int = 0) -> Rounded:
        """Memory for an operand; the last `ones` rows are ones, if they are never overwritten."""
        key = name, rows, columns
        if key not in self._made:
            self._made[key] = Rounded.ones(rows, columns, ones)
        return self._made[key]

    def like(self, name: str, x: Any) -> Rounded:
        return x if isinstance(x, Rounded) else self(name, *x.shape)

    def rounded(self, name: str, x: Any) -> Rounded:
        return x if isinstance(x, Rounded) else self(name, *x.shape).hold(x)

    def kept(self, name: str, x: Any) -> Rounded:
        return x if isinstance(x, Rounded) else self(name, *x.shape).hold(x).settle()

    def incoming(self, name: str, rows: int, columns: int) -> Rounded:
        made = self(name, rows, columns)
        made.fill()
        return made

    def activated(self, name: str, h: Any, z: Array, ones: int, drops: Change = None) -> Rounded:
        a, slope = self(name, len(z) + ones, z.shape[1], ones), slope_of(h)
        plain = a.fill()[:, : len(z)]
        if slope is not None and drops is None:
            piecewise.value(z.T, slope, plain)
            return a
        value = h.value(z, out=self._floats("value", *z.shape))
        rounding.round_plain((drops(value) if drops else value).T, plain)
        return a

    def through(self, name: str, h: Any, z: Array, pull: Array, drops: Change = None) -> Rounded:
        lam, slope = self(name, *z.shape), slope_of(h)
        if slope is not None and drops is None:
            piecewise.through(z.T, pull.T, np.float32(1), slope, lam.fill())
            return lam
        pull *= h.derivative(z, out=z)
        return lam.hold(drops(pull) if drops else pull)

    def times(self, name: str, x: Rounded, w: Array) -> Rounded:
        out = self(name, *x.shape)
        rounding.scale(x.plain, w, out.fill())
        return out

    def over(self, name: str, x: Rounded, w: Array) -> Rounded:
        return self.times(name, x, np.divide(1, w, out=np.zeros_like(w), where=w > 0))


@dataclass(frozen=True)
class Bf16:
    """The engine of operands in bfloat16; arrays, sums and results are float32.

    Small layers are multiplied in float32: there rounding would not pay. So are the rounded W^T and z of layers with
    few units, of whose products the sums are short.
    """

    when = "large layers, on processors with instructions for bfloat16; see `hpcadmm bench`"
    precision: str = "bfloat16"
    real: Shapes = field(default_factory=dict)  # the real shapes, in a rehearsal

    def at(self, rows: int, inner: int) -> "Bf16 | Plain":
        rows, inner = self.real.get((rows, inner), (rows, inner))
        return self if pays(rows, inner) else Small("float32")

    def rehearsed(self, shapes: Shapes) -> "Bf16":
        return Bf16(real=shapes)

    def operands(self) -> RoundedOperands:
        return RoundedOperands()

    def message(self, x: Rounded) -> Array:
        return x.plain

    def data(self, x: Any) -> Any:
        return Rounded(*x.shape).hold(x) if isinstance(x, np.ndarray) else x

    def columns(self, x: Array) -> Rounded:
        made = self.data(x)
        renew(made, x)
        return made

    def apply(self, W: Rounded, a: Rounded, out: Array | None = None) -> Array:
        out = np.empty((len(W), a.shape[1]), np.float32, order="F") if out is None else out
        dots.multiply(a.plain, W.packed("rows", lambda former: dots.pack(W.turned, former)), out.T)
        return out

    def pull(self, W: Rounded, z: Rounded, out: Array) -> Array:
        rows = len(out)
        if len(W) < SHORT:
            found: Array = np.matmul(W.floats[:, :rows].T, z.floats, out=out)
            return found
        dots.multiply(z.plain, W.packed(rows, lambda former: dots.pack(W.plain[:rows], former)), out.T)
        return out

    def outer(self, z: Rounded, a: Rounded, out: Array, block: slice = WHOLE) -> Array:
        dots.multiply(a.turned[block], z.packed("samples", lambda former: dots.pack(z.turned, former)), out.T)
        return out

    def gram(self, a: Rounded, out: Array) -> Array:
        dots.square(a.turned, out.T)
        return out


@dataclass(frozen=True)
class Small(Plain):
    """The engine of layers too small for `Bf16`: float32, except that wide Gram matrices have rounded operands."""

    rounds: RoundedOperands = field(default_factory=RoundedOperands, repr=False, compare=False)

    def gram(self, a: Array, out: Array) -> Array:
        if len(a) < SHORT:
            return super().gram(a, out)
        dots.square(self.rounds.rounded("gram", a).turned, out.T)
        return out


def slope_of(h: Any) -> Any:
    """The slope of a piecewise linear activation for z < 0, float32; None for others."""
    slope = getattr(h, "left", None)
    return None if slope is None else np.float32(slope)
