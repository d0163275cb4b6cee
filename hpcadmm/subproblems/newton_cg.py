"""Newton with conjugate gradients for a smooth convex function, to a tight tolerance, deterministic."""

from typing import Any, Protocol

import numpy as np

from hpcadmm.model.state import Array

NEWTON, CG, BACKTRACKS = 60, 200, 30  # most steps
ULPS = 8 * np.finfo(np.float64).eps


class Bent(Protocol):
    """A positive semidefinite operator H, which may depend on a point."""

    def bend(self, point: Any, v: Array) -> Array:
        """H v, v of any shape."""
        ...


class Smooth(Bent, Protocol):
    """A convex function of an array (any shape), float64; H is its Hessian at a point."""

    def at(self, x: Array) -> tuple[float, Array, Any]:
        """Its value, its gradient, and what `bend` needs to know about this point."""
        ...


def minimise(
    f: Smooth, x: Array, tolerance: float, scale: Array | float = 1.0, quadratic: bool = False
) -> tuple[float, Array]:
    """The least value and the minimiser, from x, until |scale gradient| <= tolerance or rounding
    stops progress.

    scale: of the entries of x, positive, broadcast to its shape; the steps are those for the variable x / scale.
    Powers of two cost no rounding. quadratic: f is, so that CG goes to the end at once. A function without a minimiser
    (separable classes) is followed for NEWTON steps.
    """
    value, g, point = f.at(x)
    for _ in range(NEWTON):
        size = norm(scale * g)
        if not size > tolerance:
            break
        d = direction(f, point, g, tolerance / 2 if quadratic else min(0.1, size) * size, scale)
        slope = float((g * d).sum())
        if not slope < 0:
            break
        t, blind = 1.0, -slope <= ULPS * abs(value)  # blind: rounding hides the change of the value
        new = f.at(x + d)
        for _ in range(0 if blind else BACKTRACKS):
            if new[0] <= value + 1e-4 * t * slope:
                break
            t *= 0.5
            new = f.at(x + t * d)
        if (blind and norm(scale * new[1]) >= size) or new[0] > value + ULPS * abs(value):
            break
        x = x + t * d
        value, g, point = new
    return value, x


def direction(f: Bent, point: Any, g: Array, enough: float, scale: Array | float = 1.0) -> Array:
    """d with |scale (H d + g)| <= enough, by CG with the preconditioner scale^2; or
    where CG ends: after CG steps, or where rounding hides the curvature of H."""
    d, r = np.zeros_like(g), -g
    z = scale * (scale * r)
    v, rz = z, float((r * z).sum())
    for k in range(CG):
        Hv = f.bend(point, v)
        curvature = float((v * Hv).sum())
        if not curvature > np.finfo(np.float64).eps ** 2 * norm(v / scale) ** 2:
            return d if k else v
        step = rz / curvature
        d, r = d + step * v, r - step * Hv
        z = scale * (scale * r)
        rz, old = float((r * z).sum()), rz
        if rz <= enough**2:
            break
        v = z + (rz / old) * v
    return d


def norm(x: Array) -> float:
    """The root of the sum of squares."""
    return float(np.sqrt((x * x).sum()))
