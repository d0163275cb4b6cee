"""ReLU and leaky ReLU: h(z) = z for z > 0, slope z otherwise; ReLU has slope 0."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Lt

from hpcadmm.kernels import kernel
from hpcadmm.model.state import Array
from hpcadmm.products.rounding import upper_half


@kernel
def piecewise_value(z, slope, out):  # type: ignore[no-untyped-def]
    """out = z where z > 0, slope z elsewhere; rows are samples."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            v = z[j, i]
            out[j, i] = v if v > 0 else slope * v


@kernel
def piecewise_derivative(z, one, slope, out):  # type: ignore[no-untyped-def]
    """out = one where z > 0, slope elsewhere; rows are samples."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            out[j, i] = one if z[j, i] > 0 else slope


@kernel
def piecewise_prox(a, m, gamma, beta, slope, zero, z, rounded):  # type: ignore[no-untyped-def]
    """The better of the minimisers of the two quadratics, on z >= 0 and on z <= 0; rows are samples. rounded, unless it
    is None: z in bfloat16."""
    weight = gamma / (gamma + beta)
    keep = beta / (gamma + beta)
    weight_left = gamma * slope / (gamma * slope * slope + beta)
    keep_left = beta / (gamma * slope * slope + beta)
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            t, c = a[j, i], m[j, i]
            right = weight * t + keep * c
            left = weight_left * t + keep_left * c
            right = right if right > zero else zero
            left = left if left < zero else zero
            e, d = t - right, right - c
            f, g = t - slope * left, left - c
            best = right if gamma * e * e + beta * d * d < gamma * f * f + beta * g * g else left
            z[j, i] = best
            if rounded is not None:
                rounded[j, i] = upper_half(best)


@dataclass(frozen=True)
class Relu:
    """h(z) = max(z, 0)."""

    name: ClassVar[str] = "relu"
    when: ClassVar[str] = "the usual choice"
    onnx: ClassVar[str] = "Relu"

    @property
    def left(self) -> float:
        """The slope for z < 0."""
        return 0.0

    def value(self, z: Array, out: Array) -> Array:
        piecewise_value(z.T, z.dtype.type(self.left), out.T)
        return out

    def derivative(self, z: Array, out: Array) -> Array:
        piecewise_derivative(z.T, z.dtype.type(1), z.dtype.type(self.left), out.T)
        return out

    def prox(self, a: Array, m: Array, gamma: float, beta: float, z: Array, rounded: Array | None = None) -> Array:
        real = z.dtype.type
        piecewise_prox(a.T, m.T, real(gamma), real(beta), real(self.left), real(0), z.T, rounded)
        return z


@dataclass(frozen=True)
class LeakyRelu(Relu):
    """h(z) = max(z, 0) + slope min(z, 0).

    slope: of h below 0, in [0, 1). Default 0.01.
    """

    name: ClassVar[str] = "leaky-relu"
    when: ClassVar[str] = "networks in which units of relu die"
    onnx: ClassVar[str] = "LeakyRelu"

    slope: Annotated[float, Ge(0), Lt(1)] = 0.01

    @property
    def left(self) -> float:
        return self.slope
