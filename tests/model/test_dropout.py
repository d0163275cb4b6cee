"""Dropout: the masks of the kernel are those of the plain formula, random, and belong to the sample."""

import numpy as np
import pytest

from hpcadmm.model.dropout import drop, keys_of, mixed, stays
from hpcadmm.model.sparse import Sparse


def masks(units=200, samples=300, rate=0.3, step=0, layer=1, seed=0, first=0):
    """Which units stay, (units, samples)."""
    a = np.ones((units, samples), order="F")
    return drop(a, units, rate, keys_of(seed, step, np.arange(first, first + samples)), layer) > 0


def test_the_words_are_those_of_splitmix64():
    """The first outputs of the reference implementation for the seed 1234567."""
    golden, state = np.uint64(0x9E3779B97F4A7C15), np.full(3, 1234567, np.uint64)
    words = mixed.py_func(state + np.arange(1, 4, dtype=np.uint64) * golden)
    assert list(words) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("units", [1, 2, 7, 8])
def test_the_kernel_is_the_plain_formula(units, dtype):
    random, samples = np.random.default_rng(0), 50
    a = np.asfortranarray(random.standard_normal((units + 1, samples)), dtype)
    keys, before, which = keys_of(3, 4, np.arange(samples)), a.copy(), np.arange(units)
    drop(a, units, 0.25, keys, 2)
    for j in range(samples):
        kept = stays(which, 0.25, np.repeat(keys[j], units), 2)
        assert (a[:units, j] == np.where(kept, dtype(1 / 0.75) * before[:units, j], 0)).all()
    assert (a[units] == before[units]).all()


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_as_many_units_stay_as_are_told(rate):
    found = masks(rate=rate)
    sigma = np.sqrt(rate * (1 - rate))
    assert abs(found.mean() - (1 - rate)) <= 4 * sigma / np.sqrt(found.size)
    assert (np.abs(found.mean(axis=0) - (1 - rate)) <= 5 * sigma / np.sqrt(len(found))).all()
    assert (np.abs(found.mean(axis=1) - (1 - rate)) <= 5 * sigma / np.sqrt(len(found.T))).all()


@pytest.mark.parametrize("other", [{"step": 1}, {"layer": 2}, {"seed": 1}, {"first": 1}, {"first": 300}])
def test_masks_of_other_steps_layers_seeds_and_samples_are_unrelated(other):
    """Half of the units agree, as those of two coins."""
    assert masks(rate=0.5, **other).mean() != masks(rate=0.5).mean()
    agree = masks(rate=0.5, **other) == masks(rate=0.5)
    assert abs(agree.mean() - 0.5) <= 4 * 0.5 / np.sqrt(agree.size)


def test_units_of_a_sample_are_unrelated():
    """No two rows or columns of the masks are correlated, nor the two halves of a word."""
    found = masks(rate=0.5) - 0.5
    for rows in (found, found.T):
        related = rows @ rows.T / (0.25 * rows.shape[1])
        assert np.abs(related - np.eye(len(rows))).max() < 6 / np.sqrt(rows.shape[1])


def test_a_mask_belongs_to_the_sample_whichever_others_are_drawn():
    whole = masks(samples=20)
    keys = keys_of(0, 0, np.array([17, 3, 11]))
    assert (drop(np.ones((200, 3), order="F"), 200, 0.3, keys, 1) > 0).tolist() == whole[:, [17, 3, 11]].tolist()


def test_sparse_inputs_lose_the_same_entries():
    random = np.random.default_rng(0)
    x = np.asfortranarray(random.standard_normal((8, 40)) * (random.random((8, 40)) < 0.3))
    x[-1] = 1
    rows, starts = np.nonzero(x.T)[1], np.concatenate([[0], np.count_nonzero(x, axis=0).cumsum()])
    keys = keys_of(0, 0, np.arange(40))
    found = Sparse.of(x.T[x.T != 0], rows, starts, 8).dropped(7, 0.4, keys, "bernoulli")
    assert (found.matrix.toarray() == drop(x.copy(order="F"), 7, 0.4, keys, 0)).all()
