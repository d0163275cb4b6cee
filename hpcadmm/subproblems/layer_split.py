"""The elementwise parts of pdADMM's p, z and q steps, fused so that each reads and writes a tile once.

Kernels take transposed arrays: rows are samples. Each expression exists once, so that both sides of a boundary between
ranks form the same bits.
"""

from typing import Any

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.activations.base import Activation
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight, at
from hpcadmm.products.rounding import upper_half
from hpcadmm.products.scratch import Scratch
from hpcadmm.subproblems.norm import square

CUT = 1 << 16  # entries of a piece, so that temporaries stay in the core's own cache


def pieces(rows: int, t: slice) -> list[slice]:
    """A tile's columns in pieces of at most CUT entries."""
    step = max(1, CUT // max(rows, 1))
    return [slice(k, min(k + step, t.stop)) for k in range(t.start, t.stop, step)]


@kernel
def force_kernel(q, h, dual, rho, w):  # type: ignore[no-untyped-def]
    """w = u - rho q with u = dual (q - h)."""
    for j in range(q.shape[0]):
        for i in range(q.shape[1]):
            w[j, i] = dual * (q[j, i] - h[j, i]) - rho * q[j, i]


@kernel
def gradient_kernel(g, p, w, nu, rho, rounded):  # type: ignore[no-untyped-def]
    """g = nu g + rho p + w; rounded, unless it is None: g in bfloat16."""
    for j in range(g.shape[0]):
        for i in range(g.shape[1]):
            g[j, i] = nu * g[j, i] + rho * p[j, i] + w[j, i]
            if rounded is not None:
                rounded[j, i] = upper_half(g[j, i])


@kernel
def descend_kernel(x, alpha, g, rounded):  # type: ignore[no-untyped-def]
    """x -= alpha g over the rows and columns of g; x may have more columns. rounded, unless it is None: x in
    bfloat16."""
    for j in range(g.shape[0]):
        for i in range(g.shape[1]):
            x[j, i] -= alpha * g[j, i]
            if rounded is not None:
                rounded[j, i] = upper_half(x[j, i])


@kernel
def shift_kernel(R, V, alpha, b):  # type: ignore[no-untyped-def]
    """R += alpha V + b; b has one entry a unit."""
    for j in range(R.shape[0]):
        for i in range(R.shape[1]):
            R[j, i] += alpha * V[j, i] + b[i]


@kernel
def centre_kernel(R, z, half, m, c):  # type: ignore[no-untyped-def]
    """m = R + z, and c the mean of m and z."""
    for j in range(R.shape[0]):
        for i in range(R.shape[1]):
            m[j, i] = R[j, i] + z[j, i]
            c[j, i] = half * (m[j, i] + z[j, i])


@kernel
def link_kernel(p, q, before, h, dual, nu, rho, share):  # type: ignore[no-untyped-def]
    """q = share (rho p + u + nu h) with u = dual (q - before), share = 1 / (rho + nu)."""
    for j in range(q.shape[0]):
        for i in range(q.shape[1]):
            q[j, i] = share * (rho * p[j, i] + dual * (q[j, i] - before[j, i]) + nu * h[j, i])


def force(z: Array, q: Array, activation: Activation, dual: float, rho: float, scratch: Scratch, w: Array) -> None:
    """w = u - rho q with u = dual (q - f(z)), all (n_l, columns): the message of layer l to layer l + 1."""
    real = z.dtype.type
    for t in pieces(len(z), slice(0, z.shape[1])):
        h = activation.value(z[:, t], out=scratch("h", len(z), t.stop - t.start))
        force_kernel(q[:, t].T, h.T, real(dual), real(rho), w[:, t].T)


def p_gradient(
    g: Array, p: Array, w: Array, nu: float, rho: float, weight: Weight = None, rounded: Array | None = None
) -> float:
    """g = nu g + rho p + w in place, g = W^T R on entry; returns |g|^2, each column times its weight.

    rounded: (columns, rows), becomes g in bfloat16, see `products.targets.also`.
    """
    real, norm = g.dtype.type, 0.0
    for t in pieces(len(g), slice(0, g.shape[1])):
        bits = None if rounded is None else rounded[t]
        gradient_kernel(g[:, t].T, p[:, t].T, w[:, t].T, real(nu), real(rho), bits)
        norm += square(g[:, t], at(weight, t))
    return norm


def fit_z(R: Array, z: Array, q: Array, activation: Activation, scratch: Scratch, before: Array, h: Array) -> None:
    """z = argmin |z - m|^2 + |q - f(z)|^2 + |z - z_old|^2 with m = R + z_old, entry by entry; then R = m - z.

    R, z, q: (n_l, columns); before and h become f(z_old) and f(z). Wang et al., ICDM 2020, with the proximal term
    that the authors' code leaves out.
    """
    m, c = scratch("m", *z.shape), scratch("c", *z.shape)
    centre_kernel(R.T, z.T, z.dtype.type(0.5), m.T, c.T)
    activation.value(z, out=before)
    activation.prox(q, c, 0.5, 1.0, z)
    activation.value(z, out=h)
    np.subtract(m, z, out=R)


def fit_z_and_q(
    R: Array, z: Array, q: Array, p: Array, activation: Activation, penalties: Any, scratch: Scratch
) -> None:
    """The z step, then q = argmin nu/2 |q - f(z)|^2 - <u, q> + rho/2 |p - q|^2 = (rho p + u + nu f(z)) / (rho + nu).

    R, z, q: (n_l, columns); p, of the layer above, may have more rows. u = dual (q - f(z)) of the iterate before, and
    nu (q - f(z)) of this one: that is u + rho (p - q).
    """
    nu, rho, dual = (z.dtype.type(v) for v in penalties)
    share = z.dtype.type(1 / (float(nu) + float(rho)))
    before, h = (scratch(name, *z.shape) for name in ("before", "h"))
    fit_z(R, z, q, activation, scratch, before, h)
    link_kernel(p.T, q.T, before.T, h.T, dual, nu, rho, share)
