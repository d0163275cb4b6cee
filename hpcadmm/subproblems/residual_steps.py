"""The elementwise parts of dlADMM's steps, fused so that each reads and writes a tile once.

Kernels take transposed arrays: rows are samples. u and w are None where a layer has no multiplier, or samples have no
weights.
"""

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.activations.base import Activation
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight
from hpcadmm.products.rounding import upper_half
from hpcadmm.products.scratch import Scratch
from hpcadmm.subproblems.layer_split import descend_kernel, pieces


@kernel
def entry_of_force(r, c, u, w, j, i):  # type: ignore[no-untyped-def]
    """(c r + u) w of sample j and unit i."""
    f = c * r[j, i]
    if u is not None:
        f += u[j, i]
    if w is not None:
        f *= w[j]
    return f


@kernel
def force_kernel(r, c, u, w, F):  # type: ignore[no-untyped-def]
    """F = (c r + u) w."""
    for j in range(r.shape[0]):
        for i in range(r.shape[1]):
            F[j, i] = entry_of_force(r, c, u, w, j, i)


@kernel
def force_sums_kernel(r, c, u, w, sums):  # type: ignore[no-untyped-def]
    """sums = the sums of (c r + u) w over the samples, in float64; one entry a unit."""
    sums[:] = 0.0
    for j in range(r.shape[0]):
        for i in range(r.shape[1]):
            sums[i] += np.float64(entry_of_force(r, c, u, w, j, i))


@kernel
def towards_kernel(g, a, h, nu, rounded):  # type: ignore[no-untyped-def]
    """g = nu (a - h) - g; a and h may have more columns. rounded, unless it is None: g in bfloat16."""
    for j in range(g.shape[0]):
        for i in range(g.shape[1]):
            g[j, i] = nu * (a[j, i] - h[j, i]) - g[j, i]
            if rounded is not None:
                rounded[j, i] = upper_half(g[j, i])


@kernel
def lower_kernel(r, change):  # type: ignore[no-untyped-def]
    """r -= change, one entry a unit."""
    for j in range(r.shape[0]):
        for i in range(r.shape[1]):
            r[j, i] -= change[i]


def force(r: Array, c: float, u: Array | None, w: Weight, scratch: Scratch) -> Array:
    """(c r + u) w, all (n_l, columns); r itself where that is r."""
    if c == 1 and u is None and w is None:
        return r
    F = scratch("F", *r.shape)
    force_kernel(r.T, r.dtype.type(c), None if u is None else u.T, w, F.T)
    return F


def force_sums(r: Array, c: float, u: Array | None, w: Weight, sums: Array) -> None:
    """sums (n_l,) = the sums of (c r + u) w over the samples, in float64."""
    force_sums_kernel(r.T, r.dtype.type(c), None if u is None else u.T, w, sums)


def a_gradient(
    g: Array, a: Array, z: Array, activation: Activation, nu: float, scratch: Scratch, rounded: Array | None = None
) -> None:
    """g = nu (a - f(z)) - g in place, all (n_l, columns); g = W^T F of the layer above on entry.

    a: with all its rows, (n_l + ones, columns), so that a tile of one sample lies in memory as the others do.
    rounded: (columns, n_l), becomes g in bfloat16, see `products.targets.also`.
    """
    for t in pieces(len(g), slice(0, g.shape[1])):
        h = activation.value(z[:, t], out=scratch("h", len(z), t.stop - t.start))
        towards_kernel(g[:, t].T, a[:, t].T, h.T, g.dtype.type(nu), None if rounded is None else rounded[t])


def descend(x: Array, alpha: float, g: Array, rounded: Array | None = None) -> None:
    """x -= alpha g, both (rows, columns). rounded: becomes x in bfloat16."""
    descend_kernel(x.T, x.dtype.type(alpha), g.T, rounded)


def fit_b(r: Array, change: Array) -> None:
    """r -= change, one entry a unit: the residual after b moves."""
    lower_kernel(r.T, change)
