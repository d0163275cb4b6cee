"""tanh and the logistic sigmoid, sigma(z) = (1 + tanh(z/2))/2, which shares its kernels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.activations.tanh_prox import tanh_parts, tanh_prox
from hpcadmm.model.state import Array
from hpcadmm.products.rounding import round_plain


@kernel
def tanh_value(z, out):  # type: ignore[no-untyped-def]
    """out = tanh z; rows are samples."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            out[j, i] = tanh_parts(np.float64(z[j, i]))[0]


@kernel
def sigmoid_value(z, out):  # type: ignore[no-untyped-def]
    """out = 1/(1 + exp(-z)), with full relative precision in the left tail; rows are samples."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            t, q = tanh_parts(0.5 * z[j, i])
            out[j, i] = 0.5 * (1.0 + t) if t >= 0.0 else 0.5 * q / (1.0 - t)


@kernel
def tanh_derivative(z, squeeze, out):  # type: ignore[no-untyped-def]
    """out = squeeze^2 (1 - tanh^2(squeeze z)), without cancellation; rows are samples."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            out[j, i] = squeeze * squeeze * tanh_parts(squeeze * z[j, i])[1]


@dataclass(frozen=True)
class Tanh:
    """h(z) = tanh z."""

    name: ClassVar[str] = "tanh"
    when: ClassVar[str] = "smooth outputs in (-1, 1), for shallow networks"
    onnx: ClassVar[str] = "Tanh"
    squeeze: ClassVar[float] = 1.0  # h is affine in tanh(squeeze z)

    def value(self, z: Array, out: Array) -> Array:
        tanh_value(z.T, out.T)
        return out

    def derivative(self, z: Array, out: Array) -> Array:
        tanh_derivative(z.T, self.squeeze, out.T)
        return out

    def prox(self, a: Array, m: Array, gamma: float, beta: float, z: Array, rounded: Array | None = None) -> Array:
        """z = argmin_z gamma (a - h(z))^2 + beta (z - m)^2, entry by entry, the global minimum.

        The z_l step of Taylor et al. (ICML 2016) for this h; see tanh_prox for the method. For the sigmoid it is the
        prox of tanh with a' = 2a - 1, m' = m/2, gamma' = gamma/4, beta' = 4 beta, and z = 2z'. NaN in a or m gives NaN,
        an infinite m gives m, |a| > 1e100 counts as 1e100. The error is of the order of the last step's square.
        """
        ratio, scale = float(gamma) / (float(beta) / self.squeeze**4), 1 / self.squeeze
        last_step = float(np.sqrt(np.finfo(z.dtype).eps)) / 4
        tanh_prox(a.T, m.T, ratio, scale, 1.0 - scale, self.squeeze, last_step, z.T)
        if rounded is not None:
            round_plain(z.T, rounded)
        return z


@dataclass(frozen=True)
class Sigmoid(Tanh):
    """h(z) = 1/(1 + exp(-z)) = (1 + tanh(z/2))/2."""

    name: ClassVar[str] = "sigmoid"
    when: ClassVar[str] = "smooth outputs in (0, 1), for shallow networks"
    onnx: ClassVar[str] = "Sigmoid"
    squeeze: ClassVar[float] = 0.5

    def value(self, z: Array, out: Array) -> Array:
        sigmoid_value(z.T, out.T)
        return out
