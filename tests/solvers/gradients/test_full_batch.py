"""cg and lbfgs take the steps of scipy's methods, begin anew where they say, and resume in the same bits."""

import numpy as np
import pytest
from scipy.optimize import minimize

from hpcadmm.comm.world import World
from hpcadmm.model.vector import flat
from hpcadmm.solvers import Cg, Lbfgs
from hpcadmm.solvers.gradients.function import put
from hpcadmm.subproblems.passes import Passes
from hpcadmm.testing.problems import problem, started, stepped
from hpcadmm.testing.runs import assert_same_bits, resumed, run
from hpcadmm.testing.threads import on_ranks

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
        return value, flat([None, *g])

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

    x = flat(p.network.random_weights(p.seed, p.dtype))
    name, options = ("CG", {}) if method is Cg else ("L-BFGS-B", {"maxcor": 10})
    options |= {"maxiter": steps}
    minimize(counted, x, method=name, jac=True, callback=lambda x: points.append(x.copy()), options=options)
    state = started(solver, p, world)
    for point in points:
        solver.step(state, p, world)
        np.testing.assert_allclose(flat(state.W), point, rtol=1e-6, atol=1e-8)
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


def test_memory_is_how_many_pairs_are_kept():
    one, two, three = (run(1, Lbfgs(memory=k), 8, loss="cross-entropy")[0] for k in (1, 5, 10))
    assert not np.array_equal(one["W/1"], two["W/1"])
    assert not np.array_equal(two["W/1"], three["W/1"])


def test_the_two_loops_are_the_matrix_of_bfgs():
    """H = (I - rho s y^T) H (I - rho y s^T) + rho s s^T, from <s, y> / |y|^2 I with the newest pair."""
    solver, p, world = Lbfgs(memory=4), posed(hidden=(3,)), World.alone()
    state = stepped(solver, p, world, 7)
    rows = [k % 4 for k in range(3, 7)]
    s, y, one = state.S, state.Y, np.eye(state.x.size)
    H = one * (s[rows[-1]] @ y[rows[-1]]) / (y[rows[-1]] @ y[rows[-1]])
    for row in rows:
        rho = 1 / (s[row] @ y[row])
        turn = one - rho * np.outer(y[row], s[row])
        H = turn.T @ H @ turn + rho * np.outer(s[row], s[row])
    assert state.pairs == 7
    np.testing.assert_allclose(solver.direction(state), -H @ state.g, rtol=1e-6, atol=1e-9)


@every
def test_restart_begins_anew_from_the_same_point(method):
    """4 iterations, then 3 of a method that knows nothing of them: not those of 7 in a row."""
    p, world = posed(), World.alone()
    whole, parts, fresh = (started(s, p, world) for s in (method(), method(restart=4), method()))
    for state, solver, steps in ((whole, method(), 7), (parts, method(restart=4), 4)):
        for _ in range(steps):
            solver.step(state, p, world)
    solver = method()
    fresh = solver.blank(p, world)
    solver.set_weights(fresh, [None, *(W.copy() for W in parts.W[1:])], p, world)
    solver.prepare(fresh, p, world)
    for _ in range(3):
        method(restart=4).step(parts, p, world)
        solver.step(fresh, p, world)
    np.testing.assert_allclose(flat(parts.W), flat(fresh.W), rtol=1e-9, atol=1e-12)
    assert not np.allclose(flat(parts.W), flat(whole.W), rtol=1e-6)
    assert parts.since == 3
    assert solver.measure(parts, p, world)["endings"] == 0, "it did not end by itself"


@every
def test_the_iterate_is_not_rounded_to_the_weights(method):
    solver, world = method(restart=2), World.alone()
    p = posed(dtype=np.float32)
    state = stepped(solver, p, world, 3)
    assert np.array_equal(state.x.astype(np.float32), flat(state.W))
    assert not np.array_equal(state.x.astype(np.float32), state.x)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("before", [3, 4, 5, 8])
def test_a_resumed_run_goes_on_in_the_same_bits(method, dtype, before):
    """Also where it begins anew, and on another number of ranks; without an evaluation more."""
    solver, options = method(restart=4, decay=1e-3), {"loss": "cross-entropy", "dtype": dtype}
    whole, saved = run(1, solver, 11, **options), run(3, solver, before, **options)[0]
    again = resumed(2, solver, saved, 11 - before, **options)
    assert_same_bits(again[0], whole[0])
    assert again[1] == whole[1]


@every
def test_what_is_converged_stays_and_says_so(method):
    """A linear model: the method ends, begins anew in the next step, and ends at once from then on."""
    solver, world = method(tolerance=1e-3, decay=0.1), World.alone()
    p = posed(hidden=())
    state = started(solver, p, world)
    rows = []
    for _ in range(60):
        solver.step(state, p, world)
        rows.append(solver.measure(state, p, world))
    assert rows[-1]["endings"] > 2
    assert max(abs(function(p, 0.1)(flat(state.W))[1])) <= 1e-3
    assert rows[-1]["objective"] == rows[-10]["objective"] < rows[0]["objective"]
    assert rows[-1]["endings"] - rows[-2]["endings"] == 1
    assert rows[-1]["evaluations"] == rows[-2]["evaluations"]


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


@every
def test_an_exception_in_an_evaluation_comes_out(method):
    solver, world = method(), World.alone()
    p = posed()
    state = stepped(solver, p, world, 2)
    before, value = flat(state.W), p.loss.value

    def failing(z, y, w):
        raise ZeroDivisionError("on purpose")

    object.__setattr__(p.loss, "value", failing)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        solver.step(state, p, world)
    assert np.array_equal(flat(state.W), before)
    object.__setattr__(p.loss, "value", value)


@every
def test_an_evaluation_is_two_sums_and_the_first_one_is_made_once(method):
    def work(world):
        solver, p = method(), posed(world, samples=300)
        state = started(solver, p, world)
        counts = [(world.traffic.messages, state.evaluations)]
        for _ in range(7):
            solver.step(state, p, world)
            counts.append((world.traffic.messages, state.evaluations))
        return counts

    for counts in on_ranks(3, work):
        assert counts[0][1] == 1
        for (messages, evaluations), (before, fewer) in zip(counts[1:], counts, strict=False):
            assert messages - before == 2 * (evaluations - fewer) > 0
