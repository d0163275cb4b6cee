"""tanh and sigmoid: the prox is the global minimum, for any data."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from hpcadmm.model.activations import Sigmoid, Tanh

SMOOTH = [Tanh(), Sigmoid()]
smooth = pytest.mark.parametrize("h", SMOOTH, ids=repr)
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ratios = st.one_of(st.floats(-6, 6), st.floats(-0.3, 1.5)).map(lambda power: 10.0**power)  # gamma/beta of tanh
seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([1e-6, 0.1, 1.0, 3.0, 10.0])


def plain(h, z):
    """h(z) by another implementation."""
    return np.tanh(z) if h == Tanh() else expit(z)


def gap(h, a, z):
    """a - h(z) in float64, and 1 where rounding can be seen in it."""
    a = np.asarray(a, np.float64)
    return a - plain(h, z), abs(a) + 1


def penalties(h, k):
    """gamma and beta which for tanh, or the tanh inside the sigmoid, make the ratio k."""
    return (k, 1.0) if h == Tanh() else (4 * k, 0.25)


def targets(h, a):
    """a of tanh as a of h."""
    return a if h == Tanh() else (a + 1) / 2


def prox(h, a, m, gamma, beta, dtype=np.float64):
    """z for 1-D a and m, as one row; and a, m as the kernel sees them, in float64."""
    a, m = (np.asfortranarray(np.reshape(x, (1, -1)), dtype) for x in (a, m))
    z = h.prox(a, m, gamma, beta, np.full_like(m, 7.0))
    assert z.dtype == dtype
    return tuple(x[0].astype(np.float64) for x in (z, a, m))


def objective(h, a, m, z, gamma, beta):
    return gamma * gap(h, a, z)[0] ** 2 + beta * (z - m) ** 2


def best_on_grid(h, a, m, gamma, beta):
    """The least value found on 10000 points, evenly in z and in h(z), and on finer grids around the best of them."""
    even = np.linspace(-1, 1, 5001)
    curve = np.arctanh(np.linspace(-1, 1, 5001)[1:-1]) * 2.5
    best = np.empty(a.size)
    for e in range(a.size):
        grid = np.concatenate([even * (abs(m[e]) + 25), even * 3 + m[e], curve, [m[e]]])
        width = (abs(m[e]) + 25) / 2500
        for _ in range(3):
            z = grid[np.argmin(objective(h, a[e], m[e], grid, gamma, beta))]
            grid = np.append(z + width * np.linspace(-1, 1, 201), z)
            width /= 50
        best[e] = objective(h, a[e], m[e], grid, gamma, beta).min()
    return best


def rounding(h, a, m, z, gamma, beta, eps):
    """What rounding z to eps may cost, and what evaluating the objective in float64 may hide."""
    g, size = gap(h, a, z)
    moved = 4 * eps * abs(z)
    seen = gamma * abs(g) * size + beta * abs(z - m) * (abs(z) + abs(m)) + np.finfo(float).eps * gamma * size**2
    slope = gamma * abs(g) + beta * abs(z - m)  # each term's; at a minimum they cancel
    return (gamma + beta) * moved**2 + 8 * eps * slope * abs(z) + 8 * np.finfo(float).eps * seen


def assert_global(h, a, m, gamma, beta, dtype):
    z, a, m = prox(h, a, m, gamma, beta, dtype)
    found = objective(h, a, m, z, gamma, beta)
    best = best_on_grid(h, a, m, gamma, beta)
    worse = found - best - rounding(h, a, m, z, gamma, beta, np.finfo(dtype).eps)
    e = np.argmax(worse)
    assert worse[e] <= 0, f"a {a[e]!r} m {m[e]!r} z {z[e]!r}: {found[e]} > {best[e]}"


@smooth
@both
@settings(max_examples=40)
@given(seed=seeds, k=ratios, scale_a=scales, scale_m=scales, inside=st.booleans())
def test_prox_is_never_worse_than_a_dense_grid(h, dtype, seed, k, scale_a, scale_m, inside):
    random = np.random.default_rng(seed)
    a, m = scale_a * random.standard_normal(12), scale_m * random.standard_normal(12)
    assert_global(h, targets(h, np.tanh(a) if inside else a), m, *penalties(h, k), dtype)


@smooth
@both
@settings(max_examples=40)
@given(k=st.floats(0.2, 4).map(lambda power: 10.0**power), a=st.floats(-0.9, 10), share=st.floats(0, 1))
@example(k=1.0, a=8.5, share=0.5)
def test_prox_is_global_where_minima_part_meet_and_tie(h, dtype, k, a, share):
    """m from before the fold where the second minimum is born to beyond the one where the first dies, ties included."""
    t = np.concatenate([-1 + np.logspace(-9, -0.2, 300), np.linspace(-0.36, 0, 50)])
    m = np.arctanh(t) - k * (a - t) * (1 - t * t)  # where t is stationary
    turns = np.flatnonzero(np.diff(np.sign(np.diff(m))))
    if len(turns) < 2:
        turns = [0, 200]
    fold = np.sort(m[[turns[0] + 1, turns[1] + 1]])
    near = 10.0 ** -np.arange(1, 14)
    cases = np.concatenate([fold[0] - near, fold[0] + near, fold[1] - near, fold[1] + near])
    cases = np.concatenate([cases, fold[0] + np.linspace(share / 50, 1, 20) * (fold[1] - fold[0]), [ties(a, k, *fold)]])
    m = cases if h == Tanh() else 2 * cases
    assert_global(h, targets(h, np.full(m.size, a)), m, *penalties(h, k), dtype)


def ties(a, k, low, high):
    """m at which the best z jumps, between low and high, by bisecting on a grid."""
    z = np.concatenate([np.linspace(-1, 1, 4001) * 5, np.linspace(low - 1, 5, 2000)])
    values = k * (a - np.tanh(z)) ** 2
    for _ in range(60):
        m = (low + high) / 2
        left = z[np.argmin(values + (z - m) ** 2)] < -0.658  # atanh of -1/sqrt(3): the top of the hump is to its left
        low, high = (m, high) if left else (low, m)
    return (low + high) / 2


@smooth
@settings(max_examples=40)
@given(a=st.floats(-0.99, 10), excess=st.floats(-9, -1))
def test_prox_is_global_where_the_hump_only_just_matters(h, a, excess):
    t = np.linspace(-1, 0, 100001)
    hump = (1 - t * t) * ((3 * t - 2 * a) * t - 1)
    k, t = (1 + 10**excess) / hump.max(), t[np.argmax(hump)]
    m = np.arctanh(t) - k * (a - t) * (1 - t * t) + np.outer([-1, 1], 10.0 ** -np.arange(1, 13)).ravel()
    assert_global(h, targets(h, np.full(m.size, a)), m if h == Tanh() else 2 * m, *penalties(h, k), np.float64)


@smooth
@both
def test_the_case_in_which_plain_newton_cycles(h, dtype):
    m = np.array([-0.04]) if h == Tanh() else np.array([-0.08])
    a = targets(h, np.array([8.5]))
    assert_global(h, a, m, *penalties(h, 1.0), dtype)
    z, _, _ = prox(h, a, m, *penalties(h, 1.0), dtype)
    assert z[0] == pytest.approx(1.45366006 if h == Tanh() else 2.90732012, rel=1e-6)


@smooth
@both
@pytest.mark.parametrize("k", [1e-6, 1.0, 1e6])
def test_saturated_pairs(h, dtype, k):
    """a at and next to the ends of h's range, m so far out that h(m) is rounded to them."""
    a = np.array([-1, 1, *(s * np.nextafter(dtype(1), dtype(e)) for s in (-1, 1) for e in (0, 2)), 0.999, -0.999])
    m = np.array([-40, -19.3, -18.4, -18.2, -9.02, -8.7, -3, 3, 8.7, 9.02, 18.2, 18.4, 19.3, 40.0])
    a, m = (x.ravel() for x in np.meshgrid(a, m))
    assert_global(h, targets(h, a), m if h == Tanh() else 2 * m, *penalties(h, k), dtype)


@smooth
@given(seed=seeds, k=ratios, scale_a=scales, scale_m=scales)
def test_the_result_is_stationary(h, seed, k, scale_a, scale_m):
    random = np.random.default_rng(seed)
    a, m = targets(h, scale_a * random.standard_normal(50)), scale_m * random.standard_normal(50)
    gamma, beta = penalties(h, k)
    z, a, m = prox(h, a, m, gamma, beta)
    slope = np.empty((1, 50), order="F")
    h.derivative(np.asfortranarray(z[None]), slope)
    g, size = gap(h, a, z)
    residual = beta * (z - m) - gamma * g * slope[0]
    terms = beta * (abs(z) + abs(m)) + gamma * slope[0] * (size + abs(g) * abs(z) + abs(z) * slope[0])
    assert (abs(residual) <= 32 * np.finfo(float).eps * terms).all()


@smooth
@given(seed=seeds, k=ratios, scale=scales)
def test_moving_z_does_not_help(h, seed, k, scale):
    random = np.random.default_rng(seed)
    a, m = targets(h, 2 * random.standard_normal(40)), scale * random.standard_normal(40)
    gamma, beta = penalties(h, k)
    z, a, m = prox(h, a, m, gamma, beta)
    found = objective(h, a, m, z, gamma, beta) - rounding(h, a, m, z, gamma, beta, np.finfo(float).eps)
    for step in np.outer([-1, 1], 4.0 ** np.arange(-20, 4)).ravel():
        assert (found <= objective(h, a, m, z + step, gamma, beta)).all()


@both
@given(seed=seeds, k=ratios, scale=scales)
def test_reflected_data_give_the_reflected_result(dtype, seed, k, scale):
    random = np.random.default_rng(seed)
    a, m = 2 * random.standard_normal(100), scale * random.standard_normal(100)
    np.testing.assert_array_equal(prox(Tanh(), a, m, k, 1.0, dtype)[0], -prox(Tanh(), -a, -m, k, 1.0, dtype)[0])
    a = random.integers(-256, 512, 100) / 256  # 1 - a and 2a - 1 are exact
    one, other = prox(Sigmoid(), a, m, k, 1.0, dtype)[0], prox(Sigmoid(), 1 - a, -m, k, 1.0, dtype)[0]
    np.testing.assert_array_equal(one, -other)


@smooth
@given(seed=seeds, k=ratios, scale=scales)
def test_float32_is_the_rounded_result_of_float64(h, seed, k, scale):
    """But where two minima tie to within the tolerance of float32, which random data do not meet."""
    random = np.random.default_rng(seed)
    a = targets(h, 2 * random.standard_normal(100))
    z, a, m = prox(h, a, scale * random.standard_normal(100), *penalties(h, k), np.float32)
    fine, _, _ = prox(h, a, m, *penalties(h, k))
    np.testing.assert_allclose(z, fine, rtol=1e-5, atol=1e-7)


@smooth
def test_entries_before_during_and_after_a_block_agree(h):
    """Blocks of 128 entries run across the samples; the row of ones and the previous z do not matter."""
    random = np.random.default_rng(0)
    a = np.asfortranarray(2 * random.standard_normal((38, 29)))
    m = np.asfortranarray(3 * random.standard_normal((37, 29)))
    z = [h.prox(a, m, 10.0, 1.0, np.full_like(m, before)) for before in (0.0, np.nan)]
    np.testing.assert_array_equal(z[0], z[1])
    for i in range(37):
        np.testing.assert_array_equal(prox(h, a[i], m[i], 10.0, 1.0)[0], z[0][i])


@smooth
@both
@pytest.mark.parametrize("k", [1e-6, 1.0, 1e6])
def test_nan_and_infinity(h, dtype, k):
    inf, nan, top = np.inf, np.nan, float(np.finfo(dtype).max)
    a = np.array([nan, 0.3, nan, nan, 0.3, 0.3, inf, 0.3, 0.3, top, -top])
    m = np.array([0.2, nan, nan, inf, inf, -inf, inf, top, -top, -top, top])
    z, _, m = prox(h, a, m, k, 1.0, dtype)
    np.testing.assert_array_equal(z[:4], nan)
    np.testing.assert_array_equal(z[4:], m[4:])
    z = prox(h, np.array([inf, -inf, top, -top]), np.full(4, 0.5), k, 1.0, dtype)[0]
    assert np.isfinite(z).all()
    assert (np.sign(z) == [1, -1, 1, -1]).all()


@smooth
def test_nan_stays_in_its_entry(h):
    random = np.random.default_rng(1)
    a, m = 2 * random.standard_normal((2, 300))
    clean = prox(h, a, m, 10.0, 1.0)[0]
    a[::7] = np.nan
    z = prox(h, a, m, 10.0, 1.0)[0]
    assert np.isnan(z[::7]).all()
    np.testing.assert_array_equal(np.delete(z, np.s_[::7]), np.delete(clean, np.s_[::7]))


@smooth
def test_gamma_0_keeps_m_and_a_large_gamma_fits_a(h):
    m = np.linspace(-3, 3, 50)
    np.testing.assert_array_equal(prox(h, 0.7 + 0 * m, m, 0.0, 1.0)[0], m)
    np.testing.assert_allclose(plain(h, prox(h, 0.7 + 0 * m, m, 1e12, 1.0)[0]), 0.7, rtol=1e-9)
