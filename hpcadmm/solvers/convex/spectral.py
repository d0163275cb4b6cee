"""What the spectral choice of rho keeps: both sides of ADMM at the last estimate [Xu, Figueiredo, Goldstein 2017].

A side has variables H and a multiplier l: the first T x and T with the multiplier before the other side moves,
rho (u + T x - z); the second z and V with rho u. Inner products are weighted by w / N, and by kappa.
"""

import numpy as np

from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.weighted import Weight, total
from hpcadmm.solvers.shared.convex.rho import Products

SIDES = 2
KEPT = 2 * SIDES  # arrays: H and l of each side


def products(now: Arrays, kept: Arrays, w: Weight = None) -> Array:
    """<dH, dH>, <dH, dl>, <dl, dl> of both sides; now: H, l of the first, then of the second. `kept` is renewed."""
    found = []
    for side in range(SIDES):
        dH, dl = (now[2 * side + k] - kept[2 * side + k] for k in range(2))
        found += [total(a * b, w) for a, b in ((dH, dH), (dH, dl), (dl, dl))]
    for old, new in zip(kept, now, strict=True):
        old[...] = new
    return np.array(found)


def sides(six: Array) -> tuple[Products, Products]:
    """The products of both sides; the multiplier of the first is minus a gradient."""
    hh, hl, ll, *second = six.tolist()
    return Products(hh, -hl, ll), Products(*second)
