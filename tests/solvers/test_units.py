"""One feature in much larger or smaller units than the others: decentralized ADMM and the optimum are still right."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Stop
from hpcadmm.model.problem import Problem
from hpcadmm.solvers import Consensus, Gadmm, Gd
from hpcadmm.testing.problems import problem, started
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.stopping import Stopping
from tests.helpers.decentral import models
from tests.helpers.extended import Long, back, least_squares, solved, triangle, value

SCALES = [1.0, 1e4, 1e8, 1e12]
TRUTH = np.array([1.0, 2.0, 3.0, 4.0])
scales = pytest.mark.parametrize("scale", SCALES)


def regression(solver, world, scale=1.0, samples=1000, dtype=np.float64, tie=0.0) -> Problem:
    """y = 1 x_0 + 2 x_1 + 3 x_2 + 4 x_3 + noise, then x_0 is scaled; no bias. tie: x_3 = x_2 + tie x_3."""
    p = problem(
        world, (), "squared", features=4, classes=1, samples=samples, bias=False, dtype=dtype, parts=solver.parts
    )
    random = np.random.default_rng(5)
    X = random.standard_normal((4, samples))
    if tie:
        X[3] = X[2] + tie * X[3]
    Y = (TRUTH @ X + 0.1 * random.standard_normal(samples))[None]
    X[0] *= scale
    mine = slice(p.tiles.lo, p.tiles.hi)
    p.x[...], p.y[...] = X[:, mine], Y[:, mine]
    return p


def alone(solver, **options):
    world = World.alone()
    p = regression(solver, world, **options)
    return started(solver, p, world), p, world


def measured(solver, s, p, world, steps):
    for _ in range(steps):
        solver.step(s, p, world)
    return solver.measure(s, p, world)


@scales
@pytest.mark.parametrize("solver", [Gadmm(workers=1), Consensus(workers=1)], ids=str)
def test_one_worker_finds_every_coefficient(solver, scale):
    s, p, world = alone(solver, scale=scale)
    found = measured(solver, s, p, world, 60)
    W, best = solver.weights(s, world)[1][0], least_squares(p.x, p.y)[:, 0]
    np.testing.assert_allclose(W * [scale, 1, 1, 1], TRUTH, atol=0.02)
    close = 1e-12 if isinstance(solver, Gadmm) else 1e-6  # a server sums in one grid
    np.testing.assert_allclose(W * [scale, 1, 1, 1], (best * [scale, 1, 1, 1]).astype(float), rtol=close)
    assert found["objective"] == pytest.approx(float(value(p.x, p.y, best[:, None])), rel=1e-12)
    assert found["objective_error"] <= 1e-12


def chain(p, rho, steps):
    """GADMM on a chain in extended precision: theta by worker."""
    X, Y = ([part[:, t] for _, t in p.tiles] for part in (p.x, p.y))
    N, d = len(X), len(p.x)
    theta, lam = [np.zeros((d, 1), Long)] * N, [np.zeros((d, 1), Long)] * (N - 1)
    for _ in range(steps):
        for first in (0, 1):
            for n in range(first, N, 2):
                near = [m for m in (n - 1, n + 1) if 0 <= m < N]
                v = sum((lam[n] if m > n else -lam[m]) - rho * theta[m] for m in near)
                c = rho * len(near)
                theta[n] = least_squares(X[n], Y[n], c) - solved(X[n], c, v)
        lam = [old + rho * (theta[n] - theta[n + 1]) for n, old in enumerate(lam)]
    return theta


@scales
def test_gadmm_is_that_of_extended_precision(scale):
    solver = Gadmm(workers=4, rho=20.0)
    s, p, world = alone(solver, scale=scale)
    units = np.array([[scale], [1], [1], [1]])
    expected = chain(p, 20.0, 30)
    measured(solver, s, p, world, 30)
    np.testing.assert_allclose(units * models(s, p), (units * expected).astype(float), rtol=1e-10, atol=1e-10)


@scales
@pytest.mark.parametrize("solver", [Gadmm(workers=4), Consensus(workers=4), Consensus(workers=2)], ids=str)
def test_with_several_workers_nothing_grows(solver, scale):
    s, p, world = alone(solver, scale=scale)
    rows = [measured(solver, s, p, world, 25) for _ in range(4)]
    assert all(row["objective"] <= s.work.optimum.beginning for row in rows)
    assert rows[-1]["mean_error"] <= 1e-3
    W = solver.weights(s, world)[1][0]
    np.testing.assert_allclose(W * [scale, 1, 1, 1], TRUTH, atol=0.03)


@pytest.mark.parametrize("solver", [Gadmm(workers=7), Consensus(workers=7)], ids=str)
@pytest.mark.parametrize("scale", [1e8, 1e12])
def test_ranks_agree_in_every_bit_also_about_the_optimum(solver, scale):
    def work(world):
        p = regression(solver, world.arranged(*solver.grid_of(1, world.size)), scale, samples=200)
        s = started(solver, p, world)
        row, optimum = measured(solver, s, p, world, 5), s.work.optimum
        return solver.weights(s, world)[1].tobytes(), optimum.theta.tobytes(), optimum.least, optimum.finest, row

    one = on_ranks(1, work)[0]
    for size in (2, 3, 7):
        assert all(found == one for found in on_ranks(size, work))


@scales
@pytest.mark.parametrize("tie", [1.0, 1e-4, 1e-8])
def test_the_optimum_is_that_of_extended_precision(tie, scale):
    """At a condition number of up to 1e8, where a Gram matrix has lost every digit."""
    s, p, _ = alone(Gadmm(workers=3), scale=scale, tie=tie)
    optimum, best = s.work.optimum, least_squares(p.x, p.y)
    units = np.array([[scale], [1], [1], [1]])
    np.testing.assert_allclose(units * optimum.theta, (units * best).astype(float), rtol=1e-14 / tie, atol=1e-13 / tie)
    least = value(p.x, p.y, best)
    assert optimum.least == pytest.approx(float(least), rel=1e-13 + 1e-18 / tie)
    assert value(p.x, p.y, optimum.theta) - least <= 1e-13 * least
    assert optimum.doubt <= 1e-16 * float(least)


@scales
def test_excess_is_free_of_cancellation(scale):
    s, p, _ = alone(Gadmm(workers=3), scale=scale)
    optimum, best = s.work.optimum, least_squares(p.x, p.y)
    R, _ = triangle(p.x.T, p.y.T)
    for size in (1.0, 1e-4, 1e-8):
        theta = optimum.theta + size * np.array([[1 / scale], [1], [-1], [1]])
        exact = 0.5 * np.square(R @ (theta - best)).sum()
        assert optimum.excess(theta.reshape(-1)) == pytest.approx(float(exact), rel=1e-6)
        assert back(R, R @ best) == pytest.approx(best)


def classes(world, power, solver):
    """Three overlapping classes, x_0 scaled by 2^power; no bias."""
    p = problem(world, (), "cross-entropy", features=4, samples=300, bias=False, parts=solver.parts)
    p.x[...] = 0.3 * p.x + np.random.default_rng(6).standard_normal((4, 300))[:, p.tiles.lo : p.tiles.hi]
    p.x[0] *= 2.0**power
    return p


@pytest.mark.parametrize("power", [14, 27, 40, -30])
def test_the_optimum_of_the_cross_entropy_does_not_depend_on_units_to_the_bit(power):
    world, solver = World.alone(), Gd(workers=3, rate="lipschitz")
    one, other = (started(solver, classes(world, k, solver), world).work.optimum for k in (0, power))
    units = np.array([[2.0**power], [1], [1], [1]])
    assert (units * other.theta == one.theta).all()
    assert other.least == one.least > 10
    assert one.doubt < 1e-12
    for size in (1e-2, 1e-5, 1e-8):
        theta = one.theta + size * np.random.default_rng(7).standard_normal(one.theta.shape)
        curved = one.bend(one.at(one.theta)[2], theta - one.theta)
        assert one.excess(theta.reshape(-1)) == pytest.approx(0.5 * ((theta - one.theta) * curved).sum(), rel=0.1)
        assert other.excess((theta / units).reshape(-1)) == pytest.approx(one.excess(theta.reshape(-1)), rel=1e-6)


@pytest.mark.parametrize("solver", [Gadmm(workers=3, rho=5.0), Consensus(workers=3, rho=5.0)], ids=str)
@pytest.mark.parametrize("power", [0, 14, 27])
def test_workers_solve_the_cross_entropy_whatever_the_units(power, solver):
    """At the minimiser all gradients vanish, for each feature to rounding relative to its own size."""
    world = World.alone()
    p = classes(world, power, solver)
    s = started(solver, p, world)
    local = s.work.local
    k, d = len(local.sums), int(np.prod(local.shape))
    v, theta = np.random.default_rng(8).standard_normal((k, d)), np.zeros((k, d))
    local.solve(slice(None), v, theta)
    for n, one in enumerate(local.sums):
        slope = one.at(theta[n].reshape(local.shape))[1]
        assert (np.abs(slope).max(axis=1) <= 1e-7 * np.sqrt(one.squares())).all()


def test_a_target_that_the_precision_cannot_tell_is_refused_with_the_cure():
    s, _, _ = alone(Gadmm(workers=2), dtype=np.float32)
    optimum = s.work.optimum
    with pytest.raises(
        UsageError, match=r"stop.error = 1e-20 cannot be met.*5\.3058.*float32.*precision = \"float64\""
    ):
        Stopping(Stop(error=1e-20)).refer(optimum, "float32")
    Stopping(Stop(error=1e-4)).refer(optimum, "float32")
    Stopping(Stop()).refer(optimum, "float32")


def test_errors_as_small_as_the_finest_are_met():
    """A target that is not refused can be met."""
    for dtype in (np.float32, np.float64):
        solver = Gadmm(workers=2, rho=500.0)
        s, p, world = alone(solver, dtype=dtype)
        finest, errors = s.work.optimum.finest, []
        for _ in range(300):
            solver.step(s, p, world)
            errors.append(solver.measure(s, p, world)["objective_error"])
        assert min(errors) <= 10 * finest


@pytest.mark.parametrize("solver", [Gadmm(workers=4, rho=50.0, dual_step=5.0), Gd(workers=4, rate=9.0)], ids=str)
def test_what_grows_is_reported_whatever_the_first_measurement_was(solver):
    s, p, world = alone(solver)
    stopping = Stopping(Stop())
    stopping.refer(solver.reference(s), "float64")
    measured(solver, s, p, world, 60)
    reason = stopping.diverged(solver.measure(s, p, world))
    assert reason
    assert f"the first, {s.work.optimum.beginning:.3g}" in reason
