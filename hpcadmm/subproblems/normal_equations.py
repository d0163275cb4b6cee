"""Ridge least squares through normal equations: the W step and the a step. Systems are formed and factored in float64.

A Cholesky factorisation here never fails: if a run diverges, its step must still finish, so that the run can report it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.blas import dtrsm

from hpcadmm.kernels import kernel
from hpcadmm.model.activations.base import Activation
from hpcadmm.model.state import Array
from hpcadmm.products.base import Engine
from hpcadmm.products.plain import Plain
from hpcadmm.products.rounding import upper_half
from hpcadmm.products.scratch import Scratch
from hpcadmm.products.targets import also, renew

Factor = tuple[Array, bool]
SMALLEST = 1e-280  # a diagonal entry below it counts as 0
EPS = float(np.finfo(np.float64).eps)
LEAST = 1e-12  # the first ridge


def fit_weights(zaT: Array, factor: Factor, out: Array) -> Array:
    """W = argmin_W |z - W a|^2 + penalty |W|^2 = z a^T (a a^T + penalty I)^{-1}. [Taylor eq. 17, a_{l-1}]

    zaT: (n_l, n) in float64; factor: of a a^T + penalty I, see `factorise`; out: (n_l, n), any precision.
    """
    L, lower = factor
    right = dtrsm(1.0, L, zaT, side=1, lower=lower, trans_a=lower)
    out[...] = dtrsm(1.0, L, right, side=1, lower=lower, trans_a=not lower, overwrite_b=True)
    return out


def factorise(aaT: Array, ridge: float, decay: float, bias: bool) -> Factor:
    """Cholesky factor of a a^T + (ridge * mean diagonal + decay) I, in float64.

    aaT: (n, n). With `bias` its last row and column belong to the ones and get no penalty. The mean is over all
    features: a feature in much larger units than the others sets the ridge for all of them. ridge = decay = 0 is least
    squares, whatever the units.
    """
    n = aaT.shape[0] - int(bias)
    matrix = aaT.copy(order="F")
    matrix[np.arange(n), np.arange(n)] += ridge * float(np.trace(aaT[:n, :n])) / max(n, 1) + decay
    return cholesky(matrix, n)


def cholesky(matrix: Array, n: int) -> Factor:
    """Lower factor of a symmetric positive semidefinite matrix in float64, for cho_solve(check_finite=False).

    A matrix is singular to working precision if a pivot is below len(matrix) eps of its own diagonal entry. Then each
    of its first n diagonal entries gets a ridge relative to itself (an entry of 0 counts as 1): LEAST first, then ten
    times more until the factorisation succeeds. So the units of rows and columns do not matter: D matrix D, with D of
    powers of two, gives D times the factor, to the bit. A matrix that is not finite, or never factors, gives NaN.
    """
    diagonal = np.arange(n)
    entries, limit = matrix.diagonal().copy(), len(matrix) * EPS * matrix.diagonal()
    unit, ridge = np.where(entries > SMALLEST, entries, 1.0)[:n], 0.0
    while ridge <= 1 and np.isfinite(entries).all():
        trial = matrix.copy(order="F")
        trial[diagonal, diagonal] += ridge * unit
        try:
            factor: Factor = cho_factor(trial, lower=True, overwrite_a=True, check_finite=False)
            if (np.square(factor[0].diagonal()) > limit).all():
                return factor
        except LinAlgError:
            pass
        ridge = max(10 * ridge, LEAST)
    return np.full(matrix.shape, np.nan), True


class FitWork:
    """An engine of products and memory for its operands."""

    def __init__(self, products: Engine) -> None:
        self.products, self.operands = products, products.operands()
        self._inner: dict[tuple[int, int], FitWork] = {}

    def at(self, factor: Array) -> "FitWork":
        """Those of products with a matrix of this shape."""
        if factor.shape not in self._inner:
            self._inner[factor.shape] = FitWork(self.products.at(*factor.shape))
        return self._inner[factor.shape]


@dataclass(frozen=True)
class FitActivation:
    """a = argmin_a beta |z' - W a - b|^2 + gamma |a - h(z)|^2 for layer l, with W = W_{l+1}, b = b_{l+1}, z' = z_{l+1}.

    If layer l+1 has at least as many units: a = G (beta W^T (z' - b) + gamma h(z)), G = (beta W^T W + gamma I)^{-1}
    [Taylor, eq. 14 of the slides with beta_{l+1}]. Otherwise the same by the push-through identity:
    a = h(z) + P (z' - b - W h(z)), P = beta W^T (gamma I + beta W W^T)^{-1}. G and P are formed in float64 and rounded
    once.

    W: (n_{l+1}, n_l + ones), the last column is b if there are biases.
    """

    W: Array
    G: Array | None
    P: Array | None
    shift: Array  # W^T b, (n_l,)
    beta: float
    gamma: float
    work: FitWork | None = None  # default: products of arrays

    @classmethod
    def prepare(cls, W: Array, units: int, beta: float, gamma: float, work: FitWork | None = None) -> "FitActivation":
        """Form G or P, once for all samples; `units` is n_l."""
        V = W[:, :units].astype(np.float64)
        shift = (V.T @ W[:, units:].sum(axis=1, dtype=np.float64)).astype(W.dtype)
        if not np.isfinite(V).all():
            return cls(W, np.full((units, units), np.nan, W.dtype, order="F"), None, shift, beta, gamma, work)
        if W.shape[0] >= units:
            factor = cholesky(beta * V.T @ V + gamma * np.eye(units), units)
            G = cho_solve(factor, np.eye(units), check_finite=False)
            return cls(W, np.asfortranarray(G, W.dtype), None, shift, beta, gamma, work)
        factor = cholesky(gamma * np.eye(W.shape[0]) + beta * V @ V.T, W.shape[0])
        P = beta * cho_solve(factor, V, check_finite=False).T
        return cls(W, None, np.asfortranarray(P, W.dtype), shift, beta, gamma, work)

    def __call__(
        self, z: Array, z_next: Array, activation: Activation, scratch: Scratch, a: Array, operands: Any = None
    ) -> None:
        """Write the first n_l rows of a (n_l + ones, m) for a tile of z (n_l, m) and z_next (n_{l+1}, m).

        operands: of z_next and a, where they are not the arrays themselves.
        """
        h = activation.value(z, out=scratch.ones("h", a.shape[0], z.shape[1]))
        self.towards(h, z_next, scratch, a, operands)

    def towards(self, h: Array, z_next: Array, scratch: Scratch, a: Array, operands: Any = None) -> None:
        """The same with a given h (n_l + ones, m) instead of h(z); its last row is ones if there are biases."""
        z_of, a_of = operands or (z_next, a)
        outer, inner, W, factor = self._factors
        units, m, real = len(self.shift), a.shape[1], a.dtype.type
        if self.G is not None:
            t = outer.products.pull(W, z_of, scratch("s", units, m))
            s = inner.operands.like("s", t)
            right_side(t.T, h.T, self.shift, real(self.beta), real(self.gamma), also(s))
            inner.products.apply(factor, s, a[:units])
            renew(a_of, a)
        else:
            m_of = outer.products.apply(W, outer.operands.rounded("h", h), scratch("s", len(z_next), m))
            e = inner.operands.like("e", m_of)
            lacking(m_of.T, z_next.T, also(e))
            inner.products.apply(factor, e, a[:units])
            add_to(a.T, h.T, units, also(a_of))

    @cached_property
    def _factors(self) -> tuple[FitWork, FitWork, Any, Any]:
        """The engines of products with W, and with G or P, and their operands."""
        factor: Any = self.P if self.G is None else self.G
        outer = self.work or FitWork(Plain("float64"))
        inner = outer.at(factor)
        return outer, inner, outer.operands.rounded("W", self.W), inner.operands.rounded("G or P", factor)


@kernel
def right_side(t, h, shift, beta, gamma, rounded):  # type: ignore[no-untyped-def]
    """t = beta (t - shift) + gamma h, or, unless `rounded` is None, this in bfloat16 to `rounded`; rows are samples,
    shift has one entry a unit."""
    for j in range(t.shape[0]):
        for i in range(t.shape[1]):
            v = beta * (t[j, i] - shift[i]) + gamma * h[j, i]
            if rounded is None:
                t[j, i] = v
            else:
                rounded[j, i] = upper_half(v)


@kernel
def lacking(m, z, rounded):  # type: ignore[no-untyped-def]
    """m = z - m, or, unless `rounded` is None, this in bfloat16 to `rounded`."""
    for j in range(m.shape[0]):
        for i in range(m.shape[1]):
            if rounded is None:
                m[j, i] = z[j, i] - m[j, i]
            else:
                rounded[j, i] = upper_half(z[j, i] - m[j, i])


@kernel
def add_to(a, h, units, rounded):  # type: ignore[no-untyped-def]
    """The first `units` entries of each row of a += h; rows are samples. rounded, unless it is None: a in bfloat16."""
    for j in range(h.shape[0]):
        for i in range(units):
            a[j, i] += h[j, i]
            if rounded is not None:
                rounded[j, i] = upper_half(a[j, i])
