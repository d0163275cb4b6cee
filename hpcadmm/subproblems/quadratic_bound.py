"""Steps on a quadratic upper bound P(x; theta) = phi + <g, x - x0> + theta/2 |x - x0|^2 of an exact quadratic phi.

Along d = -g the quadratic phi bends by `bend` = d^T (Hessian of phi) d, so phi(x0 + d/theta) <= P exactly when
theta >= bend / |g|^2. That is the line search without trial evaluations.
"""

import math

import numpy as np

from hpcadmm.model.state import Array


def step_length(norm: float, bend: float) -> float:
    """1/theta for the least theta of the bound, |g|^2 = norm: the exact minimiser along the gradient; 0 at a minimum.

    >>> step_length(4.0, 8.0), step_length(0.0, 0.0)
    (0.5, 0.0)
    """
    return norm / bend if bend > 0 else 0.0


def backtracked(theta: float, norm: float, bend: float) -> float:
    """The paper's rule: half the theta of the last time, doubled until phi <= P.

    >>> backtracked(8.0, 1.0, 3.0), backtracked(8.0, 1.0, 20.0)
    (4.0, 32.0)
    """
    theta = max(theta / 2, 1e-30)
    if not (norm > 0 and math.isfinite(bend)):
        return 2 * theta
    return theta * 2.0 ** max(0, math.ceil(math.log2(max(bend / (norm * theta), 1e-300))))


def soft_threshold(x: Array, size: float) -> Array:
    """argmin_v size |v|_1 + 1/2 |v - x|^2, entry by entry."""
    return np.sign(x) * np.maximum(np.abs(x) - x.dtype.type(size), 0)
