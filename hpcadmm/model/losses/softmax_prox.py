"""argmin_z log sum exp z - <y, z> + <lam, z> + beta |z - m|^2, sample by sample, in float64.

Newton's method; Sherman-Morrison inverts the Hessian diag(s) - s s^T + 2 beta I in O(classes). If it backtracks too
often (small beta, lam far from column sum 0), the stationarity condition is solved instead:
s_i = 2 beta omega(c_i - t - log 2 beta) with c = m + (y - lam)/(2 beta) and Wright's omega (w + log w = x),
t the root of sum_i s_i(t) = 1, which is convex and decreasing, so that Newton from its left cannot fail.
"""

import math

import numpy as np

from hpcadmm.kernels import kernel

TRIALS = 60
BACKTRACKS = 20
ULPS = 4 * np.finfo(np.float64).eps


@kernel
def objective(z, m, y, lam, beta, s):  # type: ignore[no-untyped-def]
    """The value minimised at z; s receives softmax(z)."""
    top = z[0]
    for i in range(z.size):
        top = max(top, z[i])
    total = 0.0
    value = 0.0
    for i in range(z.size):
        s[i] = math.exp(z[i] - top)
        total += s[i]
        value += (lam[i] - y[i]) * z[i] + beta * (z[i] - m[i]) ** 2
    for i in range(z.size):
        s[i] /= total
    return value + top + math.log(total)


@kernel
def direction(z, m, y, lam, beta, s, g, d):  # type: ignore[no-untyped-def]
    """d = the Newton direction, g = the gradient; returns (|g|_inf relative to its terms, <g, d>)."""
    size = 0.0
    scale = 1.0
    up = 0.0
    down = 0.0
    for i in range(z.size):
        pull = 2 * beta * (z[i] - m[i])
        g[i] = s[i] - y[i] + lam[i] + pull
        size = max(size, abs(g[i]))
        scale = max(scale, abs(lam[i]) + abs(pull))
        up += s[i] * g[i] / (s[i] + 2 * beta)
        down += s[i] / (s[i] + 2 * beta)
    shift = up / (2 * beta * down)
    slope = 0.0
    for i in range(z.size):
        d[i] = -(g[i] + s[i] * shift) / (s[i] + 2 * beta)
        slope += g[i] * d[i]
    return size / scale, slope


@kernel
def newton(z, m, y, lam, beta, tolerance, work):  # type: ignore[no-untyped-def]
    """Minimise from z in place; False if it is too slow or rounding prevents the tolerance."""
    s, g, d, new = work[0], work[1], work[2], work[3]
    value = objective(z, m, y, lam, beta, s)
    t = 1.0
    slope = 0.0
    backtracks = 0
    fresh = True  # s belongs to z
    for _ in range(TRIALS):
        if backtracks > BACKTRACKS:
            break
        if fresh:
            error, slope = direction(z, m, y, lam, beta, s, g, d)
            if error <= tolerance:
                return True
            moved = 0.0
            for i in range(z.size):
                moved = max(moved, abs(d[i]) - ULPS * abs(z[i]))
            if moved <= 0.0:
                return True
            if slope >= -ULPS * abs(value):  # rounding hides the decrease: one last full step
                for i in range(z.size):
                    z[i] += d[i]
                objective(z, m, y, lam, beta, s)
                return direction(z, m, y, lam, beta, s, g, d)[0] <= tolerance
            t = 1.0
        for i in range(z.size):
            new[i] = z[i] + t * d[i]
        trial = objective(new, m, y, lam, beta, s)
        fresh = trial <= value + 1e-4 * t * slope
        if fresh:
            value = trial
            z[:] = new
        else:
            t *= 0.5
            backtracks += 1
    return False


@kernel
def wright_omega(x):  # type: ignore[no-untyped-def]
    """w with w + log w = x, by three steps of the fourth-order iteration of Fritsch, Shafer and Crowley."""
    if x < -40.0:
        return math.exp(x)
    w = math.exp(x) if x < -1.0 else (math.exp(0.6 * (x - 1.0)) if x < 2.0 else x - math.log(x))
    for _ in range(3):
        r = x - w - math.log(w)
        q = 2 * (1 + w) * (1 + w + 2 * r / 3)
        w *= 1 + r / (1 + w) * (q - r) / (q - 2 * r)
    return w


@kernel
def dual_root(z, m, y, lam, beta, work):  # type: ignore[no-untyped-def]
    """Write the minimiser to z, from the scalar root t."""
    c, w = work[0], work[1]
    log2b = math.log(2 * beta)
    top = -math.inf
    for i in range(z.size):
        c[i] = m[i] + (y[i] - lam[i]) / (2 * beta)
        top = max(top, c[i])
    t = top - 1 / (2 * beta)
    for _ in range(200):
        total = -1.0
        slope = 0.0
        for i in range(z.size):
            w[i] = wright_omega(c[i] - t - log2b)
            total += 2 * beta * w[i]
            slope += 2 * beta * w[i] / (1 + w[i])
        step = total / slope
        if not step > ULPS * abs(t):
            break
        t += step
    for i in range(z.size):
        z[i] = c[i] - w[i]


@kernel
def softmax_prox(m, y, lam, beta, tolerance, z):  # type: ignore[no-untyped-def]
    """All samples (rows) of m, y, lam, z; `tolerance` bounds the relative gradient."""
    n = z.shape[1]
    work = np.empty((4, n))
    u, c, t, v = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for j in range(z.shape[0]):
        for i in range(n):
            c[i], t[i], v[i] = m[j, i], y[j, i], lam[j, i]
            u[i] = c[i]
        if not newton(u, c, t, v, beta, tolerance, work):
            dual_root(u, c, t, v, beta, work)
        for i in range(n):
            z[j, i] = u[i]
