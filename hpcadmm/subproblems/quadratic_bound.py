"""Steps on a quadratic upper bound P(x; theta) = phi + <g, x - x0> + theta/2 |x - x0|^2 of an exact quadratic phi.

Along d = -g, phi has the second derivative `bend` = d^T (Hessian of phi) d, so phi(x0 + d/theta) <= P exactly if
theta >= bend / |g|^2. This replaces a line search by trial evaluations.
"""

import math
from collections.abc import Callable

import numpy as np

from hpcadmm.model.state import Array
from hpcadmm.subproblems.norm import square

LEAST = 1e-30  # the smallest theta
MOST = 200  # doublings of theta in one step
HALVINGS = 40  # of a step with an l1 penalty


def step_length(norm: float, bend: float) -> float:
    """1/theta for the least theta of the bound, |g|^2 = norm: the exact minimiser along the gradient; 0 at a minimum.

    >>> step_length(4.0, 8.0), step_length(0.0, 0.0)
    (0.5, 0.0)
    """
    return norm / bend if bend > 0 else 0.0


def backtracked(theta: float, norm: float, bend: float) -> float:
    """The paper's rule: half the last theta, doubled until phi <= P; infinity (no step) after MOST doublings.

    >>> backtracked(8.0, 1.0, 3.0), backtracked(8.0, 1.0, 20.0), backtracked(1.0, 1.0, 1e300)
    (4.0, 32.0, inf)
    """
    theta = max(theta / 2, LEAST)
    if not (norm > 0 and math.isfinite(bend)):
        return 2 * theta
    doublings = max(0, math.ceil(math.log2(max(bend / (norm * theta), 1e-300))))
    return theta * 2.0**doublings if doublings <= MOST else math.inf


def step_along(rule: str, theta: float, norm: float, bend: float) -> tuple[float, float]:
    """(1/theta, theta) by the rule "quadratic", or "backtracking" from the last theta."""
    if rule == "quadratic":
        return step_length(norm, bend), theta
    found = backtracked(theta, norm, bend)
    return 1 / found, (found if math.isfinite(found) else theta * 2.0**MOST)


def move_weights(
    W: Array,
    D: Array,
    curvature: float,
    decay: float,
    l1: bool,
    step: Callable[[float, float], float],
    through: Callable[[Array], float],
) -> float:
    """One step on the quadratic bound of c/2 |r - (W - W0) a|^2 + Omega(W): W += alpha D with D = c r a^T minus the
    gradient of an l2 penalty, or the prox of an l1 penalty. Returns the factor of V in the change of W a.

    W, D: (n_l, n_{l-1}); `curvature` is c. through(D) forms V = D a and returns |V|^2 over all samples;
    step(norm, bend) is the step length along a gradient. With l1, V is that of the whole change, and the factor 1.
    """
    l1 = l1 and decay > 0
    shrink = 0.0 if l1 else 2 * decay
    D = np.asfortranarray(D - shrink * W if shrink else D, W.dtype)
    norm = square(D)
    alpha = step(norm, curvature * through(D) + shrink * norm)
    if not l1:
        W += D.dtype.type(alpha) * D
        return alpha
    for _ in range(HALVINGS):
        new = soft_threshold(W + D.dtype.type(alpha) * D, alpha * decay)
        change = np.asfortranarray(new - W)
        if alpha * curvature * through(change) <= square(change) * (1 + 1e-6):
            break
        alpha /= 2
    W += change
    return 1.0


def omega(W: Array, penalty: str) -> float:
    """Omega / decay of a weight matrix without its biases: |W|_F^2 ("l2") or sum |W_ij| ("l1")."""
    return float(np.abs(W).sum()) if penalty == "l1" else square(np.asfortranarray(W))


def soft_threshold(x: Array, size: float) -> Array:
    """argmin_v size |v|_1 + 1/2 |v - x|^2, entry by entry."""
    return np.sign(x) * np.maximum(np.abs(x) - x.dtype.type(size), 0)
