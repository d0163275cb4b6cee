"""Memory of a Taylor run beside its state: buffers of a tile, and the operands of the products."""

from typing import Any

from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.products.base import Operand
from hpcadmm.products.scratch import Scratch
from hpcadmm.subproblems.normal_equations import FitWork


class Work:
    """scratch: buffers of a tile. z, a: the operands of z[l] and a[l], by layer; arrays are their own operands.
    fit[l]: of the a step through W_l."""

    def __init__(self, p: Problem) -> None:
        self.p, self.scratch = p, Scratch(p.dtype)
        self.z: list[Operand] = []
        self.a: list[Operand] = []
        self.fit: list[Any] = [None, *(FitWork(engine) for engine in p.engines[1:])]

    def hold(self, s: Any) -> None:
        """Form the operands of the z and a of a state."""
        engines = self.p.engines
        self.z = [None, *(engine.columns(z) for engine, z in zip(engines[1:], s.z[1:], strict=True))]
        self.a = [self.p.inputs, *(engine.columns(a) for engine, a in zip(engines[2:], s.a[1:], strict=True))]

    def of_W(self, l: int, W: Array) -> Operand:
        """The operand of W_l."""
        return self.fit[l].operands.rounded(f"W{l}", W)
