"""Options of the minibatch methods: warm-up, the lengths of rows, the mean of the iterates."""

from dataclasses import replace

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.solvers import Adam, Sgd
from hpcadmm.solvers.gradients.schedules import SCHEDULES
from hpcadmm.testing.problems import problem, started, stepped

WORLD = World.alone()


def posed(solver, **options):
    return problem(WORLD, loss="cross-entropy", parts=solver.parts, **options)


def test_the_warm_up_multiplies_the_first_rates():
    """Two epochs of four batches: step k has (k + 1) / 8 of the rate."""
    warm = Sgd(batch=40, cut=3, rate=0.5, warm_up=2)
    p = posed(warm)
    state = started(warm, p, WORLD)
    for k in range(10):
        plain = stepped(replace(warm, warm_up=0, rate=0.5 * min(1, (k + 1) / 8)), p, WORLD, 0)
        plain.steps = k
        for W, given in zip(plain.W[1:], state.W[1:], strict=True):
            W[...] = given
        replace(warm, warm_up=0, rate=0.5 * min(1, (k + 1) / 8)).step(plain, p, WORLD)
        warm.step(state, p, WORLD)
        for one, other in zip(plain.W[1:], state.W[1:], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_begins_at_most_at_the_rate_and_stays_within(name):
    found = [SCHEDULES[name](t, 7, 0.3) for t in np.linspace(0, 9, 50)]
    assert max(found) <= 1
    assert min(found) >= 0
    assert Sgd(rate=2.0, schedule=name, period=7, drop=0.3).rate_at(9.0) == 2 * found[-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_row_is_longer_than_max_norm_and_others_are_as_without(dtype):
    solver = Sgd(batch=0, rate=0.5, max_norm=1.5)
    p = posed(solver, dtype=dtype)
    found, plain = (stepped(s, p, WORLD, 1) for s in (solver, replace(solver, max_norm=None)))
    shortened = 0
    for W, free in zip(found.W[1:], plain.W[1:], strict=True):
        lengths = np.linalg.norm(free[:, :-1].astype(float), axis=1)
        for row, other, length in zip(W, free, lengths, strict=True):
            assert row[-1] == other[-1]
            if length <= 1.5:
                assert (row == other).all()
            else:
                shortened += 1
                np.testing.assert_allclose(
                    row[:-1], other[:-1] * (1.5 / length), rtol=1e-6 if dtype == np.float32 else 1e-14
                )
    assert 0 < shortened < 15


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_average_is_the_mean_of_the_iterates_and_does_not_change_them(dtype):
    plain, mean = Adam(batch=40, cut=3), Adam(batch=40, cut=3, average=0.75)
    p, keep = posed(plain, dtype=dtype), 0.0
    one, other = started(plain, p, WORLD), started(mean, p, WORLD)
    expected = [0.0] * 3
    for k in range(1, 9):
        plain.step(one, p, WORLD)
        mean.step(other, p, WORLD)
        keep = min(0.75, (k - 1) / k)
        expected = [keep * e + (1 - keep) * W for e, W in zip(expected, one.W[1:], strict=True)]
        for V, W, e, iterate in zip(other.V[1:], other.W[1:], expected, one.W[1:], strict=True):
            assert (iterate == V).all()
            np.testing.assert_allclose(W, e, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)


def test_without_average_there_is_no_second_iterate():
    p = posed(Adam())
    s = started(Adam(), p, WORLD)
    assert s.V == []
    assert s.iterate is s.W
