"""A job with data.weight: from the file to the problem, and what is refused before it starts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.kernels import signatures
from hpcadmm.solvers import SOLVERS
from hpcadmm.testing.problems import started
from hpcadmm.training.rehearsal import rehearse
from hpcadmm.training.setup import Setup, set_up
from tests.examples.block_descent import BlockDescent

JOB = """
[data]
name = "npz"
path = "{path}"
standardise = false
[network]
hidden = [5]
[loss]
name = "cross-entropy"
[solver]
name = "{solver}"
"""


def arrays(repeated: bool) -> dict[str, Any]:
    """Samples with weights, or each so many times."""
    random = np.random.default_rng(1)
    X, w = random.standard_normal((150, 4)), np.arange(150) % 4
    y = (X[:, 0] + 0.3 * random.standard_normal(150) > 0).astype(int) + (X[:, 1] > 1)
    parts = {"X": X, "y": y} if not repeated else {"X": np.repeat(X, w, axis=0), "y": np.repeat(y, w)}
    return parts | {"X_test": X[:40], "y_test": y[:40]} | ({} if repeated else {"w": w})


def posed(folder: Path, solver: str, *options: str, repeated: bool = False) -> Setup:
    path = folder / f"{repeated}.npz"
    np.savez(path, **arrays(repeated))
    return set_up(parse(JOB.format(path=path, solver=solver), options), World.alone())


def trained(setup: Setup, steps: int = 6) -> Any:
    solver, p, world = setup.job.solver, setup.problem, setup.world
    state = started(solver, p, world)
    for _ in range(steps):
        solver.step(state, p, world)
    return solver.weights(state, world)


@pytest.mark.parametrize("solver", ["taylor", "lbfgs", "dladmm"])
def test_a_weighted_file_trains_as_the_file_with_repeated_rows(tmp_path: Path, solver: str) -> None:
    one, other = posed(tmp_path, solver, "data.weight=w"), posed(tmp_path, solver, repeated=True)
    assert one.problem.total == other.problem.total == other.problem.tiles.n
    for W, V in zip(trained(one)[1:], trained(other)[1:], strict=True):
        np.testing.assert_allclose(W, V, rtol=1e-9, atol=1e-11)


def test_class_weights_are_for_training_only(tmp_path: Path) -> None:
    p = posed(tmp_path, "taylor", "data.weight={1=2.5}").problem
    np.testing.assert_array_equal(p.train.weight, np.where(p.train.labels == 1, 2.5, 1.0))
    assert p.total == pytest.approx(p.train.weight.sum())
    assert p.train.by_class
    assert p.test.weight is None


def test_a_rehearsal_compiles_what_weighted_samples_need(tmp_path: Path) -> None:
    setup = posed(tmp_path, "pdadmm", "data.weight=w", "precision=float32")
    rehearse(setup.job.solver, setup.problem, setup.world)
    before = signatures()
    setup.job.solver.measure(trained_state(setup), setup.problem, setup.world)
    assert signatures() == before


def trained_state(setup: Setup) -> Any:
    state = started(setup.job.solver, setup.problem, setup.world)
    setup.job.solver.step(state, setup.problem, setup.world)
    return state


def test_a_solver_that_counts_every_sample_once_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SOLVERS, "_classes", SOLVERS._classes.copy())
    monkeypatch.setattr(BlockDescent, "weighted", False)
    SOLVERS.add(BlockDescent)
    job = JOB.format(path="data.npz", solver="block-descent")
    with pytest.raises(UsageError, match=r'data.weight: solver.name = "block-descent" counts every sample once'):
        parse(job, ["data.weight=balanced"])
    assert parse(job).data.weight is None


@pytest.mark.parametrize("weight", ["balanced", "w", "3", "{1=2.5, 2=0}", '{"<=50K" = 3.0}'])
def test_the_key_survives_the_jobs_own_file(weight: str) -> None:
    job = parse(JOB.format(path="data.npz", solver="taylor"), [f"data.weight={weight}"])
    assert job.data.weight is not None
    assert parse(job.to_toml()).data.weight == job.data.weight
