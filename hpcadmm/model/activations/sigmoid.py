"""The logistic sigmoid: h(z) = 1/(1 + exp(-z))."""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.kernels import kernel
from hpcadmm.model.activations.tanh import tanh_derivative, tolerance
from hpcadmm.model.activations.tanh_prox import tanh_parts, tanh_prox
from hpcadmm.model.state import Array


@kernel
def sigmoid_value(z, out):  # type: ignore[no-untyped-def]
    """out = 1/(1 + exp(-z)), with full relative precision in the left tail; rows are samples."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            t, q = tanh_parts(0.5 * z[j, i])
            out[j, i] = 0.5 * (1.0 + t) if t >= 0.0 else 0.5 * q / (1.0 - t)


@dataclass(frozen=True)
class Sigmoid:
    """h(z) = 1/(1 + exp(-z)) = (1 + tanh(z/2))/2."""

    name: ClassVar[str] = "sigmoid"
    onnx: ClassVar[str] = "Sigmoid"

    def value(self, z: Array, out: Array) -> Array:
        sigmoid_value(z.T, out.T)
        return out

    def derivative(self, z: Array, out: Array) -> Array:
        """out = h'(z) = h(z) (1 - h(z)), without cancellation."""
        tanh_derivative(z.T, 0.5, out.T)
        return out

    def prox(self, a: Array, m: Array, gamma: float, beta: float, z: Array) -> Array:
        """z = argmin_z gamma (a - h(z))^2 + beta (z - m)^2, entry by entry, the global minimum.

        This is the prox of tanh for a' = 2a - 1, m' = m/2, gamma' = gamma/4, beta' = 4 beta, with z = 2z'.
        """
        tanh_prox(a.T, m.T, float(gamma) / (16 * float(beta)), 2.0, -1.0, 0.5, tolerance(z.dtype), z.T)
        return z
