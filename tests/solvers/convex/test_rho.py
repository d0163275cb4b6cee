"""rho: where the rules begin, how they change it, and that it costs few iterations whatever rho a job names."""

from itertools import pairwise

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.penalties import L1, L2
from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.shared.convex import start
from hpcadmm.solvers.shared.convex.objective import objective
from hpcadmm.solvers.shared.convex.rho import REACH, WORTH, Residuals, balanced, bounded, look, spectral
from hpcadmm.testing.problems import started
from hpcadmm.testing.runs import assert_same_bits, resumed, run
from hpcadmm.testing.threads import on_ranks
from tests.helpers.convex import posed, solved
from tests.solvers.convex.test_against_scikit_learn import data

HALF_DECADES = [10 ** (k / 2) for k in range(-5, 3)]
BAR = 1.5  # iterations of a rule over those of the best fixed rho


def needed(solver, p, goal, most):
    """Iterations until F <= goal."""
    world = World.alone()
    state = started(solver, p, world)
    for k in range(1, most):
        solver.step(state, p, world)
        if objective(solver.weights(state, world)[1], p, world) <= goal:
            return k
    return most


CASES = [
    ("unwrapped", "logistic", L1(0.02)), ("unwrapped", "squared", L1(0.05)), ("unwrapped", "huber", L1(0.02)),
    ("unwrapped", "hinge", L2(0.05)), ("consensus", "squared", L1(0.05)), ("consensus", "logistic", L2(0.01)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "loss", "penalty"), CASES)
def test_from_any_rho_the_rules_need_few_more_iterations_than_the_best_fixed_one(name, loss, penalty):
    """To 1e-4 of the minimum, from 1e-3 to 1e3 times the best fixed rho."""
    make, options = SOLVERS[name], {"workers": 3} if name == "consensus" else {}
    X, y = data(loss)
    p = posed(X, y, loss, penalty, parts=make(**options).parts)
    goal = solved(SOLVERS["unwrapped"](), posed(X, y, loss, penalty), enough=1e-6)[1]["objective"] * (1 + 1e-4)
    fixed = {rho: needed(make(rho=rho, adapt="none", **options), p, goal, 150) for rho in HALF_DECADES}
    best = min(fixed, key=fixed.get)
    assert fixed[best] < 150
    for adapt in ("balanced", "spectral"):
        found = [needed(make(rho=best * away, adapt=adapt, **options), p, goal, 300) for away in (1e-3, 1.0, 1e3)]
        assert max(found) <= BAR * fixed[best], (adapt, found, fixed)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
@pytest.mark.parametrize(("loss", "curvature"), [("huber", 1.0), ("quantile", None), ("squared", 1.0)])
def test_the_rules_begin_from_scales_that_follow_the_units(loss, curvature, scale):
    """Of the targets: the curvature of a parabola stays, the slope over the distance to a kink is as its inverse."""
    X, y = np.zeros((50, 1)), np.linspace(-1, 1, 50)
    kind = LOSSES[loss](**({"delta": 10 * scale} if loss == "huber" else {}))
    found = start.of_loss(posed(X, y * scale, kind), World.alone())
    expected = curvature or start.of_loss(posed(X, y, kind), World.alone()) / scale
    assert found == pytest.approx(expected, rel=0.05)


def test_a_step_of_that_size_halves_the_gradient():
    _, y = data("logistic")
    p = posed(np.zeros((len(y), 1)), y, "logistic")
    rho = start.of_loss(p, World.alone())
    z = p.loss.prox(np.zeros_like(p.y), p.y, np.zeros_like(p.y), rho / 2, np.zeros_like(p.y))
    assert np.linalg.norm(p.loss.gradient(z, p.y)) == pytest.approx(0.25 * np.sqrt(len(y)), rel=0.05)


def test_the_mean_eigenvalue_leaves_zeros_out():
    assert start.of_matrix(np.diag([4.0, 1.0, 0.0])) == pytest.approx(2.0)
    assert start.of_matrix(np.zeros((2, 2))) == start.of_matrix(np.zeros((0, 0))) == 0.0
    assert start.of_matrix(3.0 * np.eye(2 * start.FEATURES + 1)) == pytest.approx(3.0)


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 201.0)])
@pytest.mark.parametrize("name", ["unwrapped", "consensus"])
def test_the_start_is_the_same_on_any_number_of_ranks(name, weight):
    X, y = data("logistic")

    def work(world):
        world = world.arranged(1, world.size)
        solver = SOLVERS[name](**({"workers": 4} if name == "consensus" else {}))
        p = posed(X, y, "logistic", L1(0.02), world, weight=weight, parts=solver.parts)
        return started(solver, p, world).rho

    (one,), three = on_ranks(1, work), on_ranks(3, work)
    assert set(three) == {one}
    assert one != 1.0


def test_the_estimates_of_rho():
    assert balanced(2.0, Residuals(primal=4.0, dual=0.01, scale=1.0, dual_scale=1.0), 1) == pytest.approx(40.0)
    assert balanced(2.0, Residuals(primal=1.0, dual=0.9, scale=1.0, dual_scale=1.0), 1) == 2.0
    assert balanced(2.0, Residuals(primal=0.0, dual=0.0, scale=0.0, dual_scale=0.0), 1) == 2.0
    assert spectral(1.0, 1.0, 25.0, 1) == pytest.approx(5.0**0.7)
    assert spectral(1.0, 0.0, 1.0, 1) == spectral(1.0, 1.0, 0.0, 1) == spectral(1.0, np.inf, np.inf, 1) == 1.0


def test_changes_become_rarer_and_smaller_and_end():
    assert not any(look(k, "none") for k in range(100))
    looks = [k for k in range(5000) if look(k, "balanced")]
    assert [look(k, "spectral") for k in looks] == list(range(1, len(looks) + 1))
    assert np.diff(looks)[-1] > 500
    changes = [bounded(1.0, 1e9, j) for j in range(1, 100)]
    assert all(later <= earlier for earlier, later in pairwise(changes))
    last = int((REACH / (WORTH - 1)) ** 0.5)
    assert [j for j, rho in enumerate(changes, 1) if rho != 1.0] == list(range(1, last + 1))
    assert bounded(1.0, 1e-9, 3) == pytest.approx(1 / bounded(1.0, 1e9, 3))


@pytest.mark.parametrize("adapt", ["spectral", "balanced"])
def test_consensus_resumes_on_other_ranks_with_the_same_bits(adapt):
    solver, options = SOLVERS["consensus"](adapt=adapt, workers=4), {"loss": "logistic", "penalty": L1(0.02)}
    options |= {"samples": 111, "hidden": ()}
    whole = run(1, solver, 9, **options)
    saved = run(3, solver, 5, **options)[0]
    again = resumed(2, solver, saved, 4, **options)
    assert_same_bits(again[0], whole[0])
    assert again[1] == whole[1]
