"""Batch normalisation of a part: mean 0, variance 1, and the derivative of a pass with every kind of noise."""

import numpy as np
import pytest

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.dropout import keys_of
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.network import Network
from hpcadmm.subproblems.batch_norm import EPSILON, BatchNorm
from hpcadmm.subproblems.passes import Passes

LOSS = LOSSES["cross-entropy"]()
NOISES = {"noise": "gaussian", "noise_inputs": 0.3, "noise_units": 0.2, "dropout": (0.2, 0.5, 0.3)}


def posed(samples=9, **training):
    random = np.random.default_rng(1)
    network = Network((4, 6, 5, 3), ACTIVATIONS["leaky-relu"](0.2), norm=True, **training)
    W = [None, *(np.asfortranarray(random.standard_normal(network.shape(l))) for l in (1, 2, 3))]
    x = np.asfortranarray(np.vstack([random.standard_normal((4, samples)), np.ones((1, samples))]))
    y = LOSS.targets(random.integers(0, 3, samples), 3, 3, np.float64)
    return network, W, x, y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_units_have_mean_beta_and_variance_one(dtype):
    random = np.random.default_rng(0)
    z = np.asfortranarray(1000 + 3 * random.standard_normal((5, 40)), dtype)
    before, x, b = z.astype(np.float64), np.zeros_like(z), random.standard_normal(5).astype(dtype)
    norm = BatchNorm(5)
    norm.forward(z, b, x)
    sd = np.sqrt(before.var(axis=1) + EPSILON)
    np.testing.assert_allclose(norm.mean, before.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(x, (before - before.mean(axis=1)[:, None]) / sd[:, None], atol=1e-5)
    np.testing.assert_allclose(z - x, np.repeat(b[:, None], 40, axis=1), atol=1e-5)


@pytest.mark.parametrize(
    "noises", [{}, NOISES, {**NOISES, "noise": "bernoulli"}], ids=["none", "gaussian", "bernoulli"]
)
def test_the_gradient_is_that_of_finite_differences(noises):
    """Of weights and biases, through the means and variances and with the same noise."""
    network, W, x, y = posed(**noises)
    passes, step, keys = Passes(network, LOSS, np.float64), 1e-6, keys_of(0, 0, np.arange(9))
    passes.forward(passes.weights(W), x, keys)
    passes.backward(W, y)
    found = [None, *(passes.gradient(l, np.empty(network.shape(l), order="F")).copy() for l in (1, 2, 3))]
    for l in (1, 2, 3):
        for at in np.ndindex(found[l].shape):
            values, before = [], W[l][at]
            for sign in (1, -1):
                W[l][at] = before + sign * step
                values.append(LOSS.value(passes.forward(passes.weights(W), x, keys), y))
            W[l][at] = before
            assert found[l][at] == pytest.approx((values[0] - values[1]) / (2 * step), abs=3e-6, rel=1e-5), (l, at)


def test_the_scale_of_the_weights_before_a_normalisation_does_not_matter():
    network, W, x, _ = posed(samples=200)
    passes = Passes(network, LOSS, np.float64)
    one = passes.forward(passes.weights(W), x).copy()
    W[1][:, :-1] *= 100
    np.testing.assert_allclose(passes.forward(passes.weights(W), x), one, atol=1e-4)


def test_parts_without_samples_pass_through():
    network, W, x, y = posed(samples=0)
    passes = Passes(network, LOSS, np.float64)
    passes.forward(passes.weights(W), x)
    passes.backward(W, y)
    assert not passes.gradient(1, np.empty(network.shape(1), order="F")).any()
