"""GADMM against least squares, its own theory, and itself on other ranks and graphs."""

from itertools import pairwise

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.solvers import Gadmm
from hpcadmm.solvers.workers.workers import mean
from hpcadmm.testing.problems import posed, started
from hpcadmm.testing.threads import on_ranks
from tests.helpers.decentral import GRAPHS, alone, chain_duals, check_optimum, models, rows, textbook

graphs = pytest.mark.parametrize(("topology", "workers"), GRAPHS, ids=str)


def norm(x):
    return float(np.sqrt(np.square(x).sum()))


def step(s, p, rho, book):
    """The lines of the seed's slide, for a chain: heads, tails, duals; theta and lam as lists by worker."""
    theta, lam = models(s, p), chain_duals(s, p)
    theta = [t.copy() for t in theta]
    N = len(theta)
    for first in (0, 1):
        new = {}
        for n in range(first, N, 2):
            near = [m for m in (n - 1, n + 1) if 0 <= m < N]
            left = book.X[n] @ book.X[n].T + rho * len(near) * np.eye(len(book.X[n]))
            right = book.X[n] @ book.Y[n].T + rho * sum(theta[m] for m in near)
            if n > 0:
                right = right + lam[n - 1]
            if n < N - 1:
                right = right - lam[n]
            new[n] = np.linalg.solve(left, right)
        for n, t in new.items():
            theta[n] = t
    lam = [old + rho * (theta[n] - theta[n + 1]) for n, old in enumerate(lam)]
    return theta, lam


@pytest.mark.parametrize("workers", [2, 3, 4, 7])
def test_an_iteration_is_that_of_the_paper(workers):
    solver = Gadmm(workers=workers, rho=3.0)
    s, p, world = alone(solver)
    book = textbook(p)
    for _ in range(20):
        theta, lam = step(s, p, 3.0, book)
        solver.step(s, p, world)
        np.testing.assert_allclose(models(s, p), theta, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(chain_duals(s, p), lam, rtol=1e-9, atol=1e-10)


def test_one_worker_is_least_squares():
    solver = Gadmm(workers=1)
    s, p, world = alone(solver)
    solver.step(s, p, world)
    book, measured = textbook(p), solver.measure(s, p, world)
    np.testing.assert_allclose(models(s, p)[0], book.best, rtol=1e-9)
    assert measured["objective"] == pytest.approx(book.least, rel=1e-12)
    assert measured["objective_error"] == pytest.approx(0, abs=1e-10)
    assert (measured["payload_bits"], measured["payload_messages"], measured["rounds"]) == (0, 0, 0)


@graphs
def test_residuals_go_to_zero_and_the_models_to_the_optimum(topology, workers):
    check_optimum(Gadmm(workers=workers, topology=topology, rho=5.0), 1500, 1e-7, 1e-6)


def test_the_bounds_of_lemma_1_hold_at_each_iteration_and_v_decreases():
    """(i) and (ii) of the seed's Lemma 1, and its V_k, which converges from above."""
    N, rho = 7, 4.0
    solver = Gadmm(workers=N, rho=rho)
    s, p, world = alone(solver)
    book = textbook(p)
    lam_best, old = book.duals, [t.copy() for t in models(s, p)]
    before = np.inf
    for _ in range(300):
        solver.step(s, p, world)
        theta, lam = models(s, p), chain_duals(s, p)
        gap = book.total(theta) - book.least
        r = [left - right for left, right in pairwise(theta)]
        upper = -sum((l * d).sum() for l, d in zip(lam, r, strict=True))
        for n in range(0, N, 2):
            change = rho * sum(theta[m] - old[m] for m in (n - 1, n + 1) if 0 <= m < N)
            upper += (change * (book.best - theta[n])).sum()
        lower = -sum((l * d).sum() for l, d in zip(lam_best, r, strict=True))
        assert lower - 1e-9 <= gap <= upper + 1e-9
        V = sum(norm(l - b) ** 2 for l, b in zip(lam, lam_best, strict=True)) / rho
        V += rho * sum(norm(theta[m] - book.best) ** 2 for n in range(0, N, 2) for m in (n - 1, n + 1) if 0 <= m < N)
        assert before >= V - 1e-12
        before, old = V, [t.copy() for t in theta]
    assert before < 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_payload_is_every_worker_once_an_iteration_and_only_vectors_that_are_needed_cross_ranks(dtype, size):
    _, measured, sent = rows(size, Gadmm(workers=5), 6, dtype=dtype)
    d, bits = 7 * 2, 8 * np.dtype(dtype).itemsize
    assert measured["payload_bits"] == 6 * 5 * d * bits
    assert measured["payload_bits_per_worker"] == [6 * d * bits] * 5
    assert (measured["payload_messages"], measured["rounds"]) == (30, 12)
    assert sent == 6 * 2 * (size - 1) * d * bits // 8  # one edge of the chain between two ranks, both ways


def test_what_is_measured_is_what_it_is_called():
    solver = Gadmm(workers=5, rho=2.0)
    s, p, world = alone(solver)
    for _ in range(3):
        solver.step(s, p, world)
    old = [t.copy() for t in models(s, p)]
    solver.step(s, p, world)
    book, theta, found = textbook(p), models(s, p), solver.measure(s, p, world)
    middle = sum(theta) / 5
    heads = [norm(2.0 * sum(theta[m] - old[m] for m in (n - 1, n + 1) if 0 <= m < 5)) for n in (0, 2, 4)]
    expected = {
        "objective": book.total(theta),
        "objective_error": abs(book.total(theta) - book.least),
        "mean_error": book.total([middle] * 5) - book.least,
        "primal_residual": norm([left - right for left, right in pairwise(theta)]),
        "dual_residual": norm(heads),
        "consensus_distance": norm([t - middle for t in theta]),
        "scale": norm(theta),
    }
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-9), key
    np.testing.assert_allclose(solver.weights(s, world)[1], middle.T, rtol=1e-12)


def test_cross_entropy_comes_to_the_optimum_of_all_samples():
    """Classes overlap, so that there is one."""
    solver = Gadmm(workers=4, rho=1.0)
    s, p, world = alone(solver, loss="cross-entropy", classes=3, features=2, samples=200)
    assert s.work.optimum.least > 1
    for _ in range(300):
        solver.step(s, p, world)
    found = solver.measure(s, p, world)
    assert found["objective_error"] < 1e-6
    assert 0 <= found["mean_error"] + 1e-9 < 1e-6
    assert found["primal_residual"] < 1e-4
    T = models(s, p)[0]
    S = np.exp(T.T @ p.x)
    gradient = p.x @ (S / S.sum(axis=0) - p.y).T
    assert norm(gradient) < 1e-3


def test_workers_without_samples_follow_their_neighbours():
    solver = Gadmm(workers=5, rho=0.5)
    s, p, world = alone(solver, samples=3, features=2)
    for _ in range(400):
        solver.step(s, p, world)
    assert solver.measure(s, p, world)["objective_error"] < 1e-8


def test_equal_models_are_their_mean_to_the_bit():
    row = np.random.default_rng(0).standard_normal(50)
    assert (mean(np.tile(row, (7, 1))) == row).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"topology": "ring", "workers": 5}, ["solver.topology", "ring of 5", "take 4 or 6"]),
        ({"topology": [[0, 1], [1, 2], [0, 2]], "workers": 3}, ["solver.topology", "0 - ", "not bipartite"]),
        ({"topology": [[0, 1]], "workers": 3}, ["solver.topology", "not connected", "2"]),
        ({"topology": "torus"}, ["torus", "chain, ring, star, grid"]),
    ],
    ids=str,
)
def test_graphs_that_will_not_do_are_refused(options, words):
    with pytest.raises(UsageError) as refused:
        Gadmm(**options).check(1)
    assert all(word in str(refused.value) for word in words)


def test_more_ranks_than_workers_are_refused():
    with pytest.raises(UsageError, match=r"4 ranks, but solver.workers = 3.*start at most 3"):
        Gadmm(workers=3).grid_of(1, 4)


def test_a_rank_may_have_many_workers_or_one():
    solver = Gadmm(workers=7)

    def work(world: World):
        p, world = posed(solver, world, ())
        return len(started(solver, p, world).work.workers.mine)

    assert on_ranks(3, work) == [2, 2, 3]
    assert on_ranks(7, work) == [1] * 7
