"""What an activation h offers the solvers."""

from typing import ClassVar, Protocol

from hpcadmm.model.state import Array


class Activation(Protocol):
    """An activation h, applied entry by entry; its fields are its parameters.

    Arrays are (rows, columns) in Fortran order; `a` may have more rows than z (the row of ones), which are
    left alone.
    """

    name: ClassVar[str]
    onnx: ClassVar[str]  # the operator of this name in ONNX; its attributes are the fields, in their order

    def value(self, z: Array, out: Array) -> Array:
        """out[: rows of z] = h(z)."""
        ...

    def derivative(self, z: Array, out: Array) -> Array:
        """out = h'(z); at a kink the right derivative's side with h'(0) = h'(0-)."""
        ...

    def prox(self, a: Array, m: Array, gamma: float, beta: float, z: Array) -> Array:
        """z = argmin_z gamma (a - h(z))^2 + beta (z - m)^2, entry by entry, the global minimum."""
        ...
