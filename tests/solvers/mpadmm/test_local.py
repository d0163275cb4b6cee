"""Rounds of local steps: what a round computes, the same bits on any number of ranks, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.solvers import MpAdmm
from hpcadmm.solvers.mpadmm.local import check_memory
from hpcadmm.testing.problems import posed, started, stepped
from hpcadmm.testing.runs import assert_same_bits, resumed, run
from hpcadmm.testing.threads import on_ranks

RATES = (0.2, 0.5, 0.3)
ROUNDS = MpAdmm(batch=60, workers=5, local_steps=3, local_after=2, local_batch=8, warm=4, refresh=3)
WEIGHT = np.random.default_rng(1).integers(0, 4, 333) / 2


def copies(arrays):
    return [None if x is None else x.copy() for x in arrays]


@pytest.mark.parametrize(
    "options",
    [{}, {"decay": 0.1, "average": 0.8}, {"schedule": "cosine", "period": 9}, {"kappa": 1e-3, "refresh": 100}],
    ids=str,
)
@pytest.mark.parametrize("problem", [{}, {"weight": WEIGHT}, {"dropout": RATES}], ids="".join)
def test_a_round_of_one_step_by_one_worker_is_a_sweep(options, problem):
    """Without refreshes, which a sweep makes before its step and a round after."""
    sweeps = MpAdmm(**{"batch": 60, "cut": 1, "warm": 2, "refresh": 100, **options})
    rounds = replace(sweeps, local_steps=1, local_batch=60, workers=1)
    world, found = World.alone(), []
    for solver in (sweeps, rounds):
        p, _ = posed(solver, world, loss="cross-entropy", samples=333, **problem)
        s = stepped(solver, p, world, 9)
        found.append((*s.W[1:], *(s.V[1:]), *(s.P[1:]), *(s.Q[1:]), *solver.measure(s, p, world).values()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def gradient(W, x, y, w, p):
    """Of the weighted sum of the loss: lam_l a_{l-1}^T, and the a and lam."""
    a, lam, z = [x], [None] * len(W), [None]
    for l in range(1, len(W)):
        z.append(W[l] @ a[-1])
        a.append(np.vstack([np.maximum(z[-1], 0), np.ones((1, x.shape[1]))]))
    lam[-1] = w * (np.exp(z[-1]) / np.exp(z[-1]).sum(axis=0) - y)
    for l in range(len(W) - 2, 0, -1):
        lam[l] = (W[l + 1][:, :-1].T @ lam[l + 1]) * (z[l] > 0)
    return [None, *(lam[l] @ a[l - 1].T for l in range(1, len(W)))], a, lam


def plain_round(solver, s, p):
    """W, A' and B' of the next round, worker by worker: the formula, without the package's sums and passes."""
    batches, k, layers = s.rounds.batches, s.sweeps - solver.local_after, range(1, len(s.W))
    W, share = copies(s.W), np.zeros(solver.workers)
    every, A, B, first = [], 0.0, 0.0, 0.0
    for r, t in p.tiles:
        w_all = np.ones(t.stop - t.start) if p.w(t) is None else p.w(t)
        share[r], mine = w_all.sum() / p.total, copies(W)
        for h, (x, y, given) in enumerate(batches(k, r)):
            w = np.ones(x.shape[1]) if given is None else given
            C, a, lam = gradient(mine, x, y, w, p)
            m = x.shape[1] * w_all.mean()
            C = [None, *(-C[l] / m for l in layers)]
            for l in layers:
                C[l][:, :-1] -= solver.decay * mine[l][:, :-1]
            D = [None, *(s.Q[l] @ C[l] @ s.P[l] for l in layers)]
            q = sum((D[l] * C[l]).sum() for l in layers)
            step = 6.0 * min(1.0, np.sqrt(solver.kappa / (36.0 * q)))
            for l in layers:
                mine[l] += step * D[l]
            if h == 0:
                own = [None if x is None else np.divide(x, w, out=np.zeros_like(x), where=w > 0) for x in lam]
                A = A + np.array([(w * a[l - 1]) @ a[l - 1].T for l in layers], dtype=object)
                B = B + np.array([(w * own[l]) @ own[l].T for l in layers], dtype=object)
                first += x.shape[1] * p.total / p.tiles.n
        every.append(mine)
    mean = [None, *(sum(share[r] * every[r][l] for r in range(solver.workers)) for l in layers)]
    return mean, [None, *A / first], [None, *B / first]


@pytest.mark.parametrize("problem", [{}, {"weight": WEIGHT}], ids=["", "weighted"])
@pytest.mark.parametrize("options", [{}, {"kappa": 1e-2, "decay": 0.1, "local_after": 1}], ids=str)
def test_a_round_is_the_mean_of_the_workers_steps(options, problem):
    """P and Q stay as they are within a round; a refresh takes A and B of the first steps, A_1 in the first `warm`."""
    solver, world = replace(ROUNDS, **options), World.alone()
    p, _ = posed(solver, world, loss="cross-entropy", samples=333, **problem)
    s = stepped(solver, p, world, solver.local_after)
    for k in range(solver.local_after, 8):
        W, A, B = plain_round(solver, s, p)
        before, P, Q, sums = (copies(s.A), copies(s.B)), copies(s.P), copies(s.Q), s.sums_made
        solver.step(s, p, world)
        due, keep = solver.refreshes(k), min(0.9, (s.refreshes - 1) / s.refreshes)
        for l in (1, 2, 3):
            np.testing.assert_allclose(s.W[l], W[l], rtol=1e-9, atol=1e-11)
            inputs = due and (l > 1 or k < solver.warm)
            A[l] = keep * before[0][l] + (1 - keep) * A[l] if inputs else before[0][l]
            B[l] = keep * before[1][l] + (1 - keep) * B[l] if due else before[1][l]
            np.testing.assert_allclose(s.A[l], A[l], rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(s.B[l], B[l], rtol=1e-9, atol=1e-12)
            assert ((s.P[l] != P[l]).any(), (s.Q[l] != Q[l]).any()) == (inputs, due)
        assert s.sums_made == sums + 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, {"loss": "squared"}),
        (
            {"average": 0.5, "decay": 0.01, "inverses": "dealt"},
            {"dropout": RATES, "weight": WEIGHT, "activation": "tanh"},
        ),
    ],
    ids=["plain", "with much"],
)
def test_ranks_and_a_restart_within_the_rounds_give_the_same_bits(options, problem, dtype):
    """8 iterations: sweeps, rounds with a refresh of all, of all but P_1, and of none."""
    solver, given = replace(ROUNDS, **options), {"loss": "cross-entropy", "dtype": dtype, "samples": 333, **problem}
    whole = run(1, solver, 8, **given)
    for size in (2, 3, 5):
        other = run(size, solver, 8, **given)
        assert_same_bits(whole[0], other[0])
        assert whole[1] == other[1]
    for k, before, after in ((1, 1, 3), (2, 3, 1), (4, 2, 1), (6, 1, 2)):
        again = resumed(after, solver, run(before, solver, k, **given)[0], 8 - k, **given)
        assert_same_bits(whole[0], again[0])
        assert whole[1] == again[1]


def test_ranks_agree_in_bfloat16():
    """Layers wide enough to be rounded."""
    solver = replace(ROUNDS, workers=8, batch=80)
    given = {"hidden": (40, 36), "features": 20, "samples": 333, "dtype": np.float32}
    given |= {"loss": "cross-entropy", "precision": "bfloat16"}
    whole = run(1, solver, 5, **given)[0]
    for size in (2, 3, 4, 8):
        assert_same_bits(whole, run(size, solver, 5, **given)[0])


@pytest.mark.parametrize("sums", ["bfloat16", 8])
def test_changes_travel_in_few_bits(sums):
    """As many ranks make the same bits, also after a restart, and go where exact sums go; one rank rounds nothing."""
    solver, given = replace(ROUNDS, sums=sums), {"loss": "cross-entropy", "samples": 333, "dtype": np.float32}
    alone, plain = run(1, solver, 6, **given)[0], run(1, replace(solver, sums="plain"), 6, **given)[0]
    assert_same_bits({path: alone[path] for path in plain}, plain)
    whole = run(2, solver, 6, **given)
    assert_same_bits(whole[0], resumed(2, solver, run(2, solver, 4, **given)[0], 2, **given)[0])
    assert any(np.abs(x).any() for path, x in whole[0].items() if path.startswith("round_errors"))
    exact = run(2, ROUNDS, 6, **given)
    assert whole[1]["objective"] == pytest.approx(exact[1]["objective"], rel=0.1)
    assert whole[1]["step"] == pytest.approx(exact[1]["step"], rel=0.5)


def test_a_round_whose_bound_was_too_low_is_repeated():
    """The changes grow by far more than the scales allow; the weights are those of scales that are high enough."""
    world, found = World.alone(), []
    for low in (0, 60):
        p, _ = posed(ROUNDS, world, loss="cross-entropy")
        s = stepped(ROUNDS, p, world, 3)
        for l in (1, 2, 3):
            s.rounds.scales[l] -= low
        calls = []
        add = s.rounds.add
        s.rounds.add = lambda *given, add=add, calls=calls: (calls.append(1), add(*given))
        ROUNDS.step(s, p, world)
        found.append((len(calls), *s.W[1:]))
    assert (found[0][0], found[1][0]) == (1, 2)
    for one, other in zip(found[0][1:], found[1][1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_a_nan_of_one_worker_is_seen_on_all_ranks():
    def work(world):
        p, world = posed(ROUNDS, world, loss="cross-entropy")
        s = stepped(ROUNDS, p, world, 2)
        if world.rank == world.size - 1:
            p.train.x[0, -1] = np.nan  # a sample of the last worker
        for _ in range(4):
            ROUNDS.step(s, p, world)
        return ROUNDS.finite(s)

    with np.errstate(all="ignore"):
        assert on_ranks(2, work) == [False, False]


def test_what_is_counted():
    world = World.alone()
    p, _ = posed(ROUNDS, world, samples=333)
    s = stepped(ROUNDS, p, world, 7)
    row = ROUNDS.measure(s, p, world)
    steps = s.rounds.batches.batches.count  # of an epoch: 333 / (5 * 8), rounded up
    assert (row["sums"], steps, s.work.count) == (7, 9, 6)
    assert row["epochs"] == pytest.approx(2 / 6 + 5 * 3 / 9)
    assert ROUNDS.samples(333, 3, "hinge") == 3 * 333 // 9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 0}, ["solver.local_steps = 3", "solver.batch > 0"]),
        ({"late": 1}, ["solver.local_steps", "solver.late = 1"]),
        ({"grid": "layers"}, ["solver.local_steps = 3", "solver.grid"]),
        ({"grid": [2, 1]}, ["solver.local_steps = 3", "solver.grid"]),
    ],
    ids=str,
)
def test_what_does_not_fit_local_steps_is_refused(options, words):
    with pytest.raises(UsageError) as refused:
        replace(ROUNDS, **options).check(3)
    assert all(word in str(refused.value) for word in words)
    replace(ROUNDS, grid=[1, 2]).check(3)


def test_more_ranks_than_workers_are_refused_and_weights_that_do_not_fit(monkeypatch):
    with pytest.raises(UsageError, match=r"6 ranks, but solver\.workers = 5.*at most 5 ranks.*solver\.workers = 6"):
        ROUNDS.grid_of(3, 6)
    world = World.alone()
    p, _ = posed(ROUNDS, world)
    started(ROUNDS, p, world)
    monkeypatch.setattr("hpcadmm.comm.memory.available", lambda: 100.0)
    with pytest.raises(UsageError, match=r"weights of a worker.*solver\.local_steps = 0"):
        check_memory(p, world)
