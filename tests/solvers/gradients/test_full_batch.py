"""cg and lbfgs are scipy's own, an iteration at a time, begun anew where they say, and their threads end."""

import numpy as np
import pytest
from scipy.optimize import minimize

from hpcadmm.comm.world import World
from hpcadmm.solvers import Cg, Lbfgs
from hpcadmm.solvers.gradients.full_batch import joined, put, take
from hpcadmm.subproblems.passes import Passes
from tests.helpers.minimisers import all_threads_end, minimisers  # noqa: F401 (a fixture)
from tests.helpers.problems import problem, started, stepped
from tests.helpers.solver_runs import assert_same_bits, resumed, run
from tests.helpers.threads import on_ranks

METHODS = (Cg, Lbfgs)
every = pytest.mark.parametrize("method", METHODS)


def posed(world=None, **options):
    return problem(world or World.alone(), **{"loss": "cross-entropy", "activation": "tanh", **options})


def function(p, decay):
    """The mean loss with decay and its gradient, in one plain pass over all samples."""
    passes, W = Passes(p.network, p.loss, np.float64), p.network.random_weights(0, np.float64)

    def f(x):
        put(x, W)
        z, m = passes.forward(W, p.x), p.tiles.n
        value = p.loss.value(z, p.y) / m + decay / 2 * sum((w[:, :-1] ** 2).sum() for w in W[1:])
        passes.backward(W, p.y)
        g = [passes.gradient(l, np.empty_like(W[l])) / m for l in range(1, p.network.depth + 1)]
        for d, w in zip(g, W[1:], strict=True):
            d[:, :-1] += decay * w[:, :-1]
        return value, joined([None, *g])

    return f


@every
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_iterations_are_those_of_scipy_alone(method, decay):
    solver, world, steps = method(decay=decay), World.alone(), 12
    p, points, calls = posed(), [], []
    f = function(p, decay)

    def counted(x):
        calls.append(x)
        return f(x)

    x = joined(p.network.random_weights(p.seed, p.dtype))
    options = {"maxiter": steps, **({"maxcor": 10} if method is Lbfgs else {})}
    minimize(counted, x, method=method.method, jac=True, callback=lambda x: points.append(x.copy()), options=options)
    state = started(solver, p, world)
    for point in points:
        solver.step(state, p, world)
        np.testing.assert_allclose(joined(state.W), point, rtol=1e-6, atol=1e-8)
    row, (value, gradient) = solver.measure(state, p, world), f(points[-1])
    assert row["objective"] == pytest.approx(150 * value, rel=1e-6)
    assert row["primal_residual"] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    assert row["scale"] == pytest.approx(np.linalg.norm(points[-1]), rel=1e-6)
    assert (row["evaluations"], row["endings"]) == (len(calls), 0)


@every
def test_the_objective_never_rises(method):
    solver, world, found = method(), World.alone(), []
    p = posed(loss="squared")
    state = started(solver, p, world)
    for _ in range(40):
        solver.step(state, p, world)
        found.append(solver.measure(state, p, world)["objective"])
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0] / 4


def test_memory_is_what_scipy_remembers():
    one, two, three = (run(1, Lbfgs(memory=k), 8, loss="cross-entropy")[0] for k in (1, 5, 10))
    assert not np.array_equal(one["W/1"], two["W/1"])
    assert not np.array_equal(two["W/1"], three["W/1"])


@every
def test_restart_begins_anew_from_the_same_point(method):
    """4 iterations, then 3 of a method that knows nothing of them: not those of 7 in a row."""
    p, world = posed(), World.alone()
    whole, parts, fresh = (started(s, p, world) for s in (method(), method(restart=4), method()))
    for state, solver, steps in ((whole, method(), 7), (parts, method(restart=4), 4)):
        for _ in range(steps):
            solver.step(state, p, world)
    solver = method()
    solver.set_weights(fresh, [None, *(W.copy() for W in parts.W[1:])], p, world)
    for _ in range(3):
        method(restart=4).step(parts, p, world)
        solver.step(fresh, p, world)
    np.testing.assert_allclose(joined(parts.W), joined(fresh.W), rtol=1e-9, atol=1e-12)
    assert not np.allclose(joined(parts.W), joined(whole.W), rtol=1e-6)
    assert parts.counts[0] == 3
    assert solver.measure(parts, p, world)["endings"] == 0, "it did not end by itself"


@every
def test_it_begins_anew_where_it_is_and_not_at_the_rounded_weights(method):
    solver, world = method(restart=2), World.alone()
    p = posed(dtype=np.float32)
    state = stepped(solver, p, world, 2)
    x = state.work.now.x.copy()
    solver.step(state, p, world)
    assert np.array_equal(state.begun, x)
    assert not np.array_equal(x.astype(np.float32), x)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("before", [3, 4, 5, 8])
def test_a_restart_of_the_run_repeats_the_iterations_since_the_method_began(method, dtype, before):
    """Also where it begins anew, and on another number of ranks."""
    solver, options = method(restart=4, decay=1e-3), {"loss": "cross-entropy", "dtype": dtype}
    whole, saved = run(1, solver, 11, **options), run(3, solver, before, **options)[0]
    again = resumed(2, solver, saved, 11 - before, **options)
    assert_same_bits(again[0], whole[0])
    assert again[1] == whole[1]


@every
def test_what_is_converged_stays_and_says_so(method):
    """A linear model: scipy ends, is begun anew in the next step, and ends at once from then on."""
    solver, world = method(tolerance=1e-3, decay=0.1), World.alone()
    p = posed(hidden=())
    state = started(solver, p, world)
    rows = []
    for _ in range(60):
        solver.step(state, p, world)
        rows.append(solver.measure(state, p, world))
    assert rows[-1]["endings"] > 2
    assert max(abs(function(p, 0.1)(joined(state.W))[1])) <= 1e-3
    assert rows[-1]["objective"] == rows[-10]["objective"] < rows[0]["objective"]
    assert rows[-1]["endings"] - rows[-2]["endings"] == rows[-1]["evaluations"] - rows[-2]["evaluations"] == 1


@every
def test_what_is_converged_resumes_too(method):
    solver, options = method(tolerance=1e-3, decay=0.1), {"hidden": (), "loss": "cross-entropy"}
    whole, saved = run(1, solver, 60, **options), run(2, solver, 57, **options)[0]
    again = resumed(1, solver, saved, 3, **options)
    assert_same_bits(again[0], whole[0])
    assert again[1] == whole[1]


def test_where_a_line_search_fails_it_begins_anew():
    """Hinge losses have kinks, at which no step satisfies Wolfe's conditions."""
    solver, world = Lbfgs(), World.alone()
    p = posed(loss="hinge", activation="relu", hidden=(12,))
    state, found = started(solver, p, world), []
    for _ in range(400):
        solver.step(state, p, world)
        found.append(solver.measure(state, p, world)["objective"])
    assert solver.measure(state, p, world)["endings"] > 0
    assert found[-1] < found[0] / 3


def test_weights_that_the_repetition_does_not_reach_are_kept():
    """As with another BLAS or scipy: the method begins anew at what was saved."""
    solver, world = Lbfgs(), World.alone()
    p = posed()
    state = stepped(solver, p, world, 5)
    state.W[1][0, 0] += 1e-9
    kept = joined(state.W)
    again = solver.blank(p, world)
    for field in ("begun", "counts"):
        getattr(again, field)[...] = getattr(state, field)
    take(state.scales, again.scales)
    put(kept, again.W)
    solver.prepare(again, p, world)
    assert np.array_equal(joined(again.W), kept)
    assert np.array_equal(again.begun, kept)
    solver.step(again, p, world)
    assert solver.measure(again, p, world)["evaluations"] > 5


@every
def test_an_exception_in_an_evaluation_comes_out_and_ends_the_thread(method):
    solver, world = method(), World.alone()
    p = posed()
    state = stepped(solver, p, world, 2)
    before, value = joined(state.W), p.loss.value

    def failing(z, y):
        raise ZeroDivisionError("on purpose")

    object.__setattr__(p.loss, "value", failing)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        solver.step(state, p, world)
    assert not minimisers()
    assert np.array_equal(joined(state.W), before)
    object.__setattr__(p.loss, "value", value)


@every
def test_an_evaluation_is_two_sums(method):
    def work(world):
        solver, p = method(), posed(world, samples=300)
        state = stepped(solver, p, world, 6)
        messages, evaluations = world.traffic.messages, state.work.evaluations
        solver.step(state, p, world)
        return world.traffic.messages - messages, state.work.evaluations - evaluations

    for messages, evaluations in on_ranks(3, work):
        assert messages == 2 * evaluations > 0
