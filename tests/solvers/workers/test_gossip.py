"""Decentralized gradient methods against their papers' lines, the optimum, gradient descent, and what they send."""

import numpy as np
import pytest

from hpcadmm.errors import UsageError
from hpcadmm.model.graph import Graph
from hpcadmm.solvers import Diging, DPsgd, Extra, Gadmm, Gd
from hpcadmm.testing.problems import started
from tests.helpers.decentral import EDGES, alone, models, network, rows, textbook

SOLVERS = [DPsgd, Diging, Extra]
EXACT = [Diging, Extra]
GRAPHS = [("chain", 6), ("ring", 5), ("star", 5), ("grid", 6), ("complete", 4), (EDGES, 7), ("chain", 2)]
graphs = pytest.mark.parametrize(("topology", "workers"), GRAPHS)
every = pytest.mark.parametrize("cls", SOLVERS)
exact = pytest.mark.parametrize("cls", EXACT)


def mixing(topology, workers):
    """The Metropolis weights as a matrix."""
    graph, W = Graph.named(topology, workers, bipartite=False), np.zeros((workers, workers))
    for i, j in graph.edges:
        W[i, j] = W[j, i] = 1 / (1 + max(graph.degree(i), graph.degree(j)))
    return W + np.diag(1 - W.sum(axis=1))


def gradient(book, p):
    """Of the mean loss, N/m times that of each worker: a function of the models (N, features, outputs)."""
    factor = len(book.X) / p.tiles.n
    return lambda x: factor * np.array([book.gradient(n, T) for n, T in enumerate(x)])


def papers(cls, W, g, rate, x, steps):
    """The iterates x_1, x_2, ... as the papers write them, with two iterates or with y of the new gradients."""
    mix = lambda v: np.tensordot(W, v, axes=1)  # noqa: E731
    old, y = x, g(x)
    x = mix(x) - rate * y
    yield x
    for _ in range(steps - 1):
        if cls is DPsgd:
            x = mix(x) - rate * g(x)
        elif cls is Extra:
            x, old = x + mix(x) - (old + mix(old)) / 2 - rate * (g(x) - g(old)), x
        else:
            y = mix(y) + g(x) - g(old)
            x, old = mix(x) - rate * y, x
        yield x


@every
@graphs
def test_an_iteration_is_that_of_the_paper(cls, topology, workers):
    solver = cls(workers=workers, topology=topology, rate=0.05)
    s, p, world = alone(solver)
    g = gradient(textbook(p), p)
    for x in papers(cls, mixing(topology, workers), g, 0.05, np.array(models(s, p)), 12):
        solver.step(s, p, world)
        np.testing.assert_allclose(models(s, p), x, rtol=1e-9, atol=1e-12)


@exact
@graphs
def test_a_constant_rate_comes_to_least_squares(cls, topology, workers):
    solver = cls(workers=workers, topology=topology, rate=0.1)
    s, p, world = alone(solver)
    for _ in range(500):
        solver.step(s, p, world)
    found = solver.measure(s, p, world)
    np.testing.assert_allclose(models(s, p), [textbook(p).best] * workers, atol=1e-4)
    assert max(found[key] for key in ("primal_residual", "objective_error", "mean_error", "consensus_distance")) < 1e-4


@exact
def test_a_constant_rate_comes_to_the_optimum_of_the_cross_entropy(cls):
    solver = cls(workers=4, topology="ring", rate=2.0)
    s, p, world = alone(solver, loss="cross-entropy", classes=3, samples=600)
    for _ in range(800):
        solver.step(s, p, world)
    found = solver.measure(s, p, world)
    assert max(found["objective_error"], found["mean_error"]) < 1e-4 * s.work.optimum.beginning


def test_dpsgd_ends_at_a_distance_that_shrinks_with_the_rate():
    distances = []
    for rate in (0.1, 0.05, 0.025):
        solver = DPsgd(workers=5, rate=rate)
        s, p, world = alone(solver)
        for _ in range(800):
            solver.step(s, p, world)
        distances.append(np.linalg.norm(np.array(models(s, p)) - textbook(p).best))
    assert distances[2] > 1e-2
    assert 1.5 < distances[0] / distances[1] < 2.2
    assert 1.5 < distances[1] / distances[2] < 2.2


@pytest.mark.parametrize("batch", [0, 7])
@every
def test_one_worker_is_gradient_descent_and_sends_nothing(cls, batch):
    one = cls(workers=1, rate=0.05, batch=batch and 1000)
    s, p, world = alone(one)
    gd, other = Gd(workers=1, rate=0.05), started(Gd(workers=1, rate=0.05), p, world)
    for _ in range(20):
        one.step(s, p, world)
        gd.step(other, p, world)
    np.testing.assert_allclose(one.weights(s, world)[1], other.W[1], rtol=1e-12)
    found = one.measure(s, p, world)
    assert (found["payload_bits"], found["rounds"], found["payload_messages"]) == (0, 0, 0)


@pytest.mark.parametrize("batch", [0, 7])
@pytest.mark.parametrize("topology", ["chain", "star"])
def test_the_mean_of_the_trackers_is_the_mean_gradient_and_corrections_sum_to_zero(topology, batch):
    for cls in EXACT:
        solver = cls(workers=5, topology=topology, rate=0.1, batch=batch)
        s, p, world = network(solver)
        for _ in range(30):
            solver.step(s, p, world)
            if cls is Diging:
                np.testing.assert_allclose(np.mean(s.y, axis=0), np.mean(s.g, axis=0), atol=1e-14)
            else:
                np.testing.assert_allclose(np.sum(s.c, axis=0), 0, atol=1e-14)
        assert np.ptp(s.theta.rows, axis=0).max() > 1e-3  # the workers differ


def test_where_the_correction_is_the_step_nothing_moves_and_that_is_the_optimum():
    solver = Extra(workers=5, rate=0.05)
    s, p, world = alone(solver)
    book = textbook(p)
    best = book.best.reshape(-1)
    s.theta.rows[...] = best
    s.c.rows[...] = 0.05 * s.work.gradients(s.theta.rows, p, 0)
    np.testing.assert_allclose(s.c.rows.sum(axis=0), 0, atol=1e-12)
    for _ in range(50):
        solver.step(s, p, world)
    np.testing.assert_allclose(s.theta.rows, [best] * 5, atol=1e-12)


def test_minibatches_of_an_epoch_sum_to_the_gradient():
    solver = DPsgd(workers=3, batch=10)
    s, p, _ = network(solver)
    work, theta, samples = s.work, s.theta.rows, s.work.samples
    steps = samples.batches.batches.count
    assert steps == 5  # 150 samples, 10 of each of 3 workers
    each = [work.gradients(theta, p, k) for k in range(steps)]
    samples.batches = None
    np.testing.assert_allclose(np.mean(each, axis=0), work.gradients(theta, p, 0), atol=1e-12)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [2, 5])
def test_a_message_is_every_worker_s_vectors_once_an_iteration(cls, dtype, size):
    _, measured, sent = rows(size, cls(workers=5), 6, dtype=dtype)
    bits = 7 * 2 * cls.vectors * 8 * np.dtype(dtype).itemsize
    assert measured["payload_bits_per_worker"] == [6 * bits] * 5
    assert measured["payload_bits"] == 30 * bits
    assert (measured["payload_messages"], measured["rounds"]) == (30, 6)
    assert sent == 6 * 2 * (size - 1) * bits // 8  # one edge of the chain between two ranks, both ways


@every
def test_a_graph_must_be_connected_but_not_bipartite(cls):
    cls(workers=5, topology="ring").check(1)
    with pytest.raises(UsageError, match=r"solver\.topology: not connected"):
        cls(workers=4, topology=[[0, 1], [2, 3]]).check(1)
    with pytest.raises(UsageError, match=r"solver\.topology: unknown topology 'complete'"):
        Gadmm(workers=4, topology="complete").check(1)
