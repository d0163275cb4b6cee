"""The interface of an activation h."""

from typing import ClassVar, Protocol

from hpcadmm.model.state import Array


class Activation(Protocol):
    """An activation h, applied entry by entry; its fields are its parameters.

    Arrays are (rows, columns) in Fortran order. `a` may have more rows than z (the row of ones); these do not change.
    """

    name: ClassVar[str]
    when: ClassVar[str] = ""  # what to use it for, in one line
    onnx: ClassVar[str]  # its operator in ONNX, whose attributes are the fields, in order

    def value(self, z: Array, out: Array) -> Array:
        """out[: rows of z] = h(z)."""
        ...

    def derivative(self, z: Array, out: Array) -> Array:
        """out = h'(z); at a kink the left derivative."""
        ...

    def prox(self, a: Array, m: Array, gamma: float, beta: float, z: Array, rounded: Array | None = None) -> Array:
        """z = argmin_z gamma (a - h(z))^2 + beta (z - m)^2, entry by entry, the global minimum.

        rounded: (columns, rows), becomes z in bfloat16, see `products.targets.also`.
        """
        ...
