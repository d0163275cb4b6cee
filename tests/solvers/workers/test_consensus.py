"""Consensus ADMM against the lines of the seed, least squares, gadmm's optimum, and itself on other ranks."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.solvers import Consensus, Gadmm
from hpcadmm.testing.problems import posed, started, stepped
from hpcadmm.testing.threads import on_ranks
from tests.helpers.decentral import alone, check_optimum, models, textbook
from tests.helpers.seen import check_uploads_and_broadcasts, seen

REGRESSION = {"loss": "squared", "classes": 0, "hidden": ()}


def norm(x):
    return float(np.sqrt(np.square(x).sum()))


def duals(s, p):
    return [lam.reshape(p.network.shape(1)[::-1]) for lam in s.lam]


def at_worker(book, n, lam, Theta, rho):
    """argmin f_n + <lam, theta - Theta> + rho/2 |theta - Theta|^2."""
    left = book.X[n] @ book.X[n].T + rho * np.eye(len(Theta))
    return np.linalg.solve(left, book.X[n] @ book.Y[n].T - lam + rho * Theta)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_an_iteration_is_that_of_the_seed(workers):
    rho, solver = 3.0, Consensus(workers=workers, rho=3.0)
    s, p, world = alone(solver)
    book = textbook(p)
    Theta, lam = np.zeros_like(book.best), [np.zeros_like(book.best)] * workers
    for _ in range(20):
        theta = [at_worker(book, n, lam[n], Theta, rho) for n in range(workers)]
        Theta = sum(t + old / rho for t, old in zip(theta, lam, strict=True)) / workers
        lam = [old + rho * (t - Theta) for t, old in zip(theta, lam, strict=True)]
        solver.step(s, p, world)
        np.testing.assert_allclose(models(s, p), theta, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(duals(s, p), lam, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(solver.weights(s, world)[1].T, Theta, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(Theta, sum(theta) / workers, atol=1e-12)


def test_the_server_may_as_well_go_first():
    """The workers see lam_n - rho Theta only, which the order does not change: theta_n are the same."""
    rho, N, solver = 2.0, 4, Consensus(workers=4, rho=2.0)
    s, p, world = alone(solver)
    book = textbook(p)
    theta, lam = [np.zeros_like(book.best)] * N, [np.zeros_like(book.best)] * N
    for _ in range(30):
        Theta = sum(t + l / rho for t, l in zip(theta, lam, strict=True)) / N
        theta = [at_worker(book, n, lam[n], Theta, rho) for n in range(N)]
        lam = [l + rho * (t - Theta) for t, l in zip(theta, lam, strict=True)]
        solver.step(s, p, world)
        np.testing.assert_allclose(models(s, p), theta, rtol=1e-9, atol=1e-11)


def test_one_worker_comes_to_least_squares_and_stays_there():
    solver = Consensus(workers=1, rho=5.0)
    s, p, world = alone(solver)
    for _ in range(60):
        solver.step(s, p, world)
    book = textbook(p)
    np.testing.assert_allclose(models(s, p)[0], book.best, rtol=1e-9)
    solver.set_weights(s, [None, book.best.T], p, world)
    solver.step(s, p, world)
    np.testing.assert_allclose(solver.weights(s, world)[1].T, book.best, rtol=1e-9)
    measured = solver.measure(s, p, world)
    sent = {key: measured[key] for key in ("payload_bits", "payload_messages", "rounds", "broadcast_bits")}
    assert sent == dict.fromkeys(sent, 0)
    assert measured["payload_bits_per_worker"] == [0]


@pytest.mark.parametrize("workers", [2, 5, 10])
def test_residuals_go_to_zero_and_the_models_to_the_normal_equations(workers):
    check_optimum(Consensus(workers=workers, rho=10.0), 600, 1e-8, 1e-7)


def test_cross_entropy_comes_to_where_gadmm_does():
    found = []
    for solver in (Consensus(workers=4), Gadmm(workers=4)):
        s, p, world = alone(solver, loss="cross-entropy", classes=3, features=2, samples=200)
        for _ in range(300):
            solver.step(s, p, world)
        found.append(solver.weights(s, world)[1].copy())
        measured = solver.measure(s, p, world)
        assert measured["objective_error"] < 1e-6
        assert -1e-9 <= measured["mean_error"] < 1e-6
    wide = [w - w.mean(axis=0) for w in found]  # the softmax does not see what all classes have
    np.testing.assert_allclose(wide[0], wide[1], atol=1e-3)


def test_what_is_measured_is_what_it_is_called():
    solver = Consensus(workers=5, rho=2.0)
    s, p, world = alone(solver)
    for _ in range(3):
        solver.step(s, p, world)
    old = s.W[1].T.copy()
    solver.step(s, p, world)
    book, theta, found = textbook(p), models(s, p), solver.measure(s, p, world)
    Theta = s.W[1].T
    expected = {
        "objective": book.total(theta),
        "objective_error": abs(book.total(theta) - book.least),
        "mean_error": book.total([Theta] * 5) - book.least,
        "primal_residual": norm([t - Theta for t in theta]),
        "dual_residual": 2.0 * norm([Theta - old] * 5),
        "consensus_distance": norm([t - sum(theta) / 5 for t in theta]),
        "scale": norm(theta),
    }
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-9), key


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_payload_is_counted_as_the_algorithm_sends_it_and_bytes_as_the_communicator_saw_them(dtype, size):
    found = seen(size, Consensus(workers=5), 6, dtype=dtype)
    d, bits = 7 * 2, 8 * np.dtype(dtype).itemsize
    check_uploads_and_broadcasts(found, 5, 6, d * bits)
    if size > 1:
        assert [rank.calls for rank in found] == [6] * size
        assert {rank.bytes for rank in found} == {
            6 * 8 * (2 * d + d + 1)
        }  # two words an entry, and what weighs on each row and column


def test_more_ranks_than_workers_are_refused_and_a_worker_may_have_no_samples():
    with pytest.raises(UsageError, match=r"4 ranks, but solver.workers = 3.*start at most 3"):
        Consensus(workers=3).grid_of(1, 4)
    solver = Consensus(workers=5, rho=0.5)
    p, world = posed(solver, World.alone(), (), loss="squared", classes=0, samples=3, features=2)
    assert solver.measure(stepped(solver, p, world, 400), p, world)["objective_error"] < 1e-8


def test_a_rank_may_have_many_workers_or_one():
    solver = Consensus(workers=7)

    def work(world):
        p, world = posed(solver, world, ())
        return len(started(solver, p, world).theta.rows)

    assert on_ranks(3, work) == [2, 2, 3]
