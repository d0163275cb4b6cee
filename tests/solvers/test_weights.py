"""Weights of samples: a sample of weight w counts as w copies of its row, in every solver."""

from dataclasses import fields

import numpy as np
import pytest
from scipy.special import softmax

from hpcadmm.comm.world import World
from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.shared.batches import Drawn
from hpcadmm.testing import checks
from hpcadmm.testing.problems import minimises, posed, problem, started

PATTERN = np.array([1, 2, 3, 0, 2, 1])
COUNT, WORKERS = 120, 4
WEIGHTS = np.tile(PATTERN, COUNT // len(PATTERN))  # of each of the workers' parts of equal sum
STEPS = 5


def full(name, **options):
    """The solver with few workers, whose every step takes all samples."""
    keys = {field.name for field in fields(SOLVERS[name])}
    batch = 10_000 if "local" in keys else 0  # of a worker
    given = {"workers": WORKERS, "batch": batch, "optimum": True}
    return SOLVERS[name](**{key: value for key, value in given.items() if key in keys} | options)


ROUNDING = {"soap": 1e-9}  # in W, whose eigenvectors turn with it
VARIANTS = [
    *map(full, SOLVERS),
    full("taylor", warm=1, decay=0.1, beta=2.0),
    full("dladmm", schedule="adaptive", decay=0.1, rho=0.01, nu=0.01),
    full("dladmm", penalty="l1", decay=0.1),
    full("pdadmm", update="exact", decay=0.1),
    full("pdadmm", schedule="balanced", period=1),
    full("pdadmm", penalty="l1", decay=0.1),
    full("mpadmm", decay=0.1, average=0.9),
    full("mpadmm", grid="layers"),
    full("mpadmm", local_steps=2, local_after=1, local_batch=10_000, batch=10_000, warm=3, refresh=2, decay=0.1),
    full("gadmm", local="adam", local_steps=3),
    full("qgadmm", bits=8),
    full("qgd", bits=8, decay=0.1),
    full("sgd", momentum=0.9, decay=0.1),
    full("muon", ends="muon", decay=0.1),
    full("soap", refresh=1, decay=0.1),
]
CASES = [
    pytest.param(solver, loss, id=f"{k}-{solver.name}-{loss}")
    for k, solver in enumerate(VARIANTS)
    for loss in ("hinge", "squared", "cross-entropy")
    if minimises(solver, loss)
]
every = pytest.mark.parametrize("solver", VARIANTS, ids=[f"{k}-{one.name}" for k, one in enumerate(VARIANTS)])


def iterated(solver, steps=STEPS, **options):
    """The problem, and the state, weights and measures after some steps."""
    world = World.alone()
    p, world = posed(solver, world, samples=COUNT, **options)
    state = started(solver, p, world)
    for _ in range(steps):
        solver.step(state, p, world)
    return state, [w.copy() for w in solver.weights(state, world)[1:]], dict(solver.measure(state, p, world))


def close(one, other, tolerance=1e-12):
    """Equal up to rounding, relative to the largest entry."""
    size = max(np.abs(other).max(initial=0), 1e-300)
    np.testing.assert_allclose(np.asarray(one) / size, np.asarray(other) / size, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("solver", "loss"), CASES)
def test_a_weight_is_so_many_copies_of_the_row(solver, loss):
    state, W, row = iterated(solver, loss=loss, weight=WEIGHTS)
    copied, copies, rows = iterated(solver, loss=loss, repeat=WEIGHTS)
    for one, other in zip(W, copies, strict=True):
        close(one, other, ROUNDING.get(solver.name, 1e-12))
    for f in fields(solver.state_type):
        if f.metadata.get("lies") in ("columns", "cells"):
            for one, other in zip(listed(state, f.name), listed(copied, f.name), strict=True):
                close(np.repeat(one, WEIGHTS, axis=1), other)
    errors = {"objective_error", "mean_error"} & rows.keys()  # may be 0 up to rounding
    for key in rows.keys() - errors - {"payload_bytes"}:
        close(row[key], rows[key], 1e-10)
    for key in errors:
        assert row[key] == pytest.approx(rows[key], rel=1e-8, abs=1e-8 * rows["objective"])


def listed(state, name):
    """The arrays of a field with columns."""
    value = getattr(state, name)
    return [one for one in (value if isinstance(value, list) else [value]) if one is not None]


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_of_one_change_no_bit(solver, dtype):
    checks.weights_of_one_change_nothing(solver, dtype, STEPS, COUNT)


MINIBATCHES = [full("adam", batch=32, cut=2), full("mpadmm", batch=32, cut=2), full("gadmm", local="adam", batch=8)]


@pytest.mark.parametrize("solver", [*VARIANTS, *MINIBATCHES], ids=lambda solver: solver.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_agree(solver, dtype):
    weight = np.random.default_rng(0).exponential(size=COUNT)
    checks.ranks_agree(solver, (2,), STEPS, samples=COUNT, dtype=dtype, weight=weight)


MEANS = [name for name in SOLVERS if name not in ("taylor", "dladmm", "pdadmm", "consensus")]


@pytest.mark.parametrize("name", MEANS)
def test_a_factor_of_all_weights_changes_nothing_where_the_objective_is_a_mean(name):
    """Also with minibatches, whose steps keep their size: four times the gradient over four times the weight."""
    keys = {field.name for field in fields(SOLVERS[name])}
    given = {"batch": 32, "cut": 2, "local": "adam"}
    solver = SOLVERS[name](**{key: value for key, value in given.items() if key in keys})
    (_, one, _), (_, other, _) = (iterated(solver, weight=w) for w in (None, np.full(COUNT, 4.0)))
    for W, V in zip(one, other, strict=True):
        np.testing.assert_array_equal(W, V)


@pytest.mark.parametrize("batch", [0, 50])
def test_minibatches_take_each_sample_with_its_weight_and_share_out_all_weights(batch):
    p = problem(World.alone(), samples=COUNT, parts=2, weight=WEIGHTS)
    drawn = Drawn(p, batch)
    parts = [part for k in range(drawn.count) for part in map(copied, drawn.parts(k))]
    x, w = (np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))
    seen, given = np.argsort(x[0]), np.argsort(p.x[0])
    np.testing.assert_array_equal(w[seen], WEIGHTS[given])
    assert sum(map(drawn.size, range(drawn.count))) == pytest.approx(p.total) == WEIGHTS.sum()


def copied(part):
    """x and w of a part, whose x the next one reuses."""
    x, _, w = part
    return x.copy(), w


def test_the_minimum_is_that_of_scikit_learn():
    """C of scikit-learn is 1 / (m decay), m the sum of the weights."""
    linear = pytest.importorskip("sklearn.linear_model")
    weight = np.random.default_rng(1).exponential(size=COUNT)
    world, solver = World.alone(), SOLVERS["lbfgs"](decay=0.1, tolerance=1e-9)
    p = problem(world, (), "cross-entropy", samples=COUNT, weight=weight)
    state = started(solver, p, world)
    for _ in range(60):
        solver.step(state, p, world)
    x, C = p.x[:-1].T, 1 / (0.1 * p.total)
    found = linear.LogisticRegression(C=C, tol=1e-10, max_iter=1000).fit(x, p.train.labels, sample_weight=weight)
    probabilities = softmax(p.network.forward(state.W, p.x), axis=0)
    np.testing.assert_allclose(probabilities, found.predict_proba(x).T, atol=1e-6)
