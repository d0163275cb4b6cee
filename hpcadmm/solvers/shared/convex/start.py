"""The rho from which the rules begin, whatever rho a job names: scales of the loss and of the data."""

from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.subproblems.norm import square

TILES, FEW = 8, 32  # evenly spaced tiles that are asked, at most twice as many, and samples of each
SCALES = 10.0 ** np.arange(-6, 6.5, 0.5)  # rhos that are tried
FEATURES = 1000  # of the matrix whose eigenvalues are found
RANK = 1e-6  # eigenvalues below it, relative to the largest, count as 0


def of_loss(p: Problem, world: World) -> float:
    """rho for which a step by the prox of the loss, z = argmin l(z, y) + rho/2 |z|^2, halves the norm of the gradient:
    for half the squares their curvature 1, for a loss with kinks the slope over twice the distance to them.
    Collective."""
    values, step = np.zeros((len(p.tiles), 1 + len(SCALES))), max(1, p.tiles.count // TILES)
    for value, (k, t) in zip(values, p.tiles, strict=True):
        if k % step == 0:
            value[:] = _norms(p, slice(t.start, min(t.start + FEW, t.stop)))
    first, *after = np.sqrt(sum_by_tile(world, p.tiles, values))
    if not first > 0:
        return 1.0
    share = np.maximum(np.array(after) / first, np.finfo(float).tiny)
    return float(np.exp(np.interp(np.log(0.5), np.log(share), np.log(SCALES))))


def _norms(p: Problem, t: slice) -> list[float]:
    """sum w |l'(0)|^2 of the samples t, then with each rho sum w |rho z|^2: the gradients after the step."""
    y, w, share = p.y[:, t], p.w(t), p.loss.share
    zero = np.zeros_like(y, order="F")
    found = [square(p.dtype(share) * p.loss.gradient(zero, y), w)]
    for rho in SCALES:
        z = p.loss.prox(zero, y, zero, rho / (2 * share), np.zeros_like(zero, order="F"))
        found.append(rho**2 * square(z, w))
    return found


def of_matrix(gram: Array) -> float:
    """The geometric mean of the eigenvalues of a positive semidefinite matrix, of those that are not 0; 0: there are
    none. Of evenly spaced rows and columns if it is large."""
    step = -(-len(gram) // FEATURES) or 1
    found = np.linalg.eigvalsh(gram[::step, ::step]) if len(gram) else np.zeros(1)
    large = found[found > RANK * found[-1]]
    return float(np.exp(np.log(large).mean())) if len(large) else 0.0


def squared(x: Any, w: Any) -> Array:
    """sum w x^2 of each row of inputs, (1, rows)."""
    held = getattr(x, "matrix", x)
    weights = np.ones(x.shape[1], held.dtype) if w is None else w
    return np.asfortranarray((np.square(held) if isinstance(held, np.ndarray) else held.power(2)) @ weights)[None]
