"""Every registered activation: its prox cannot be improved, its derivative is one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.model.activations import ACTIVATIONS, LeakyRelu, Relu

EVERY = [*(ACTIVATIONS[name]() for name in ACTIVATIONS), LeakyRelu(0.0), LeakyRelu(0.3), LeakyRelu(0.99)]
every = pytest.mark.parametrize("h", EVERY, ids=repr)
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
penalties = st.floats(-3, 3).map(lambda power: 10.0**power)
seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([1e-3, 1.0, 30.0, 1e3])


def value(h, z):
    """h(z) for an array of any shape, in float64."""
    flat = np.asfortranarray(np.asarray(z, np.float64).reshape(1, -1))
    return h.value(flat, out=np.empty_like(flat, order="F")).reshape(np.shape(z))


def prox(h, a, m, gamma, beta):
    """z, once more checked to leave a and m alone, a with a row of ones as the solver has it."""
    tall = np.asfortranarray(np.vstack([a, np.ones((1, a.shape[1]))]), m.dtype)
    kept = tall.copy(), m.copy()
    z = np.full(m.shape, np.nan, m.dtype, order="F")
    assert h.prox(tall, m, gamma, beta, z) is z
    assert (tall == kept[0]).all()
    assert (m == kept[1]).all()
    return z


def assert_cannot_be_improved(h, a, m, gamma, beta, z):
    """Against a dense grid over all that can matter, and z moved by steps of all sizes."""
    eps = np.finfo(m.dtype).eps
    a, m, z = (np.asarray(x, np.float64)[..., None] for x in (a, m, z))
    wide = 2 * (abs(a) + abs(m)) + 1e-3
    grid = np.linspace(-1, 1, 1601) * wide
    steps = np.outer([-1, 1], 2.0 ** -np.arange(1, 24)).reshape(-1)
    others = np.concatenate([grid, z + steps * wide, m, a, 0 * m], axis=-1)

    def objective(x):
        return gamma * (a - value(h, x)) ** 2 + beta * (x - m) ** 2

    found, best = objective(z)[..., 0], objective(others).min(axis=-1)
    # what rounding of z, and of the comparison of two candidates, may cost
    slip = 8 * eps * (abs(a) + abs(m) + abs(z))[..., 0] * np.sqrt(gamma + beta)
    allowed = 8 * eps * found + slip * np.sqrt(found) + slip**2
    worst = np.unravel_index(np.argmax(found - best - allowed), found.shape)
    assert (found <= best + allowed).all(), f"a {a[worst]} m {m[worst]} z {z[worst]}: {found[worst]} > {best[worst]}"


@every
@both
@given(seed=seeds, gamma=penalties, beta=penalties, scale_a=scales, scale_m=scales)
def test_prox_cannot_be_improved(h, dtype, seed, gamma, beta, scale_a, scale_m):
    random = np.random.default_rng(seed)
    a = np.asfortranarray(random.standard_normal((3, 20)) * scale_a, dtype)
    m = np.asfortranarray(random.standard_normal((3, 20)) * scale_m, dtype)
    assert_cannot_be_improved(h, a, m, gamma, beta, prox(h, a, m, gamma, beta))


@every
@both
@given(seed=seeds, gamma=penalties, beta=penalties)
def test_prox_cannot_be_improved_around_ties_and_kinks(h, dtype, seed, gamma, beta):
    """m < 0 and a > 0 where the minimisers on both sides are equally good, and rounding around that; zeros."""
    random = np.random.default_rng(seed)
    m = -np.abs(random.standard_normal((2, 24)))
    tie = -m * (beta + np.sqrt(beta * beta + gamma * beta)) / gamma  # of ReLU
    a = tie * (1 + random.choice([0, 1e-7, -1e-7, 1e-3, -1e-3], m.shape))
    a, m = (np.asfortranarray(np.where(random.random(m.shape) < 0.1, 0, x), dtype) for x in (a, m))
    assert_cannot_be_improved(h, a, m, gamma, beta, prox(h, a, m, gamma, beta))


@both
def test_relu_at_an_exact_tie_takes_one_of_the_two_minima(dtype):
    """gamma = 3, beta = 1, m = -1: both sides cost 3 at a = 1; (gamma a + beta m) / 4 = 1/2."""
    a, m = np.full((1, 1), 1.0, dtype), np.full((1, 1), -1.0, dtype)
    assert prox(Relu(), a, m, 3.0, 1.0)[0, 0] in (0.5, -1)


def test_relu_is_the_formula_of_the_paper():
    random = np.random.default_rng(0)
    a, m = (np.asfortranarray(3 * random.standard_normal((5, 200))) for _ in range(2))
    gamma, beta = 10.0, 1.7
    right, left = np.maximum((gamma * a + beta * m) / (gamma + beta), 0), np.minimum(m, 0)
    cost = [gamma * (a - np.maximum(z, 0)) ** 2 + beta * (z - m) ** 2 for z in (right, left)]
    np.testing.assert_allclose(prox(Relu(), a, m, gamma, beta), np.where(cost[0] < cost[1], right, left), rtol=1e-14)


@both
@given(seed=seeds, gamma=penalties, beta=penalties)
def test_leaky_relu_of_slope_0_is_relu(dtype, seed, gamma, beta):
    a, m = (np.random.default_rng(seed).standard_normal((2, 3, 50))).astype(dtype)
    a, m = np.asfortranarray(a), np.asfortranarray(m)
    zs = [prox(h, a, m, gamma, beta) for h in (Relu(), LeakyRelu(0.0))]
    assert (zs[0] == zs[1]).all()


@every
@both
def test_prox_of_a_perfect_pair_is_that_pair(h, dtype):
    m = np.asfortranarray(np.random.default_rng(0).standard_normal((4, 30)), dtype)
    a = value(h, m).astype(dtype)
    np.testing.assert_allclose(prox(h, a, m, 10.0, 1.0), m, rtol=1e-5 if dtype == np.float32 else 1e-12)


@every
@both
def test_every_entry_is_on_its_own(h, dtype):
    """The bits of an entry do not depend on those beside it: a tile may be cut anywhere."""
    random = np.random.default_rng(0)
    a, m = (np.asfortranarray(random.standard_normal((5, 37)), dtype) for _ in range(2))
    z = prox(h, a, m, 10.0, 1.0)
    assert all((prox(h, a[:, j : j + 1], m[:, j : j + 1], 10.0, 1.0) == z[:, j : j + 1]).all() for j in range(37))


@every
@both
def test_value_leaves_the_row_of_ones_alone(h, dtype):
    z = np.asfortranarray(np.random.default_rng(0).standard_normal((3, 8)), dtype)
    out = np.ones((4, 8), dtype, order="F")
    h.value(z, out=out)
    assert (out[3] == 1).all()
    np.testing.assert_allclose(out[:3], value(h, z), rtol=1e-6)


@every
@given(seed=seeds, scale=st.sampled_from([0.1, 1.0, 5.0]))
def test_derivative_is_the_slope_of_value(h, seed, scale):
    step = 1e-6
    z = np.asfortranarray(scale * np.random.default_rng(seed).standard_normal((2, 50)))
    z = np.where(abs(z) < 2 * step, 1.0, z)  # away from the kink
    out = np.empty_like(z, order="F")
    slope = (value(h, z + step) - value(h, z - step)) / (2 * step)
    np.testing.assert_allclose(h.derivative(np.asfortranarray(z), out=out), slope, atol=1e-6)


@every
def test_derivative_at_zero_is_that_of_the_left(h):
    out = h.derivative(np.zeros((1, 1), order="F"), out=np.empty((1, 1), order="F"))
    np.testing.assert_allclose(out[0, 0], (value(h, [0.0])[0] - value(h, [-1e-7])[0]) / 1e-7, atol=1e-6)


@every
def test_value_of_nan_is_nan(h):
    z = np.full((1, 1), np.nan, order="F")
    assert np.isnan(h.value(z, out=np.empty((1, 1), order="F"))).all()
