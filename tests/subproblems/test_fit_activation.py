"""The a step: both of its forms are the plain formula, and it cannot be improved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.model.activations import ACTIVATIONS, Relu
from hpcadmm.products.scratch import Scratch
from hpcadmm.subproblems.normal_equations import FitActivation

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 7)
penalties = st.floats(-2, 2).map(lambda power: 10.0**power)
biases = pytest.mark.parametrize("bias", [True, False])
every = pytest.mark.parametrize("name", ACTIVATIONS)


def drawn(seed, units, units_next, samples, bias, dtype=np.float64):
    """W_{l+1} with its bias column, z_l, z_{l+1}."""
    random = np.random.default_rng(seed)
    shapes = [(units_next, units + bias), (units, samples), (units_next, samples)]
    return [np.asfortranarray(random.standard_normal(shape), dtype) for shape in shapes]


def values(h, z):
    return h.value(z, out=np.empty(z.shape, z.dtype, order="F"))


def run(step, z, z_next, h, bias):
    """a, its rows of ones checked."""
    a = np.full((len(z) + bias, z.shape[1]), np.nan, z.dtype, order="F")
    a[len(z) :] = 1
    step(z, z_next, h, Scratch(z.dtype), a)
    assert (a[len(z) :] == 1).all()
    return a[: len(z)]


def plain(W, z, z_next, h, beta, gamma):
    """(beta W^T W + gamma I)^{-1} (beta W^T (z' - b) + gamma h(z)), in float64."""
    W, z, z_next = (np.asfortranarray(x, np.float64) for x in (W, z, z_next))
    n = len(z)
    V, b = W[:, :n], W[:, n:].sum(axis=1, keepdims=True)
    return np.linalg.solve(beta * V.T @ V + gamma * np.eye(n), beta * V.T @ (z_next - b) + gamma * values(h, z))


def other_form(step, units, beta, gamma):
    """The same step by the form that `prepare` did not choose."""
    V = step.W[:, :units]
    if step.G is None:
        G = np.linalg.inv(beta * V.T @ V + gamma * np.eye(units))
        return FitActivation(step.W, np.asfortranarray(G), None, step.shift, beta, gamma)
    P = beta * V.T @ np.linalg.inv(gamma * np.eye(len(V)) + beta * V @ V.T)
    return FitActivation(step.W, None, np.asfortranarray(P), step.shift, beta, gamma)


@every
@biases
@given(seeds, sizes, sizes, penalties, penalties)
def test_both_forms_are_the_plain_formula(name, bias, seed, units, units_next, beta, gamma):
    h = ACTIVATIONS[name]()
    W, z, z_next = drawn(seed, units, units_next, 9, bias)
    step = FitActivation.prepare(W, units, beta, gamma)
    assert (step.G is None) == (units_next < units)
    expected = plain(W, z, z_next, h, beta, gamma)
    np.testing.assert_allclose(run(step, z, z_next, h, bias), expected, rtol=1e-8, atol=1e-8)
    other = run(other_form(step, units, beta, gamma), z, z_next, h, bias)
    np.testing.assert_allclose(other, expected, rtol=1e-8, atol=1e-8)


@every
@biases
@pytest.mark.parametrize("units_next", [3, 50])
def test_float32_is_the_plain_formula_rounded(name, bias, units_next):
    h = ACTIVATIONS[name]()
    W, z, z_next = drawn(0, 20, units_next, 64, bias, np.float32)
    a = run(FitActivation.prepare(W, 20, 1.0, 10.0), z, z_next, h, bias)
    np.testing.assert_allclose(a, plain(W, z, z_next, h, 1.0, 10.0), rtol=1e-4, atol=3e-6)


@every
@biases
@given(seeds, sizes, sizes, penalties, penalties)
def test_cannot_be_improved(name, bias, seed, units, units_next, beta, gamma):
    h = ACTIVATIONS[name]()
    W, z, z_next = drawn(seed, units, units_next, 5, bias)
    a = run(FitActivation.prepare(W, units, beta, gamma), z, z_next, h, bias)

    def objective(x):
        m = W @ np.vstack([x, np.ones((int(bias), 5))])
        return beta * np.sum((z_next - m) ** 2, axis=0) + gamma * np.sum((x - values(h, z)) ** 2, axis=0)

    best, random = objective(a), np.random.default_rng(seed)
    for size in 10.0 ** np.linspace(-6, 1, 30):
        assert (objective(a + size * random.standard_normal(a.shape)) >= best * (1 - 1e-11) - 1e-14).all()


@biases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("units_next", [3, 50])
def test_tiles_with_a_common_scratch_give_what_fresh_ones_do(bias, dtype, units_next):
    W, z, z_next = drawn(1, 20, units_next, 150, bias, dtype)
    step, scratch = FitActivation.prepare(W, 20, 1.0, 10.0), Scratch(dtype)
    a = np.ones((20 + bias, 150), dtype, order="F")
    for t in (slice(0, 64), slice(64, 128), slice(128, 150)):
        step(z[:, t], z_next[:, t], Relu(), scratch, a[:, t])
        alone = run(step, z[:, t], z_next[:, t], Relu(), bias)
        assert (a[:20, t] == alone).all()
    np.testing.assert_allclose(a[:20], plain(W, z, z_next, Relu(), 1.0, 10.0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("units_next", [2, 6])
def test_weights_of_zero_give_the_activation_itself(units_next):
    _, z, z_next = drawn(0, 4, units_next, 7, True)
    step = FitActivation.prepare(np.zeros((units_next, 5), order="F"), 4, 1.0, 10.0)
    np.testing.assert_allclose(run(step, z, z_next, Relu(), True), values(Relu(), z), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("units_next", [3, 6])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e160])
def test_weights_that_are_not_finite_show_in_a(dtype, units_next, bad):
    W, z, z_next = drawn(0, 4, units_next, 7, True)
    with np.errstate(all="ignore"):
        W[1, 2] = bad
        step = FitActivation.prepare(W.astype(dtype, order="F"), 4, 1.0, 10.0)
        z, z_next = (x.astype(dtype, order="F") for x in (z, z_next))
        assert not np.isfinite(run(step, z, z_next, Relu(), True)).all()


@pytest.mark.parametrize("units_next", [3, 6])
@pytest.mark.parametrize("size", [1e6, 1e9, 1e15])
def test_huge_weights_of_rank_one_do_not_fail(units_next, size):
    """beta W W^T + gamma I is then singular to working precision."""
    random = np.random.default_rng(0)
    W = np.asfortranarray(size * np.outer(random.standard_normal(units_next), random.standard_normal(5)))
    _, z, z_next = drawn(0, 4, units_next, 7, True)
    step = FitActivation.prepare(W, 4, 1e3, 1e-3)
    assert np.isfinite(run(step, z, z_next, Relu(), True)).all()
