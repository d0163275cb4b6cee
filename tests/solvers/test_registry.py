"""What the training loop, the benchmark and the job file ask of every registered solver."""

import pytest

from hpcadmm.solvers import SOLVERS
from hpcadmm.testing import checks
from hpcadmm.testing.problems import pairs

every = pytest.mark.parametrize("name", SOLVERS)
hiddens = pytest.mark.parametrize("hidden", [(), (5,), (4, 6)], ids=str)


@every
def test_a_solver_is_a_frozen_record_of_hyperparameters_with_a_citation(name):
    assert SOLVERS[name].name == name
    checks.is_described(SOLVERS[name]())


@pytest.mark.parametrize(("name", "loss"), pairs())
def test_training_lowers_the_residual_and_learns(name, loss):
    checks.learns(SOLVERS[name](), loss)


@every
@hiddens
def test_weights_fit_the_network(name, hidden):
    checks.weights_fit(SOLVERS[name](), hidden)


@every
@hiddens
def test_the_floor_can_be_timed(name, hidden):
    checks.has_a_floor(SOLVERS[name](), hidden)


@every
def test_finite_tells_a_nan_in_the_weights(name):
    checks.tells_a_nan(SOLVERS[name]())


@every
def test_measuring_changes_nothing(name):
    checks.measuring_changes_nothing(SOLVERS[name]())
