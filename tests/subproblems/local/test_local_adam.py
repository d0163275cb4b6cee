"""Steps of Adam on a worker's objective: the kernel against the formula, the gradient against finite differences."""

import numpy as np
import pytest

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.network import Network
from hpcadmm.model.vector import flat, shaped, spans
from hpcadmm.subproblems.local.adam import BLOCK, LocalAdam, adam

SIZES = 23, 9  # samples of two workers


def plain(theta, g, v, first, second, weight, c, new1, new2, rate, epsilon):
    """The same step with arrays."""
    g = weight * g + v + c * theta
    first = first + new1 * (g - first)
    second = second + new2 * (g * g - second)
    return theta - rate * first / (np.sqrt(second) + epsilon), first, second


def made(loss="cross-entropy", hidden=(5,), steps=3, dtype=np.float64, **options):
    """Two workers with batches of all that they have."""
    random = np.random.default_rng(1)
    network, chosen = Network((4, *hidden, 3), ACTIVATIONS["tanh"]()), LOSSES[loss]()
    X = [np.asfortranarray(np.vstack([random.standard_normal((4, m)), np.ones((1, m))]), dtype) for m in SIZES]
    Y = [chosen.targets(random.integers(0, 3, m), 3, 3, dtype) for m in SIZES]
    d = spans(network)[-1].stop
    theta, v = random.standard_normal((2, 2, d)).astype(dtype)

    def batches(k, n):
        return [(X[n], Y[n], None)] * steps

    settings = {"weight": 0.3, "steps": steps, "rate": 0.01, **options}
    moments, c = np.zeros((2, 2, d), dtype), np.array([0.7, 1.5])
    problem = network, chosen, (X, Y, [None] * 2), batches, c
    return LocalAdam(*problem, moments=moments, **settings), theta, v


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, BLOCK, 2 * BLOCK + 77])
def test_the_kernel_is_the_plain_formula(dtype, d):
    theta, g, v, first, second = np.random.default_rng(0).standard_normal((5, d)).astype(dtype)
    second = np.abs(second)
    scalars = [dtype(x) for x in (0.3, 1.7, 0.1, 0.001, 0.05, 1e-3)]
    expected = plain(theta, g, v, first, second, *scalars)
    adam(theta, g, v, first, second, *scalars)
    for found, value in zip((theta, first, second), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=20 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)


def test_a_vector_is_the_layers_by_columns_one_after_the_other_and_its_views_write_to_it():
    network = Network((2, 3, 1), ACTIVATIONS["relu"]())
    W = [None, np.arange(9.0).reshape(3, 3), 10 + np.arange(4.0).reshape(1, 4)]
    theta = flat(W)
    assert theta.tolist() == [0, 3, 6, 1, 4, 7, 2, 5, 8, 10, 11, 12, 13]
    views = shaped(theta, network)
    assert views[0] is None
    assert all((view == w).all() for view, w in zip(views[1:], W[1:], strict=True))
    views[2][0, 3] = -1
    assert theta[-1] == -1
    assert spans(network) == [slice(0, 9), slice(9, 13)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [(), (5,), (4, 3)], ids=str)
def test_a_step_goes_along_the_gradient_of_the_objective(loss, hidden):
    """After the first step the moments are a tenth of the gradient of F_n and a thousandth of its square."""
    local, theta, v = made(loss, hidden, steps=1)
    start, step = theta.copy(), 1e-6

    def F(moved):
        return local.values(moved) + (v * moved).sum(axis=1) + local.c / 2 * (moved * moved).sum(axis=1)

    gradient = np.empty_like(theta)
    for i in range(theta.shape[1]):
        to = [start.copy() for _ in range(2)]
        to[0][:, i] += step
        to[1][:, i] -= step
        gradient[:, i] = (F(to[0]) - F(to[1])) / (2 * step)
    local.solve(slice(0, 2), v, theta)
    np.testing.assert_allclose(10 * local.moments[:, 0], gradient, atol=1e-6)
    np.testing.assert_allclose(1000 * local.moments[:, 1], gradient**2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(theta - start, -0.01 * np.sign(gradient), rtol=1e-4)


def test_steps_go_on_from_iteration_to_iteration_as_the_textbook_says():
    """With its corrections of both moments, of the same step count for all workers."""
    local, theta, v = made(steps=3)
    expected, m, s, t = theta.copy(), 0.0, 0.0, 0
    for k in range(4):
        for some in (slice(1, 2), slice(0, 1)):
            local.solve(some, v[some], theta, k)
        for _ in range(3):
            t += 1
            g = np.empty_like(expected)
            for n in range(2):
                weight = local.gradient(n, shaped(expected[n], local.network), local.X[n], local.Y[n])
                g[n] = weight * local._g + v[n] + local.c[n] * expected[n]
            m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
            expected = expected - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(theta, expected, rtol=1e-10, atol=1e-10)


def test_a_minibatch_stands_for_all_samples_and_none_for_nothing():
    local, theta, _ = made()
    X, Y, W = local.X[0], local.Y[0], shaped(theta[0], local.network)
    whole = local.gradient(0, W, X, Y) * local._g.copy()
    parts = []
    for t in (slice(0, 10), slice(10, 23), slice(0, 0)):
        weight = local.gradient(0, W, X[:, t], Y[:, t])
        parts.append(weight * local._g.copy())
    np.testing.assert_allclose((10 * parts[0] + 13 * parts[1]) / 23, whole, rtol=1e-12, atol=1e-12)
    assert (parts[2] == 0).all()


def test_values_are_those_of_all_samples_in_chunks(monkeypatch):
    local, theta, _ = made()
    whole = local.values(theta)
    expected = [
        0.3 * local.loss.value(local.network.forward(shaped(theta[n], local.network), local.X[n]), local.Y[n])
        for n in range(2)
    ]
    np.testing.assert_allclose(whole, expected, rtol=1e-14)
    monkeypatch.setattr("hpcadmm.subproblems.local.network.CHUNK", 4)
    np.testing.assert_allclose(local.values(theta), expected, rtol=1e-14)
