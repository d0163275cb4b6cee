"""argmin_z gamma (a - tanh z)^2 + beta (z - m)^2, the global minimum, entry by entry, in float64.

With k = gamma/beta and t = tanh z, a minimiser is a root of F(z) = z - m - k (a - t)(1 - t^2). Both a and m
are reflected so that a >= tanh m; then z >= m and t <= a. F increases, except that left of (a - sqrt(a^2 + 3))/3 the
hump (1 - t^2)(3 t^2 - 2 a t - 1) may exceed 1/k. F is concave left of the top of the hump and convex right of it, up to
a point `bend`. So the top separates the two possible minima:

    F(top) > 0    one root in [m, top]; to the right none, or one that Newton from the bend reaches
    F(top) <= 0   one root in [top, hi]; to the left none, or one that Newton from m reaches

Halley's steps inside a bracket find a root that exists; the bracket is halved if |F| has not halved (Newton and Halley
alone can cycle). If a root may not exist, Newton's steps are monotone, and the search ends when one leaves the bracket,
at a point no better than the other root. Two roots are compared by value.

A block of entries fills the columns of `work`, one row per quantity, so that the steps are loops without branches,
which the compiler vectorises; `pack` drops converged columns. No entry's result depends on its neighbours.
"""

import math

import numpy as np

from hpcadmm.kernels import kernel

BLOCK = 128
ROUNDS = 100  # of two steps: a bracket is halved in every second step at least
# The rows of work, by the index of their first entry; a block has at most two jobs per entry.
A, M, X, LOW, HIGH, LAST, SURE, SLOT, SIGN, HUMP = (row * 2 * BLOCK for row in range(10))
ROWS = 10
LARGEST = 1e100  # |a| is cut to this; the result does not change


@kernel
def tanh_parts(z):  # type: ignore[no-untyped-def]
    """(tanh z, 1 - tanh^2 z), both to 3 units in the last place, the second down to 4e-304.

    exp(-2|z|) = 2^n (d + 2r)/d, the rational form of fdlibm's exp, needs one division for both.
    """
    x = -2.0 * abs(z)
    x = -700.0 if x < -700.0 else x
    shifted = np.float64(x * 1.4426950408889634 + 6755399441055744.0)  # the last bits hold n
    n = shifted - 6755399441055744.0
    power = np.int64((shifted.view(np.int64) + np.int64(1023)) << np.int64(52)).view(np.float64)
    r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
    w = r * r
    p = 6.61375632143793436117e-05 + w * (-1.65339022054652515390e-06 + w * 4.13813679705723846039e-08)
    d = 2.0 - (r - w * (1.66666666666666019037e-01 + w * (-2.77777777770155933842e-03 + w * p)))
    e = power * (d + 2.0 * r)
    inverse = 1.0 / (d + e)
    t = ((1.0 - power) * d - power * (2.0 * r)) * inverse
    return math.copysign(t, z), 4.0 * e * d * inverse * inverse


@kernel
def half_log(v):  # type: ignore[no-untyped-def]
    """log(v)/2 for normal v > 0, to 1e-9: for initial guesses and brackets."""
    bits = np.float64(v).view(np.int64)
    mantissa = np.int64((bits & np.int64(0xFFFFFFFFFFFFF)) | np.int64(0x3FF0000000000000)).view(np.float64)
    exponent = np.float64((bits >> np.int64(52)) - np.int64(1023))
    u = (mantissa - 1.4142135623730951) / (mantissa + 1.4142135623730951)
    w = u * u
    series = u * (1.0 + w * (1 / 3 + w * (1 / 5 + w * (1 / 7 + w * (1 / 9 + w / 11)))))
    return 0.34657359027997264 * (exponent + 0.5) + series


@kernel
def slopes(x, t, q, a, m, k):  # type: ignore[no-untyped-def]
    """F, F' and F''/2 at x, where t = tanh x and q = 1 - t^2."""
    g = a - t
    return x - m - k * g * q, 1.0 + k * q * (q + 2.0 * t * g), k * q * (q * (g - 3.0 * t) - 2.0 * t * t * g)


@kernel
def begin(work, n, k):  # type: ignore[no-untyped-def]
    """Reflect a and m, enclose the root in [m, hi], start with Newton's step from m; mark possible humps."""
    for i in range(n):
        a, m = work[A + i], work[M + i]
        t, q = tanh_parts(m)
        a = LARGEST if a > LARGEST else a
        a = -LARGEST if a < -LARGEST else a
        sign = -1.0 if a < t else 1.0
        a, m, t = sign * a, sign * m, sign * t
        f, slope, _ = slopes(m, t, q, a, m, k)
        # above: where F > 0 since t >= a; or since k (a - t)(1 - t^2) < 4 k (a + 1) exp(-2z) <= 1 <= z - m
        fit = half_log((1.0 + a) / (1.0 - a))
        tail = half_log(4.0 * k * (a + 1.0))
        tail = tail if tail > 0.0 else 0.0
        tail = tail if tail > m + 1.0 else m + 1.0
        above = fit if a < 1.0 and fit < tail else tail
        above += 1e-6 + 1e-6 * abs(above)
        above = above if above > m else m  # where tanh m rounds to a, or to -1
        high = m + k * (a - t)
        high = above if above < high else high
        x = m - f / slope
        x = x if slope > 0.0 and x < high else high
        work[A + i], work[M + i], work[SIGN + i], work[SLOT + i] = a, m, sign, i
        work[LOW + i], work[HIGH + i], work[SURE + i] = m, high, 1.0
        finite = abs(m) < np.inf
        work[LAST + i] = np.inf if finite else -1.0
        work[X + i] = x if finite else m + 0.0 * a
        hump = 0.97 + 0.8 * (a - 1.0 if a > 1.0 else 0.0)
        work[HUMP + i] = 1.0 if k * hump > 1.0 and t < -0.55735 - 0.551 / (a + 2.304) and finite else 0.0


@kernel
def advance(work, n, k, tolerance):  # type: ignore[no-untyped-def]
    """One safeguarded step of every job; LAST is |F| before it, inf after halving, -1 once done."""
    for i in range(n):
        a, m, x, last, sure = work[A + i], work[M + i], work[X + i], work[LAST + i], work[SURE + i]
        low, high = work[LOW + i], work[HIGH + i]
        t, q = tanh_parts(x)
        f, slope, bend = slopes(x, t, q, a, m, k)
        low, high = (x if f <= 0.0 else low), (high if f <= 0.0 else x)
        square = slope * slope
        below = square - sure * f * bend
        below = below if below > 0.5 * square else 0.5 * square
        new = x - f * slope / below
        inside = (slope > 0.0) & (new >= low) & (new <= high)
        good = inside & ((abs(f) <= 0.5 * last) | (sure == 0.0))
        new = new if good else low + 0.5 * (high - low)
        lost = (sure == 0.0) & (not good)
        finished = (last < 0.0) | lost
        new = x if finished else new
        finished = finished | (not (abs(new - x) > tolerance + 1e-15 * abs(x)))
        last = abs(f) if good else np.inf
        work[LAST + i] = -1.0 if finished else last
        work[X + i], work[LOW + i], work[HIGH + i] = new, low, high


@kernel
def top_of_hump(a):  # type: ignore[no-untyped-def]
    """The t < 0 at which (1 - t^2)(3 t^2 - 2 a t - 1) is largest: a root of 6 t^3 - 3 a t^2 - 4 t + a, to 1e-6."""
    t = -0.57735 - 0.551 / (a + 2.304)
    for _ in range(2):
        t -= (((6.0 * t - 3.0 * a) * t - 4.0) * t + a) / ((18.0 * t - 6.0 * a) * t - 4.0)
    return t


@kernel
def split(work, i, other, k):  # type: ignore[no-untyped-def]
    """Make of job i the jobs that its hump asks for, the second in column `other`; returns their number."""
    a, m, start, high = work[A + i], work[M + i], work[X + i], work[HIGH + i]
    t = top_of_hump(a)
    q = (1.0 - t) * (1.0 + t)
    if k * q * ((3.0 * t - 2.0 * a) * t - 1.0) <= 1.0 or q <= 0.0:
        return 1
    top = half_log((1.0 + t) / (1.0 - t))
    if m >= top or high <= top:
        return 1
    left_sure = slopes(top, t, q, a, m, k)[0] > 0.0
    t, q = tanh_parts(m)
    left = left_sure or (slopes(m, t, q, a, m, k)[1] > 0.0 and start < top)

    bend = a / (4.0 + 1.5186 * a) if a > 0.0 else high  # left of the point where F'' changes sign
    bend = bend if bend < high else high
    t, q = tanh_parts(bend)
    f, slope, _ = slopes(bend, t, q, a, m, k)
    low = bend if f <= 0.0 else top
    high = high if f <= 0.0 else bend
    right_sure = f <= 0.0 or not left_sure
    x = bend - f / slope
    right = right_sure or x > top
    if left:
        work[SURE + i] = 1.0 if left_sure else 0.0
        work[HIGH + i] = top
        work[X + i] = start if start < top else top
    if not right:
        return 1
    place = other if left else i
    work[A + place], work[M + place], work[LAST + place] = a, m, np.inf
    work[LOW + place], work[HIGH + place], work[SURE + place] = low, high, 1.0 if right_sure else 0.0
    work[X + place] = x if low < x < high else 0.5 * (low + high)
    work[SLOT + place] = work[SLOT + i] + (BLOCK if left else 0)
    return 2 if left else 1


@kernel
def pack(work, n, roots):  # type: ignore[no-untyped-def]
    """Write every job's x to its slot of roots and close up over those that are done; returns how many are left."""
    left = 0
    for i in range(n):
        x, last = work[X + i], work[LAST + i]
        slot = work[SLOT + i]
        roots[np.int64(slot)] = x
        work[A + left], work[M + left], work[X + left] = work[A + i], work[M + i], x
        work[LOW + left], work[HIGH + left], work[SURE + left] = work[LOW + i], work[HIGH + i], work[SURE + i]
        work[SLOT + left], work[LAST + left] = slot, last
        left += 0 if last < 0.0 else 1
    return left


@kernel
def better(a, m, k, x, y):  # type: ignore[no-untyped-def]
    """Of x and y the one of smaller k (a - tanh x)^2 + (x - m)^2."""
    g, h = a - tanh_parts(x)[0], a - tanh_parts(y)[0]
    # the difference of the two objectives, without the cancellation of a^2 and m^2
    return x if k * (g - h) * (g + h) + (x - y) * ((x - m) + (y - m)) <= 0.0 else y


@kernel
def solve_block(work, roots, pairs, n, k, tolerance):  # type: ignore[no-untyped-def]
    """roots[:n] = the minimisers for the reflected a and m, from rows A and M of work, still reflected."""
    begin(work, n, k)
    jobs, count = n, 0
    for i in range(n):
        if work[HUMP + i] > 0.0 and split(work, i, jobs, k) == 2:
            pairs[count, 0], pairs[count, 1], pairs[count, 2] = i, work[A + i], work[M + i]
            jobs, count = jobs + 1, count + 1
    for _ in range(ROUNDS):
        advance(work, jobs, k, tolerance)
        advance(work, jobs, k, tolerance)
        jobs = pack(work, jobs, roots)
        if jobs == 0:
            break
    for p in range(count):
        slot = np.int64(pairs[p, 0])
        roots[slot] = better(pairs[p, 1], pairs[p, 2], k, roots[slot], roots[BLOCK + slot])


@kernel
def tanh_prox(a, m, k, scale, shift, squeeze, tolerance, z):  # type: ignore[no-untyped-def]
    """z = argmin k (scale a + shift - tanh(squeeze z))^2 + squeeze^2 (z - m)^2; rows are samples.

    Newton's or Halley's last step is at most `tolerance`, which leaves an error of order tolerance^2.
    """
    rows = z.shape[1]
    work, roots, pairs = np.zeros(ROWS * 2 * BLOCK), np.zeros(2 * BLOCK), np.zeros((BLOCK, 3))
    for start in range(0, z.size, BLOCK):
        n = min(BLOCK, z.size - start)
        j, i = start // rows, start % rows
        for e in range(n):
            work[A + e], work[M + e] = scale * a[j, i] + shift, squeeze * m[j, i]
            i += 1
            if i == rows:
                i, j = 0, j + 1
        solve_block(work, roots, pairs, n, k, tolerance)
        j, i = start // rows, start % rows
        for e in range(n):
            z[j, i] = work[SIGN + e] * roots[e] / squeeze
            i += 1
            if i == rows:
                i, j = 0, j + 1
