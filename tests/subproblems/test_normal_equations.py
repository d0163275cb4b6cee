"""The W step: the gradient of its regularised least squares vanishes, and no input makes it fail or hang."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.subproblems.normal_equations import cholesky, factorise, fit_weights
from tests.helpers.extended import least_squares

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)
biases = pytest.mark.parametrize("bias", [True, False])


def drawn(seed, rows, n, samples, bias):
    """z (rows, samples) and a (n + ones, samples)."""
    random = np.random.default_rng(seed)
    a = np.vstack([random.standard_normal((n, samples)) + 0.5, np.ones((int(bias), samples))])
    return random.standard_normal((rows, samples)), a


def fit(z, a, ridge=0.0, decay=0.0, bias=True, dtype=np.float64):
    return fit_weights(z @ a.T, factorise(a @ a.T, ridge, decay, bias), np.empty((len(z), len(a)), dtype, order="F"))


def mean_square(a, bias):
    features = a[:-1] if bias else a
    return np.sum(features**2) / len(features)


@biases
@given(seeds, sizes, sizes, st.floats(0, 10), st.floats(0, 10))
def test_the_gradient_vanishes_and_the_bias_is_not_penalised(bias, seed, rows, n, ridge, decay):
    z, a = drawn(seed, rows, n, 30, bias)
    W = fit(z, a, ridge, decay, bias)
    penalty = np.full(len(a), ridge * mean_square(a, bias) + decay)
    if bias:
        penalty[-1] = 0
    gradient = (W @ a - z) @ a.T + W * penalty
    np.testing.assert_allclose(gradient, 0, atol=1e-9 * (1 + penalty.max()))


@biases
@given(seeds, sizes, st.floats(0, 3), st.floats(0, 3))
def test_cannot_be_improved(bias, seed, n, ridge, decay):
    z, a = drawn(seed, 2, n, 20, bias)
    W, penalty = fit(z, a, ridge, decay, bias), ridge * mean_square(a, bias) + decay

    def objective(V):
        return np.sum((z - V @ a) ** 2) + penalty * np.sum(V[:, :n] ** 2)

    moves = np.random.default_rng(seed).standard_normal((40, *W.shape)) * 10.0 ** np.linspace(-6, 1, 40)[:, None, None]
    assert min(objective(W + move) for move in moves) >= objective(W) * (1 - 1e-12)


@biases
@given(seeds, st.sampled_from([1e-6, 1.0, 1e5]))
def test_the_ridge_is_relative(bias, seed, scale):
    """In other units of the features the fit is the same; this is not true of decay."""
    z, a = drawn(seed, 3, 4, 40, bias)
    other = a.copy()
    other[:4] *= scale
    np.testing.assert_allclose(fit(z, other, 0.1, 0, bias) @ other, fit(z, a, 0.1, 0, bias) @ a, rtol=1e-6, atol=1e-9)


@given(seeds)
def test_without_penalty_it_is_least_squares(seed):
    z, a = drawn(seed, 3, 4, 30, True)
    np.testing.assert_allclose(fit(z, a), np.linalg.lstsq(a.T, z.T)[0].T, atol=1e-9)


@biases
@given(seeds, st.lists(st.integers(-60, 60), min_size=4, max_size=4), st.booleans())
def test_without_penalty_other_units_of_a_feature_are_other_units_of_its_weights_to_the_bit(bias, seed, powers, tie):
    """Also where the products are singular, so that a ridge is needed."""
    z, a = drawn(seed, 3, 4, 30, bias)
    if tie:
        a[2] = a[0] - a[1]
    units = np.append(2.0 ** np.array(powers), [1.0] * bias)
    assert (fit(z, a * units[:, None], bias=bias) == fit(z, a, bias=bias) / units).all()


@pytest.mark.parametrize("scale", [1e4, 1e8, 1e12])
@pytest.mark.parametrize("decay", [0.0, 1e-3])
def test_a_feature_in_other_units_costs_the_others_nothing(decay, scale):
    """With a decay too: it is negligible for the large feature and unchanged for the others."""
    z, a = drawn(1, 3, 4, 200, True)
    a[0] *= scale
    penalty = np.sqrt(np.longdouble(decay)) * np.eye(4, 5)
    best = least_squares(np.hstack([a, penalty.T]), np.hstack([z, np.zeros((3, 4))])).T
    np.testing.assert_allclose(fit(z, a, 0.0, decay), best.astype(float), rtol=1e-11)


def test_a_huge_ridge_leaves_the_bias_the_mean():
    z, a = drawn(0, 3, 4, 30, True)
    W = fit(z, a, ridge=1e9)
    np.testing.assert_allclose(W[:, :-1], 0, atol=1e-8)
    np.testing.assert_allclose(W[:, -1], z.mean(axis=1), rtol=1e-6)


@biases
@given(seeds, st.sampled_from(["zero", "constant", "twice", "few", "all zero"]))
def test_singular_products_fit_as_well_as_the_pseudo_inverse(bias, seed, how):
    z, a = drawn(seed, 2, 6, 4 if how == "few" else 30, bias)
    if how == "twice":
        a[1] = a[0]
    elif how != "few":
        a[0 if how != "all zero" else slice(0, 6)] = 3.0 if how == "constant" else 0.0
    W = fit(z, a, bias=bias)
    assert np.isfinite(W).all()
    best = np.linalg.lstsq(a.T, z.T)[0].T
    assert np.sum((z - W @ a) ** 2) <= np.sum((z - best @ a) ** 2) + 1e-6 * np.sum(z**2)


@given(seeds, st.sampled_from([1e-30, 1e-8, 1e8, 1e30]))
def test_ill_scaled_features_do_not_fail(seed, scale):
    z, a = drawn(seed, 2, 5, 30, True)
    a[0] *= scale
    W = fit(z, a, ridge=0.0)
    assert np.isfinite(W).all()
    assert np.sum((z - W @ a) ** 2) <= np.sum(z**2)


@biases
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_what_is_not_finite_shows_in_the_weights(bias, bad, ridge):
    z, a = drawn(0, 2, 4, 20, bias)
    a[1, 3] = bad
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(fit(z, a, ridge, bias=bias)).all()
        a[1, 3], z[1, 3] = 1.0, bad
        W = fit(z, a, ridge, bias=bias)
    assert not np.isfinite(W[1]).any()
    assert np.isfinite(W[0]).all()


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((3, 3)),
        -np.eye(3),
        np.full((3, 3), np.nan),
        np.diag([1.0, np.inf, 1.0]),
        np.diag([1.0, 1.0, 0.0]),
        np.full((3, 3), 1e300),
        np.full((3, 3), 1e-320),
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [0, 2, 3])
def test_the_factorisation_always_ends(matrix, n):
    """Even for matrices that no sum of squares gives, and if the entry that needs a ridge gets none."""
    factor, lower = cholesky(matrix, n)
    assert lower
    assert factor.shape == (3, 3)


def test_the_working_precision_of_the_weights_is_the_network_s():
    z, a = drawn(0, 3, 4, 30, True)
    assert (fit(z, a, dtype=np.float32) == fit(z, a).astype(np.float32)).all()
