"""The prox of cross entropy by its two ways, Newton and the dual root, where each is hard."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import softmax, wrightomega

from hpcadmm.model.losses import CrossEntropy
from hpcadmm.model.losses.softmax_prox import direction, dual_root, newton, objective, softmax_prox, wright_omega

betas = st.floats(-6, 3).map(lambda power: 10.0**power)
sizes = st.sampled_from([0.1, 5.0, 1e3])
pushes = st.sampled_from([0.0, 0.3, 2.0])
many = settings(max_examples=150)


def case(seed, classes, size, push, centred, samples=8):
    """m, y, lam (classes, samples); lam sums to 0 over the classes if `centred`."""
    random = np.random.default_rng(seed)
    m, lam = (random.standard_normal((classes, samples)) * scale for scale in (size, push))
    lam -= lam.mean(axis=0) if centred else 0
    y = np.eye(classes)[:, random.integers(0, classes, samples)]
    return [np.asfortranarray(x) for x in (m, y, lam)]


def error(z, m, y, lam, beta):
    """The gradient relative to its terms, without what rounding z alone costs."""
    pull = 2 * beta * (z - m)
    rounding = 8 * np.finfo(float).eps * (1 + 2 * beta) * (abs(z) + abs(m))
    gradient = softmax(z, axis=0) - y + lam + pull
    return np.max((abs(gradient) - rounding) / np.maximum(1, abs(lam) + abs(pull)))


hard = [
    example(seed=0, classes=10, size=1e3, push=0.3, centred=False, beta=1e-6),
    example(seed=0, classes=10, size=5.0, push=0.3, centred=False, beta=1e-4),
    example(seed=0, classes=10, size=1e3, push=2.0, centred=True, beta=1e3),
    example(seed=0, classes=2, size=0.1, push=0.0, centred=True, beta=1e-6),
]


def difficult(test):
    for one in hard:
        test = one(test)
    cases = {"size": sizes, "push": pushes, "centred": st.booleans(), "beta": betas}
    return many(given(seed=st.integers(0, 2**32 - 1), classes=st.sampled_from([2, 3, 10, 100]), **cases)(test))


@difficult
def test_the_gradient_vanishes(seed, classes, size, push, centred, beta):
    m, y, lam = case(seed, classes, size, push, centred)
    z = CrossEntropy().prox(m, y, lam, beta, np.empty_like(m, order="F"))
    assert error(z, m, y, lam, beta) < 2e-10


@difficult
def test_both_ways_agree(seed, classes, size, push, centred, beta):
    """The dual root always gives the minimiser; Newton gives it or says that it could not."""
    m, y, lam = case(seed, classes, size, push, centred)
    for c, t, v in zip(m.T.copy(), y.T.copy(), lam.T.copy(), strict=True):
        work, by_root, by_newton = np.empty((4, classes)), np.empty(classes), c.copy()
        dual_root(by_root, c, t, v, beta, work)
        assert error(by_root, c, t, v, beta) < 2e-10
        if newton(by_newton, c, t, v, beta, 1e-11, work):
            assert error(by_newton, c, t, v, beta) < 2e-10
            # the curvature is at least 2 beta: the gradient of 1e-10 bounds the distance
            scale = np.maximum(1, abs(v) + 2 * beta * abs(by_root - c)).max()
            assert abs(by_newton - by_root).max() <= 1e-10 * scale / beta + 1e-12 * abs(c).max()


@difficult
def test_float32_gives_the_rounded_minimiser(seed, classes, size, push, centred, beta):
    m, y, lam = (np.asfortranarray(x, np.float32) for x in case(seed, classes, size, push, centred))
    z = CrossEntropy().prox(m, y, lam, beta, np.empty_like(m, order="F"))
    wide = [np.asfortranarray(x, np.float64) for x in (m, y, lam)]
    exact = CrossEntropy().prox(*wide, beta, np.empty(m.shape, order="F"))
    scale = np.maximum(1, abs(wide[2]) + 2 * beta * abs(exact - wide[0])).max()
    assert abs(z - exact).max() <= 1e-6 * abs(exact).max() + 2e-7 * scale / beta


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 10]), st.floats(-2, 2).map(lambda power: 10.0**power))
def test_the_newton_direction_is_that_of_the_whole_hessian(seed, classes, beta):
    m, y, lam = (x[:, 0].copy() for x in case(seed, classes, 3.0, 0.5, False))
    z, (s, g, d) = m + np.random.default_rng(seed).standard_normal(classes), np.empty((3, classes))
    objective(z, m, y, lam, beta, s)
    _, slope = direction(z, m, y, lam, beta, s, g, d)
    np.testing.assert_allclose(s, softmax(z), rtol=1e-12)
    np.testing.assert_allclose(g, softmax(z) - y + lam + 2 * beta * (z - m), rtol=1e-9, atol=1e-12)
    hessian = np.diag(s) - np.outer(s, s) + 2 * beta * np.eye(classes)
    np.testing.assert_allclose(hessian @ d, -g, rtol=1e-9, atol=1e-9)
    assert slope == pytest.approx(g @ d, rel=1e-9)


def test_newton_does_fail_and_the_dual_root_steps_in():
    """Else the fallback would be untested."""
    m, y, lam = case(0, 10, 1e3, 0.3, False, samples=50)
    work = np.empty((4, 10))
    done = [
        newton(c.copy(), c, t, v, 1e-6, 1e-11, work)
        for c, t, v in zip(m.T.copy(), y.T.copy(), lam.T.copy(), strict=True)
    ]
    assert not all(done)


def test_two_classes_against_the_scalar_equation():
    """The sum of z follows from that of the gradient; the difference d is found by bisection."""
    m, y, lam, beta = (1.5, -0.25), (0.0, 1.0), (0.2, -0.4), 0.3

    def slope(d):  # of the objective along z_1 = (s + d) / 2, z_2 = (s - d) / 2
        return 1 / (1 + np.exp(-d)) - 0.5 + (lam[0] - y[0] - lam[1] + y[1]) / 2 + beta * (d - m[0] + m[1])

    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    s = m[0] + m[1] + (y[0] + y[1] - 1 - lam[0] - lam[1]) / (2 * beta)
    z = np.empty((1, 2))
    softmax_prox(*(np.array([x]) for x in (m, y, lam)), beta, 1e-12, z)
    np.testing.assert_allclose(z[0], [(s + low) / 2, (s - low) / 2], rtol=1e-10)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_ends_and_stays_in_its_sample(bad):
    m, y, lam = case(0, 4, 1.0, 0.1, True, samples=3)
    good = CrossEntropy().prox(m, y, lam, 1.0, np.empty_like(m, order="F"))
    m[1, 1] = bad
    z = CrossEntropy().prox(m, y, lam, 1.0, np.empty_like(m, order="F"))
    assert not np.isfinite(z[:, 1]).all()
    assert (z[:, [0, 2]] == good[:, [0, 2]]).all()


@given(st.floats(-200, 1e6))
@example(-40.0)
@example(-1.0)
@example(2.0)
@example(1.0)
@example(0.0)
def test_wright_omega_is_that_of_scipy(x):
    assert wright_omega(x) == pytest.approx(float(wrightomega(x)), rel=4e-15, abs=0)
