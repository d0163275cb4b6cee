"""The a step of Taylor's ADMM: a ridge-like least squares with one small matrix for all samples."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve

from hpcadmm.kernels import kernel
from hpcadmm.model.activations.base import Activation
from hpcadmm.model.state import Array
from hpcadmm.subproblems.cholesky import cholesky
from hpcadmm.subproblems.scratch import Scratch


@kernel
def right_side(t, h, shift, beta, gamma):  # type: ignore[no-untyped-def]
    """t = beta (t - shift) + gamma h; rows are samples, shift has one entry a unit."""
    for j in range(t.shape[0]):
        for i in range(t.shape[1]):
            t[j, i] = beta * (t[j, i] - shift[i]) + gamma * h[j, i]


@kernel
def add_to(a, h, units):  # type: ignore[no-untyped-def]
    """The first `units` entries of each row of a += h; rows are samples."""
    for j in range(h.shape[0]):
        for i in range(units):
            a[j, i] += h[j, i]


@dataclass(frozen=True)
class FitActivation:
    """a = argmin_a beta |z' - W a - b|^2 + gamma |a - h(z)|^2 for layer l, W = W_{l+1}, z' = z_{l+1}.

    Either a = G (beta W^T (z' - b) + gamma h(z)) with G = (beta W^T W + gamma I)^{-1} [Taylor, eq. 14 of the
    slides with beta_{l+1}], or, when layer l+1 is the narrower one, the same by the push-through identity:
    a = h(z) + P (z' - b - W h(z)) with P = beta W^T (gamma I + beta W W^T)^{-1}. Both matrices are formed in
    float64 and rounded once.

    W: (n_{l+1}, n_l + ones), the last column b when there are biases.
    """

    W: Array
    G: Array | None
    P: Array | None
    shift: Array  # W^T b, (n_l,)
    beta: float
    gamma: float

    @classmethod
    def prepare(cls, W: Array, units: int, beta: float, gamma: float) -> "FitActivation":
        """Form the small matrix; `units` is n_l."""
        V = W[:, :units].astype(np.float64)
        shift = (V.T @ W[:, units:].sum(axis=1, dtype=np.float64)).astype(W.dtype)
        if not np.isfinite(V).all():
            return cls(W, np.full((units, units), np.nan, W.dtype, order="F"), None, shift, beta, gamma)
        if W.shape[0] >= units:
            factor = cholesky(beta * V.T @ V + gamma * np.eye(units), units)
            G = cho_solve(factor, np.eye(units), check_finite=False)
            return cls(W, np.asfortranarray(G, W.dtype), None, shift, beta, gamma)
        factor = cholesky(gamma * np.eye(W.shape[0]) + beta * V @ V.T, W.shape[0])
        P = beta * cho_solve(factor, V, check_finite=False).T
        return cls(W, None, np.asfortranarray(P, W.dtype), shift, beta, gamma)

    def __call__(self, z: Array, z_next: Array, activation: Activation, scratch: Scratch, a: Array) -> None:
        """Write the first n_l rows of a (n_l + ones, m) for a tile: z (n_l, m), z_next (n_{l+1}, m)."""
        h = activation.value(z, out=scratch.ones("h", a.shape[0], z.shape[1]))
        self.towards(h, z_next, scratch, a)

    def towards(self, h: Array, z_next: Array, scratch: Scratch, a: Array) -> None:
        """The same for a given h (n_l + ones, m), which has its row of ones and takes the place of h(z)."""
        units, m = len(self.shift), a.shape[1]
        if self.G is not None:
            t = np.matmul(self.W[:, :units].T, z_next, out=scratch("s", units, m))
            real = a.dtype.type
            right_side(t.T, h.T, self.shift, real(self.beta), real(self.gamma))
            np.matmul(self.G, t, out=a[:units])
        elif self.P is not None:
            e = np.matmul(self.W, h, out=scratch("s", z_next.shape[0], m))
            np.subtract(z_next, e, out=e)
            np.matmul(self.P, e, out=a[:units])
            add_to(a.T, h.T, units)
