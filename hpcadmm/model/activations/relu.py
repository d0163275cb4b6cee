"""ReLU: h(z) = max(z, 0)."""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.model.activations.leaky_relu import piecewise_derivative, piecewise_prox, piecewise_value
from hpcadmm.model.state import Array


@dataclass(frozen=True)
class Relu:
    """h(z) = max(z, 0)."""

    name: ClassVar[str] = "relu"
    onnx: ClassVar[str] = "Relu"

    def value(self, z: Array, out: Array) -> Array:
        piecewise_value(z.T, z.dtype.type(0), out.T)
        return out

    def derivative(self, z: Array, out: Array) -> Array:
        piecewise_derivative(z.T, z.dtype.type(1), z.dtype.type(0), out.T)
        return out

    def prox(self, a: Array, m: Array, gamma: float, beta: float, z: Array) -> Array:
        real = z.dtype.type
        piecewise_prox(a.T, m.T, real(gamma), real(beta), real(0), real(0), z.T)
        return z
