"""Every registered loss: its prox cannot be improved, its gradient is one, its targets are what it wants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax

from hpcadmm.errors import UsageError
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.losses.base import decide, probabilities

every = pytest.mark.parametrize("loss", [LOSSES[name]() for name in LOSSES], ids=list(LOSSES))
of_classes = pytest.mark.parametrize("loss", [LOSSES[name]() for name in LOSSES if not LOSSES[name].real])
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)
classes = st.integers(2, 5)


def labels_and_targets(loss, count, samples, dtype, random):
    """Labels, outputs and targets of a classification, or of counts for a loss of real targets."""
    if loss.real:
        labels = random.poisson(2.0, (count, samples)).astype(np.float64)
        return labels, count, loss.targets(labels, count, 0, dtype)
    count = 2 if loss.name == "logistic" else count
    labels, outputs = random.integers(0, count, samples), loss.outputs(count)
    return labels, outputs, loss.targets(labels, outputs, count, dtype)


def drawn(random, shape, scale, dtype):
    return np.asfortranarray(random.standard_normal(shape) * scale, dtype)


def prox(loss, m, y, lam, beta):
    kept = [x.copy() for x in (m, y, lam)]
    z = np.full(m.shape, np.nan, m.dtype, order="F")
    assert loss.prox(m, y, lam, beta, z) is z
    assert all((x == old).all() for x, old in zip((m, y, lam), kept, strict=True))
    return z


def assert_cannot_be_improved(loss, m, y, lam, beta, z):
    """Against grids along every axis and random moves of all sizes, sample by sample. All losses are convex."""
    eps = float(np.finfo(m.dtype).eps)
    m, y, lam, z = (np.asarray(x, np.float64) for x in (m, y, lam, z))
    random = np.random.default_rng(0)
    n = len(z)
    ways = np.hstack([np.eye(n), random.standard_normal((n, 2 * n))])
    ways = np.hstack([ways, -ways])
    for j in range(z.shape[1]):
        size = np.max(abs(m[:, j]) + abs(z[:, j]) + 1)
        points = z[:, [j]] + (ways[:, :, None] * (size * 4.0 ** -np.arange(13))).reshape(n, -1)
        grid = np.linspace(-2 * size, 2 * size, 41)
        axes = [np.where(np.arange(n)[:, None] == i, grid, z[:, [j]]) for i in range(n)]

        def objective(x, j=j):
            pull, push = beta * np.sum((x - m[:, j]) ** 2), np.sum(lam[:, j] * x)
            return loss.value(x[:, None], y[:, [j]]) + push + pull, abs(push) + pull

        found, terms = objective(z[:, j])
        best = min(objective(x)[0] for x in np.hstack([points, *axes]).T)
        # rounding of z, by the curvature 2 beta + 2; rounding of the sums of this test
        allowed = (2 + beta) * n * (8 * eps * size) ** 2 + 1e-14 * (
            1 + terms + beta * size**2 + abs(lam[:, j]).sum() * size
        )
        assert found <= best + allowed, (m[:, j], y[:, j], lam[:, j], beta, z[:, j], found, best)


@every
@both
@settings(max_examples=8)
@given(seed=seeds, count=classes, power=st.floats(-2, 3), scale=st.sampled_from([0.1, 1, 30]), push=st.floats(0, 2))
def test_prox_cannot_be_improved(loss, dtype, seed, count, power, scale, push):
    random = np.random.default_rng(seed)
    _, _, y = labels_and_targets(loss, count, 4, dtype, random)
    m, lam = drawn(random, y.shape, scale, dtype), drawn(random, y.shape, push, dtype)
    beta = float(dtype(10.0**power))
    assert_cannot_be_improved(loss, m, y, lam, beta, prox(loss, m, y, lam, beta))


@every
@both
def test_every_sample_is_on_its_own(loss, dtype):
    """The bits of a column do not depend on those beside it: a tile may be cut anywhere."""
    random = np.random.default_rng(0)
    _, _, y = labels_and_targets(loss, 4, 29, dtype, random)
    m, lam = drawn(random, y.shape, 2, dtype), drawn(random, y.shape, 0.2, dtype)
    z = prox(loss, m, y, lam, 0.7)
    for j in range(29):
        one = slice(j, j + 1)
        assert (prox(loss, m[:, one], y[:, one], lam[:, one], 0.7) == z[:, one]).all()


@every
@given(seed=seeds, count=classes, scale=st.sampled_from([0.1, 1.0, 20.0]))
def test_gradient_is_the_slope_of_value(loss, seed, count, scale):
    random = np.random.default_rng(seed)
    _, _, y = labels_and_targets(loss, count, 6, np.float64, random)
    z = drawn(random, y.shape, min(scale, 1.0) if loss.raw else scale, np.float64)
    gradient, step = loss.gradient(z, y), 1e-5
    assert gradient.shape == z.shape
    for i in range(len(z)):
        for j in range(6):
            up, down = (z[:, [j]].copy() for _ in range(2))
            up[i], down[i] = up[i] + step, down[i] - step
            slope = (loss.value(up, y[:, [j]]) - loss.value(down, y[:, [j]])) / (2 * step)
            kinked = abs(loss.gradient(up, y[:, [j]]) - loss.gradient(down, y[:, [j]])).max() > 0.1
            assert kinked or slope == pytest.approx(gradient[i, j], abs=1e-6 * (1 + scale))


@every
@both
def test_prox_of_a_subgradient_stays(loss, dtype):
    """lam = -l'(m): nothing pulls away from m."""
    random = np.random.default_rng(1)
    _, _, y = labels_and_targets(loss, 4, 50, dtype, random)
    m = drawn(random, y.shape, 2, dtype)
    z = prox(loss, m, y, np.asfortranarray(-loss.gradient(m, y)), 3.0)
    np.testing.assert_allclose(z, m, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)


@every
@both
def test_value_is_a_float64_sum_over_the_samples(loss, dtype):
    random = np.random.default_rng(2)
    _, _, y = labels_and_targets(loss, 3, 40, dtype, random)
    z = drawn(random, y.shape, 3, dtype)
    whole = loss.value(z, y)
    assert isinstance(whole, float)
    parts = sum(loss.value(z[:, [j]], y[:, [j]]) for j in range(40))
    assert whole == pytest.approx(parts, rel=1e-6 if dtype == np.float32 else 1e-13)
    assert loss.value(z[:, :0], y[:, :0]) == 0


@of_classes
@both
@pytest.mark.parametrize("count", [2, 3, 10])
def test_targets_are_recognised_by_decide(loss, dtype, count):
    random = np.random.default_rng(3)
    labels, outputs, y = labels_and_targets(loss, count, 30, dtype, random)
    assert y.shape == (outputs, 30)
    assert y.dtype == dtype
    assert y.flags.f_contiguous
    assert (decide(y) == labels).all()


@of_classes
def test_minimising_a_loss_makes_the_right_decision(loss):
    """A prox that hardly holds on to m moves every sample to its own class."""
    random = np.random.default_rng(4)
    for count in (2, 5):
        labels, outputs, y = labels_and_targets(loss, count, 30, np.float64, random)
        m = drawn(random, y.shape, 1, np.float64)
        assert (decide(prox(loss, m, y, np.zeros_like(y, order="F"), 1e-3)) == labels).all()
        assert outputs in (1, count)


@every
def test_a_loss_takes_a_regression_or_says_that_it_needs_classes(loss):
    try:
        outputs, said = loss.outputs(0), ""
    except UsageError as error:
        outputs, said = None, str(error)
    assert outputs == 1 or said == f'loss.name = "{loss.name}" needs class labels'


def test_outputs():
    assert [LOSSES["hinge"]().outputs(c) for c in (2, 3, 10)] == [1, 3, 10]
    assert [LOSSES["squared"]().outputs(c) for c in (0, 2, 3)] == [1, 1, 3]
    assert [LOSSES["cross-entropy"]().outputs(c) for c in (2, 3)] == [2, 3]
    for name in ("hinge", "cross-entropy"):
        for count in (0, 1):
            with pytest.raises(UsageError):
                LOSSES[name]().outputs(count)


def test_regression_targets_are_the_values():
    squared = LOSSES["squared"]()
    one, two = squared.targets(np.arange(3.0), 1, 0, np.float32), squared.targets(np.ones((2, 3)), 2, 0, np.float64)
    assert (one == [[0, 1, 2]]).all()
    assert (one.dtype, two.shape) == (np.float32, (2, 3))


def test_a_tie_is_decided_alike_everywhere():
    assert (decide(np.zeros((3, 2))) == 0).all()
    assert (decide(np.array([[0.0, -1.0, 1.0]])) == [0, 0, 1]).all()


@both
@settings(max_examples=30)
@given(count=st.integers(2, 12), samples=st.integers(0, 9), scale=st.sampled_from([1e-3, 1.0, 50.0, 1e4]), seed=seeds)
def test_cross_entropy_and_its_gradient_are_those_of_scipys_logsumexp_and_softmax(dtype, count, samples, scale, seed):
    random, loss = np.random.default_rng(seed), LOSSES["cross-entropy"]()
    _, outputs, y = labels_and_targets(loss, count, samples, dtype, random)
    z = drawn(random, (outputs, samples), scale, dtype)
    lam = loss.gradient(z, y)
    assert lam.dtype == dtype
    assert lam.flags.f_contiguous
    np.testing.assert_allclose(lam, softmax(z, axis=0) - y, rtol=0, atol=8 * np.finfo(dtype).eps)
    wide = z.astype(np.float64)
    expected = (logsumexp(wide, axis=0) - (wide * y).sum(axis=0)).sum()
    assert loss.value(z, y) == pytest.approx(expected, rel=1e-12, abs=1e-12 * samples * scale)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_cross_entropy_and_its_gradient_show_what_is_not_finite(value):
    loss, z = LOSSES["cross-entropy"](), np.asfortranarray(np.eye(3))
    z[1, 2] = value
    lam = loss.gradient(z, np.asfortranarray(np.eye(3)))
    assert np.isnan(lam[:, 2]).any()
    assert np.isnan(loss.value(z, np.asfortranarray(np.eye(3))))
    assert np.isfinite(lam[:, :2]).all()


@every
@both
def test_the_conjugate_is_the_largest_distance_at_its_gradient(loss, dtype):
    """Fenchel-Young: <g, z> - share l(z) <= l*(g), with equality where g is a gradient at z; 0 is in the domain."""
    random = np.random.default_rng(5)
    _, _, y = labels_and_targets(loss, 3, 40, dtype, random)
    z, other = (drawn(random, y.shape, 1.5, dtype).astype(np.float64) for _ in range(2))
    y, w = y.astype(np.float64), random.uniform(0.5, 2, 40)
    g = loss.share * loss.gradient(z, y)
    for t in (1.0, 0.3, 0.0):
        found = loss.conjugate(t * g, y, w)
        for point in (z, other, 0 * z):
            below = float((w * t * g * point).sum()) - loss.share * loss.value(point, y, w)
            assert below <= found + 1e-9 * (1 + abs(found))
        if t == 1:
            assert found == pytest.approx(
                float((w * g * z).sum()) - loss.share * loss.value(z, y, w), rel=1e-9, abs=1e-9
            )


@every
def test_the_second_derivative_is_the_slope_of_the_gradient(loss):
    random, step = np.random.default_rng(6), 1e-6
    _, _, y = labels_and_targets(loss, 3, 60, np.float64, random)
    z = drawn(random, y.shape, 1.5, np.float64)
    second = loss.second(z, y)
    if second is None:
        assert loss.name in ("hinge", "quantile", "cross-entropy")
        return
    slope = (loss.gradient(z + step, y) - loss.gradient(z - step, y)) / (2 * step)
    np.testing.assert_allclose(second, slope, rtol=1e-5, atol=1e-5)


def test_losses_of_real_targets_and_of_two_classes_say_so():
    for name in ("huber", "quantile", "poisson"):
        with pytest.raises(UsageError, match=f'loss.name = "{name}" needs real targets, and the data have 3 classes'):
            LOSSES[name]().outputs(3)
    with pytest.raises(UsageError, match="needs two classes, not 3: use cross-entropy"):
        LOSSES["logistic"]().outputs(3)
    with pytest.raises(UsageError, match="needs targets >= 0, and one is -1"):
        LOSSES["poisson"]().targets(np.array([2.0, -1.0]), 1, 0, np.float64)


def test_probabilities_of_one_output_are_those_of_two_whose_first_is_0():
    z = np.array([[0.3, -2.0, 40.0]])
    np.testing.assert_allclose(probabilities(z), softmax(np.vstack([0 * z, z]), axis=0), rtol=1e-15)
    assert LOSSES["poisson"]().mean(z)[0, 0] == pytest.approx(np.exp(0.3))
