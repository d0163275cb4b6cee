"""What the training loop, the benchmark and the job file ask of every registered solver."""

import json
from dataclasses import FrozenInstanceError, asdict, fields

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.model.losses.base import decide
from hpcadmm.solvers import SOLVERS
from tests.helpers.problems import floor_of, pairs, posed, started, stepped

every = pytest.mark.parametrize("name", SOLVERS)
hiddens = pytest.mark.parametrize("hidden", [(), (5,), (4, 6)], ids=str)


@every
def test_a_solver_is_a_frozen_record_of_hyperparameters_with_a_citation(name):
    solver = SOLVERS[name]()
    assert solver.name == name
    assert any(year in solver.paper for year in map(str, range(1950, 2100)))
    assert all(field.name in type(solver).__doc__ for field in fields(solver)), "the docstring explains every key"
    for key in asdict(solver):
        with pytest.raises(FrozenInstanceError):
            setattr(solver, key, 1)


@pytest.mark.parametrize(("name", "loss"), pairs())
def test_training_lowers_the_residual_and_learns(name, loss):
    world, solver = World.alone(), SOLVERS[name]()
    p, _ = posed(solver, world, (12,), loss=loss, samples=300)
    state = stepped(solver, p, world, 2)
    first = solver.measure(state, p, world)
    for _ in range(150 if solver.constrained else 1000):
        solver.step(state, p, world)
    last = solver.measure(state, p, world)
    assert {"objective", "primal_residual", "scale"} <= set(first) == set(last)
    assert all(isinstance(value, float | int | list) and np.isfinite(value).all() for value in last.values())
    assert json.loads(json.dumps(last)) == dict(last), "a row of metrics is JSON"
    assert last["primal_residual"] < first["primal_residual"] or not solver.constrained
    known = solver.knows_optimum(p.network.depth, loss)
    falls = "objective_error" if known else "objective"  # off consensus an objective may also rise
    assert last[falls] < first[falls]
    z = p.network.forward(solver.weights(state, world), p.x)
    assert not p.classes or np.mean(decide(z) == p.train.labels) > 0.8


@every
@hiddens
def test_weights_fit_the_network(name, hidden):
    world, solver = World.alone(), SOLVERS[name]()
    p, _ = posed(solver, world, hidden, dtype=np.float32)
    solver.check(p.network.depth)
    W = solver.weights(stepped(solver, p, world, 1), world)
    assert W[0] is None
    assert [w.shape for w in W[1:]] == [p.network.shape(l) for l in range(1, p.network.depth + 1)]
    assert {w.dtype for w in W[1:]} == {np.dtype(np.float32)}


@every
@hiddens
def test_the_floor_can_be_timed(name, hidden):
    world, solver = World.alone(), SOLVERS[name]()
    p, _ = posed(solver, world, hidden)
    products = floor_of(solver, p, world)
    assert products
    for product in products.values():
        product()
        assert product.flops > 0


@every
def test_finite_tells_a_nan_in_the_weights(name):
    world, solver = World.alone(), SOLVERS[name]()
    p, _ = posed(solver, world)
    state = started(solver, p, world)
    solver.step(state, p, world)
    assert solver.finite(state)
    solver.weights(state, world)[-1][1, 1] = np.nan
    assert not solver.finite(state)


@every
def test_measuring_changes_nothing(name):
    world, solver = World.alone(), SOLVERS[name]()
    p, _ = posed(solver, world)
    one, other = (started(solver, p, world) for _ in range(2))
    for _ in range(3):
        solver.step(one, p, world)
        solver.measure(one, p, world)
        solver.step(other, p, world)
    assert all(
        (v == w).all() for v, w in zip(solver.weights(one, world)[1:], solver.weights(other, world)[1:], strict=True)
    )
