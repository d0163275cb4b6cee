"""The state of the spectral choice of rho: z, V and their multipliers rho u, rho U at the last look [Xu, Figueiredo,
Goldstein 2017]. The other side of the split is linear for a loss that is split off, and without a curvature."""

from hpcadmm.model.state import Arrays
from hpcadmm.model.weighted import Weight
from hpcadmm.subproblems.norm import square

KEPT = 2  # arrays: the variables and their multipliers


def moved(now: Arrays, kept: Arrays, w: Weight = None) -> list[float]:
    """Squares of how far each of `now` is from what was kept, which is renewed; columns weighted by w."""
    found = [square(new - old, w) for new, old in zip(now, kept, strict=True)]
    for old, new in zip(kept, now, strict=True):
        old[...] = new
    return found
