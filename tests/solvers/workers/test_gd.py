"""Gradient descent against a plain loop, the optimum of linear models, and itself on other ranks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csc_array

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.sparse import Sparse
from hpcadmm.solvers import Gd
from hpcadmm.solvers.workers import gd
from hpcadmm.solvers.workers.gd import chunks
from hpcadmm.testing.problems import posed, started
from hpcadmm.testing.runs import assert_same_bits, run
from tests.helpers.decentral import alone, textbook
from tests.helpers.seen import check_uploads_and_broadcasts, seen

LINEAR = [{"loss": "squared", "classes": 0}, {"loss": "cross-entropy", "classes": 3, "features": 2}]
HIDDEN = (5, 4)


def objective(W, p, decay=0.0):
    """f(W) / m + decay/2 |W|^2, biases excepted; f half of the squared loss."""
    half = 0.5 if p.loss.name == "squared" else 1.0
    squares = sum(np.square(w[:, :n]).sum() for w, n in zip(W[1:], p.network.n, strict=False))
    return half * p.loss.value(p.network.forward(W, p.x), p.y) / p.tiles.n + decay / 2 * squares


def gradient(W, p, decay):
    """Of `objective`, by central differences."""
    found = [None, *(np.zeros_like(w) for w in W[1:])]
    for w, g in zip(W[1:], found[1:], strict=True):
        for i in np.ndindex(w.shape):
            at, values = w[i], []
            for h in (1e-5, -1e-5):
                w[i] = at + h
                values.append(objective(W, p, decay))
            w[i], g[i] = at, (values[0] - values[1]) / 2e-5
    return found


def copied(W):
    return [None, *(w.copy() for w in W[1:])]


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
@pytest.mark.parametrize("hidden", [(), HIDDEN])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_a_step_goes_down_the_gradient_of_the_mean(loss, hidden, decay):
    solver = Gd(workers=4, rate=0.2, decay=decay)
    p, world = posed(solver, World.alone(), hidden, loss=loss, activation="tanh")
    s = started(solver, p, world)
    for _ in range(3):
        W = copied(s.W)
        g = gradient(copied(W), p, decay)
        solver.step(s, p, world)
        for new, old, slope in zip(s.W[1:], W[1:], g[1:], strict=True):
            np.testing.assert_allclose(new, old - 0.2 * slope, atol=1e-8)
        size = np.sqrt(sum(np.square(slope).sum() for slope in g[1:]))
        measured = solver.measure(s, p, world)
        assert measured["primal_residual"] == pytest.approx(size, rel=1e-6)
        assert measured["objective"] == pytest.approx(objective(s.W, p, decay) * p.tiles.n, rel=1e-12)


@pytest.mark.parametrize("workers", [1, 4, 7])
def test_a_run_on_least_squares_is_a_plain_loop(workers):
    solver = Gd(workers=workers, rate="lipschitz")
    s, p, world = alone(solver)
    book, T = textbook(p), np.zeros((7, 2))
    step = 1 / np.linalg.eigvalsh(p.x @ p.x.T)[-1]
    for _ in range(20):
        solver.step(s, p, world)
        T = T - step * p.x @ (T.T @ p.x - p.y).T
        np.testing.assert_allclose(s.W[1].T, T, rtol=1e-10, atol=1e-12)
    measured = solver.measure(s, p, world)
    gap = book.total([T] * len(book.X)) - book.least
    for key in ("objective_error", "mean_error"):
        assert measured[key] == pytest.approx(gap, rel=1e-7, abs=1e-10), key
    assert measured["consensus_distance"] == 0
    assert measured["scale"] == pytest.approx(np.linalg.norm(T))


@pytest.mark.parametrize("options", LINEAR, ids=["squared", "cross-entropy"])
def test_the_longest_safe_step_descends_all_the_way_to_the_optimum(options):
    solver = Gd(workers=3, rate="lipschitz")
    s, p, world = alone(solver, **options)
    before = np.inf
    for k in range(3000):
        solver.step(s, p, world)
        if k % 10 == 0:
            now = solver.measure(s, p, world)["objective"]
            assert now <= before * (1 + 1e-12)
            before = now
    last = solver.measure(s, p, world)
    assert last["mean_error"] < 1e-3
    assert last["primal_residual"] < 1e-4


@pytest.mark.parametrize("bend", [("squared", 1.0), ("cross-entropy", 0.5)])
def test_the_step_is_one_over_the_curvature(bend):
    loss, share = bend
    solver = Gd(workers=5, rate="lipschitz", decay=0.25)
    s, p, _ = alone(solver, loss=loss, classes=3)
    largest = np.linalg.eigvalsh(p.x @ p.x.T)[-1]
    assert s.work.rate == pytest.approx(1 / (share * largest / p.tiles.n + 0.25), rel=1e-12)


def test_inputs_that_are_all_zero_leave_the_rate_finite():
    solver = Gd(workers=2, rate="lipschitz")
    p, world = posed(solver, World.alone(), (), loss="squared", classes=0, bias=False)
    p.x[...] = 0
    s = started(solver, p, world)
    solver.step(s, p, world)
    assert s.work.rate == 1
    assert (s.W[1] == 0).all()


@pytest.mark.parametrize("wide", [7, 64, 1024])
def test_chunks_of_a_worker_s_samples_are_even_and_change_nothing(monkeypatch, wide):
    monkeypatch.setattr(gd, "WIDEST", wide)
    for lo, hi in ((0, 0), (3, 4), (5, 31), (0, 300)):
        found = chunks(lo, hi)
        assert [c for t in found for c in range(t.start, t.stop)] == list(range(lo, hi))
        assert all(0 < t.stop - t.start <= wide for t in found)
    solver = Gd(workers=3)
    one = run(1, solver, 5, samples=200, hidden=HIDDEN)[0]
    assert_same_bits(one, run(3, solver, 5, samples=200, hidden=HIDDEN)[0])
    monkeypatch.undo()
    whole = run(1, solver, 5, samples=200, hidden=HIDDEN)[0]
    for path in whole:
        if path.startswith("W/"):
            np.testing.assert_allclose(one[path], whole[path], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_payload_is_counted_as_the_algorithm_sends_it_and_bytes_as_the_communicator_saw_them(dtype, size):
    found = seen(size, Gd(workers=5), 6, HIDDEN, dtype=dtype)
    d, bits = 5 * 7 + 4 * 6 + 2 * 5, 8 * np.dtype(dtype).itemsize
    check_uploads_and_broadcasts(found, 5, 6, d * bits)
    if size > 1:
        words, lines = (1 if dtype == np.float32 else 2), (5 + 7) + (4 + 6) + (2 + 5)
        assert [rank.calls for rank in found] == [6] * size  # prepare has found the scales: no sum is made twice
        assert {rank.bytes for rank in found} == {6 * 8 * (words * d + lines)}


def test_one_worker_sends_nothing():
    s, p, world = alone(solver := Gd(workers=1))
    solver.step(s, p, world)
    measured = solver.measure(s, p, world)
    sent = {key: measured[key] for key in ("payload_bits", "payload_messages", "rounds", "broadcast_bits")}
    assert sent == dict.fromkeys(sent, 0)


def test_a_rate_that_nothing_bounds_is_refused_with_the_cure():
    with pytest.raises(UsageError, match=r"solver.rate.*hidden layers.*give a number"):
        Gd(rate="lipschitz").check(2)
    with pytest.raises(UsageError, match=r'solver.rate.*loss.name = "hinge".*give a number'):
        posed(Gd(rate="lipschitz"), World.alone(), (), loss="hinge")
    Gd(rate="lipschitz").check(1)
    Gd().check(3)


def test_the_optimum_is_known_of_linear_models_without_decay_alone():
    assert Gd().knows_optimum(1, "squared")
    assert Gd().knows_optimum(1, "cross-entropy")
    for solver, L, loss in ((Gd(), 2, "squared"), (Gd(), 1, "hinge"), (Gd(decay=0.1), 1, "squared")):
        assert not solver.knows_optimum(L, loss)
    solver = Gd(optimum=False)
    s, p, world = alone(solver)
    solver.step(s, p, world)
    measured = solver.measure(s, p, world)
    assert "objective_error" not in measured
    assert not solver.knows_optimum(1, "squared")
    known = Gd()
    other, _, _ = alone(known)
    known.step(other, p, world)
    assert measured["objective"] == pytest.approx(known.measure(other, p, world)["objective"], rel=1e-12)


def test_linear_models_start_at_zero_and_networks_as_he_et_al_do():
    s, p, world = alone(Gd())
    assert not s.W[1].any()
    p, world = posed(Gd(), world, HIDDEN)
    s = started(Gd(), p, world)
    for w, he in zip(s.W[1:], p.network.random_weights(p.seed, p.dtype)[1:], strict=True):
        assert (w == he).all()


def sparse(p):
    """The problem with its training samples sparse."""
    return replace(p, train=replace(p.train, x=Sparse(csc_array(p.x))))


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
@pytest.mark.parametrize("few", [{}, {"scale": 1e4, "dtype": np.float32}, {"features": 1, "bias": False}])
@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_samples_have_the_rate_and_the_optimum_of_dense_ones(loss, few, weighted):
    solver = Gd(workers=4, rate="lipschitz")
    weight = np.linspace(0, 2, 150) if weighted else None
    convex = {"features": 2, "classes": 3} if loss == "cross-entropy" else {}  # classes that cannot be separated
    s, p, world = alone(solver, loss=loss, weight=weight, **{**convex, **few})
    other = started(solver, sparse(p), world)
    assert other.work.rate == pytest.approx(s.work.rate, rel=1e-12)
    mine, theirs = other.work.optimum, s.work.optimum
    assert mine.least == pytest.approx(theirs.least, rel=1e-12)
    assert mine.beginning == pytest.approx(theirs.beginning, rel=1e-12)
    for _ in range(3):
        solver.step(s, p, world)
        solver.step(other, sparse(p), world)
    found, known = solver.measure(other, sparse(p), world), solver.measure(s, p, world)
    close = 1e-10 if p.dtype == np.float64 else 1e-5
    assert found["objective_error"] == pytest.approx(known["objective_error"], rel=close)


def test_sparse_targets_of_any_size_have_their_optimum():
    solver = Gd(workers=4, rate="lipschitz")
    p, world = posed(solver, World.alone(), (), loss="squared", classes=0)
    least = started(solver, sparse(p), world).work.optimum.least
    for size in (1e-12, 1e9):
        other = replace(p, train=replace(p.train, y=size * p.y))
        found = started(solver, sparse(other), world).work.optimum.least
        assert found / size**2 == pytest.approx(least, rel=1e-12)


def test_sparse_inputs_that_are_all_zero_leave_the_rate_finite():
    solver = Gd(workers=2, rate="lipschitz")
    p, world = posed(solver, World.alone(), (), loss="squared", classes=0, bias=False)
    p.x[...] = 0
    assert started(solver, sparse(p), world).work.rate == 1
