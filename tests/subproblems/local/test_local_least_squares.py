"""A worker's least squares against extended precision: badly scaled, ill-conditioned, rank-deficient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.subproblems.local.least_squares import LocalLeastSquares
from hpcadmm.subproblems.triangle import EPS, penalised_root, shortest_root, triangle
from tests.helpers.extended import Long, least_squares, solved, value

ALL = slice(None)
SCALES = [1.0, 1e4, 1e8, 1e12]
seeds = st.integers(0, 2**32 - 1)
powers = st.lists(st.integers(-60, 60), min_size=4, max_size=4)


def drawn(seed, samples=40, features=4, outputs=2, condition=1.0):
    """X (features, samples) with singular values from 1 to 1 / condition, Y (outputs, samples) with noise."""
    random = np.random.default_rng(seed)
    U = np.linalg.qr(random.standard_normal((samples + features, features)))[0]
    V = np.linalg.qr(random.standard_normal((features, features)))[0]
    X = V @ (np.geomspace(1, 1 / condition, features)[:, None] * U.T)
    X = X[:, :samples]
    return X, random.standard_normal((outputs, features)) @ X + 0.1 * random.standard_normal((outputs, samples))


def minimiser(X, Y, c=0.0, v=None):
    """Of one worker, (features, outputs)."""
    local, d = LocalLeastSquares([X], [Y], np.array([c])), len(X) * len(Y)
    theta = np.zeros((1, d))
    local.solve(ALL, np.zeros((1, d)) if v is None else v.reshape(1, d), theta)
    return theta.reshape(len(X), len(Y))


@given(seeds, powers, st.integers(4, 60))
def test_other_units_of_a_feature_are_other_units_of_its_weight_to_the_bit(seed, powers, samples):
    X, Y = drawn(seed, samples)
    units = 2.0 ** np.array(powers)[:, None]
    found, expected = minimiser(X * units, Y), minimiser(X, Y) / units
    assert (found == expected).all()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("condition", [1.0, 1e4, 1e8])
def test_least_squares_is_that_of_extended_precision(condition, scale):
    for seed in range(5):
        X, Y = drawn(seed, 300, condition=condition)
        X[0] *= scale
        best, found = least_squares(X, Y), minimiser(X, Y)
        units = np.array([[scale], [1], [1], [1]])
        error = np.abs(units * (found - best)).max() / np.abs(units * best).max()
        assert error <= 100 * EPS * condition**2 / 1e2 ** (condition > 1)
        assert value(X, Y, found) <= value(X, Y, best) * (1 + 1e-12)


@pytest.mark.parametrize("how", ["twice", "zero", "few", "sum", "all zero", "none"])
@pytest.mark.parametrize("power", [0, 30, -30])
def test_of_several_minimisers_it_is_the_shortest_as_of_lstsq(how, power):
    X, Y = drawn(1, {"few": 3, "none": 0}.get(how, 50))
    if how == "twice":
        X[3] = X[0]
    elif how == "sum":
        X[3] = X[0] - 2 * X[1] + X[2]
    elif "zero" in how:
        X[ALL if how == "all zero" else 2] = 0
    X = X * 2.0**power
    best = np.linalg.lstsq(X.T, Y.T, rcond=None)[0] if how != "none" else np.zeros((4, 2))
    np.testing.assert_allclose(minimiser(X, Y), best, rtol=1e-9, atol=1e-12 * 2.0**-power)


@pytest.mark.parametrize("scale", SCALES)
def test_a_column_that_is_another_in_other_units_shares_its_weight_and_nothing_else_is_cut(scale):
    """The shortest solution of a (t_0 + scale t_1) = a t is t (1, scale) / (1 + scale^2)."""
    X, Y = drawn(2, 50)
    single = least_squares(X[[0, 2, 3]], Y)
    X[1] = scale * X[0]
    found = minimiser(X, Y)
    np.testing.assert_allclose(found[2:], single[1:].astype(float), rtol=1e-9)
    expected = np.outer([1, scale], single[0] / (1 + Long(scale) ** 2))
    np.testing.assert_allclose(found[0], expected[0].astype(float), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found[1], expected[1].astype(float), rtol=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("c", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("how", ["full", "zero", "few"])
def test_a_penalty_is_never_cut_however_small_against_a_feature(how, c, scale):
    X, Y = drawn(3, 2 if how == "few" else 200)
    X[0] *= scale
    if how == "zero":
        X[2] = 0
    v = np.random.default_rng(4).standard_normal((4, 2)) * np.array([[scale], [1], [1], [1]])
    expected = least_squares(X, Y, c) - solved(X, c, v)
    units = np.array([[scale], [1], [1], [1]])
    close = 1e-9 if how == "full" or scale <= 1e4 else 1e-4  # few samples: digits of X_1..3 are lost to X_0's rounding
    size = np.abs(units * expected).max()
    np.testing.assert_allclose(
        (units * minimiser(X, Y, c, v)).astype(Long), units * expected, rtol=close, atol=close * float(size)
    )


def test_the_roots_are_those_of_the_inverses():
    X, Y = drawn(5)
    T = triangle(X, Y)
    for c, (B, _) in ((0.0, shortest_root(T, 4, 40)), (0.3, penalised_root(T, 4, 0.3))):
        np.testing.assert_allclose(B @ B.T @ (X @ X.T + c * np.eye(4)), np.eye(4), atol=1e-12)


@pytest.mark.parametrize("samples", [0, 1, 5, 1023, 1024, 2500])
def test_a_triangle_is_all_that_least_squares_needs_of_the_samples(samples):
    X, Y = (rows := np.random.default_rng(6).standard_normal((7, samples)))[:5], rows[5:]
    T = triangle(X, Y)
    assert (np.tril(T, -1) == 0).all()
    np.testing.assert_allclose(T.T @ T, rows @ rows.T, atol=1e-12 * (1 + samples))


def test_values_and_their_differences_are_those_of_extended_precision():
    """The difference is right even if the values agree in all digits."""
    X, Y = drawn(7, 300)
    Y = Y + 1e3
    best = minimiser(X, Y)
    local = LocalLeastSquares([X], [Y], np.array([1.0]))
    for size in (1.0, 1e-3, 1e-6):
        theta = best + size * np.random.default_rng(8).standard_normal(best.shape)
        assert local.values(theta.reshape(1, -1))[0] == pytest.approx(float(value(X, Y, theta)), rel=1e-13)
        moved, residual = (theta - best).T.astype(Long) @ X, best.T.astype(Long) @ X - Y
        exact = (moved * (moved / 2 + residual)).sum()
        assert local.above(theta.reshape(1, -1), best)[0] == pytest.approx(float(exact), rel=1e-9, abs=1e-9 * size)
