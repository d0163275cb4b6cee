"""Normal noise: the kernel is the plain formula, the numbers are normal enough, and they belong to the sample."""

import numpy as np
import pytest
from scipy.sparse import csc_array

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.dropout import keys_of
from hpcadmm.model.network import Network
from hpcadmm.model.noise import ADDED, DROPOUT, LARGEST, add, normals, shake, spread
from hpcadmm.model.sparse import Sparse

RELU = ACTIVATIONS["relu"]()


def drawn(units=200, samples=300, step=0, layer=1, first=0):
    """The numbers that are added to units, (units, samples)."""
    keys = keys_of(0, step, np.arange(first, first + samples))
    return add(np.zeros((units, samples), order="F"), units, 1.0, keys, layer)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("units", [1, 8])
def test_the_kernels_are_the_plain_formulas(units, dtype):
    samples = 50
    before = np.asfortranarray(np.random.default_rng(0).standard_normal((units + 1, samples)), dtype)
    keys, which = keys_of(3, 4, np.arange(samples)), np.arange(units)
    shaken, noisy = shake(before.copy(order="F"), units, 0.2, keys, 2), add(before.copy(order="F"), units, 0.3, keys, 2)
    for j in range(samples):
        factors = 1 + 0.5 * normals(which, np.repeat(keys[j], units), 2)
        np.testing.assert_allclose(shaken[:units, j], before[:units, j] * factors, atol=1e-6)
        plus = 0.3 * normals(which, np.repeat(keys[j], units), 2 + ADDED)
        np.testing.assert_allclose(noisy[:units, j], before[:units, j] + plus, atol=1e-6)
    assert (shaken[units] == before[units]).all()
    assert (noisy[units] == before[units]).all()


def test_the_numbers_are_normal():
    """Mean, variance, kurtosis (2.85, see the module) and the share within one deviation; no entry is out of bounds."""
    g = drawn(400, 500).ravel()
    root = np.sqrt(g.size)
    assert abs(g.mean()) < 5 / root
    assert abs(g.var() - 1) < 5 * np.sqrt(1.85) / root
    assert (g**4).mean() == pytest.approx(2.85, abs=0.05)
    assert (np.abs(g) < 1).mean() == pytest.approx(0.6827, abs=0.01)
    assert np.abs(g).max() <= LARGEST


@pytest.mark.parametrize("other", [{"step": 1}, {"layer": 2}, {"first": 1}])
def test_numbers_of_other_steps_layers_and_samples_are_unrelated(other):
    assert abs((drawn() * drawn(**other)).mean()) < 5 / np.sqrt(200 * 300)


def test_the_numbers_of_a_layer_that_multiply_and_are_added_are_unrelated():
    keys, ones = keys_of(0, 0, np.arange(300)), np.ones((200, 300), order="F")
    assert abs(((shake(ones, 200, 0.5, keys, 1) - 1) * drawn()).mean()) < 5 / np.sqrt(ones.size)


def test_numbers_belong_to_the_sample_whichever_others_are_drawn():
    keys = keys_of(0, 0, np.array([17, 3, 11]))
    assert (add(np.zeros((200, 3), order="F"), 200, 1.0, keys, 1) == drawn(samples=20)[:, [17, 3, 11]]).all()


def test_sparse_inputs_are_multiplied_by_the_same_factors():
    random = np.random.default_rng(0)
    x = np.asfortranarray(random.standard_normal((8, 40)) * (random.random((8, 40)) < 0.3))
    keys = keys_of(0, 0, np.arange(40))
    found = Sparse(csc_array(x)).dropped(7, 0.4, keys, "gaussian")
    np.testing.assert_allclose(found.matrix.toarray(), shake(x.copy(order="F"), 7, 0.4, keys, 0), atol=1e-14)


@pytest.mark.parametrize("noise", DROPOUT)
def test_no_feature_grows_beyond_the_bound(noise):
    network = Network((1, 1), RELU, dropout=(0.4,), noise=noise, noise_inputs=0.3)
    keys = keys_of(0, 0, np.arange(200_000))
    x = add(DROPOUT[noise](np.full((1, 200_000), 2.0, order="F"), 1, 0.4, keys, 0), 1, 0.3, keys, 0)
    bound = network.grown(np.array([2.0]))
    assert 0.5 * bound < np.abs(x).max() <= bound
    assert Network((1, 1), RELU).grown(np.array([2.0])) == 2
    assert spread(0.0) == 0
