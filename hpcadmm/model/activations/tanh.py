"""tanh; its kernels also serve the sigmoid, sigma(z) = (1 + tanh(z/2))/2."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.activations.tanh_prox import tanh_parts, tanh_prox
from hpcadmm.model.state import Array


@kernel
def tanh_value(z, out):  # type: ignore[no-untyped-def]
    """out = tanh z; rows are samples."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            out[j, i] = tanh_parts(np.float64(z[j, i]))[0]


@kernel
def tanh_derivative(z, squeeze, out):  # type: ignore[no-untyped-def]
    """out = squeeze^2 (1 - tanh^2(squeeze z)); rows are samples."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            out[j, i] = squeeze * squeeze * tanh_parts(squeeze * z[j, i])[1]


def tolerance(dtype: np.dtype) -> float:
    """The last step of the prox's search; the error of Newton's method is of the order of its square."""
    return float(np.sqrt(np.finfo(dtype).eps)) / 4


@dataclass(frozen=True)
class Tanh:
    """h(z) = tanh z."""

    name: ClassVar[str] = "tanh"
    onnx: ClassVar[str] = "Tanh"

    def value(self, z: Array, out: Array) -> Array:
        tanh_value(z.T, out.T)
        return out

    def derivative(self, z: Array, out: Array) -> Array:
        """out = h'(z) = 1 - tanh^2 z, without cancellation."""
        tanh_derivative(z.T, 1.0, out.T)
        return out

    def prox(self, a: Array, m: Array, gamma: float, beta: float, z: Array) -> Array:
        """z = argmin_z gamma (a - tanh z)^2 + beta (z - m)^2, entry by entry, the global minimum.

        The z_l step of Taylor et al. (ICML 2016) for this h; see tanh_prox for the method. NaN in a or m gives NaN, an
        infinite m gives m, |a| > 1e100 counts as 1e100.
        """
        tanh_prox(a.T, m.T, float(gamma) / float(beta), 1.0, 0.0, 1.0, tolerance(z.dtype), z.T)
        return z
