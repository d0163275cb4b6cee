"""Steps of mpadmm on a worker's objective: the minimum that each is, and how the penalty c bounds it."""

import numpy as np

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.network import Network
from hpcadmm.model.vector import shaped, spans
from hpcadmm.subproblems.local.mpadmm import DELTA, KEEP, G, LocalMpadmm, sides

SIZES = 23, 9  # samples of two workers


def made(steps=1, weight=1 / 32, c=(0.0, 0.0), eta=0.4, weights=(None, None)):
    """Two workers with batches of all that they have."""
    random, loss = np.random.default_rng(1), LOSSES["cross-entropy"]()
    network = Network((4, 5, 3), ACTIVATIONS["tanh"]())
    X = [np.asfortranarray(np.vstack([random.standard_normal((4, m)), np.ones((1, m))])) for m in SIZES]
    Y = [loss.targets(random.integers(0, 3, m), 3, 3, np.float64) for m in SIZES]
    theta, v = random.standard_normal((2, 2, spans(network)[-1].stop))
    curvature = np.zeros((2, sum(side * side for side in sides(network))))

    def batches(k, n):
        return [(X[n], Y[n], weights[n])] * steps

    problem = network, loss, (X, Y, weights), batches, np.array(c)
    return LocalMpadmm(*problem, curvature=curvature, eta=eta, weight=weight, steps=steps), theta, v


def test_a_step_minimises_its_linearised_problem():
    """-<C, D> + 1/(2 s) <D, Q^-1 D P^-1> with C = -grad F_n: no other D is better, and s is eta here."""
    local, theta, v = made(eta=1e-3, c=(0.7, 1.5))
    start = theta.copy()
    for n in range(2):
        local.solve(slice(n, n + 1), v[n : n + 1], theta)
        C, D = (shaped(x, local.network) for x in (local._g, theta[n] - start[n]))
        whole = [np.tril(M) + np.tril(M, -1).T for M in local.means(n)]
        for l, (A, B) in enumerate(zip(whole[::2], whole[1::2], strict=True), 1):
            P = A + DELTA * np.trace(A) / len(A) * np.eye(len(A))
            tau = np.trace(B) / len(B)
            Q = (B / tau + G * np.eye(len(B))) / (1 + G)
            np.testing.assert_allclose(Q @ D[l] @ P, 1e-3 * C[l], rtol=1e-9, atol=1e-12)


def test_a_and_b_are_running_means_by_worker_weighted_by_the_samples():
    weights = [np.random.default_rng(2).exponential(size=m) for m in SIZES]
    local, theta, v = made(weights=weights, eta=1e-9)
    for k in range(3):
        local.solve(slice(0, 2), v, theta, k)
    for n in range(2):
        A = (weights[n] * local.X[n]) @ local.X[n].T / weights[n].sum()
        np.testing.assert_allclose(np.tril(local.means(n)[0]), np.tril(A), rtol=1e-9)
    before = local.means(0)[0].copy()
    local.X[0][...] *= 2
    local.solve(slice(0, 1), v[:1], theta, 1000)
    np.testing.assert_allclose(local.means(0)[0], (KEEP + 4 * (1 - KEEP)) * before, rtol=1e-6)


def test_the_penalty_alone_brings_a_worker_nearer_to_its_minimum_in_every_step():
    """However large it is, without the loss: theta -> -v / c."""
    for c in (1e-3, 1.0, 1e3):
        local, theta, v = made(weight=0.0, c=(c, c), eta=1e9)
        distance = np.linalg.norm(theta + v / c, axis=1)
        for k in range(5):
            local.solve(slice(0, 2), v, theta, k)
            now = np.linalg.norm(theta + v / c, axis=1)
            assert (now < distance).all()
            distance = now


def test_a_worker_without_samples_in_a_batch_rests():
    local, theta, v = made()
    local.batches = lambda k, n: [(local.X[n][:, :0], local.Y[n][:, :0], None)]
    before = theta.copy()
    local.solve(slice(0, 2), 0 * v, theta)
    assert (theta == before).all()
    assert (local.curvature == 0).all()
