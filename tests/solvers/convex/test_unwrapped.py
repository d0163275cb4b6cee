"""Unwrapped ADMM: what it sums over the ranks, that it resumes, and how a run ends."""

import json

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.model.penalties import L1, L2
from hpcadmm.solvers import SOLVERS
from hpcadmm.testing.problems import stepped
from hpcadmm.testing.runs import assert_same_bits, resumed, run
from hpcadmm.testing.threads import on_ranks
from tests.helpers.convex import posed, solved


def drawn(kind, samples=500, features=8):
    random = np.random.default_rng(4)
    X = random.standard_normal((samples, features))
    y = X @ random.standard_normal(features) + random.standard_normal(samples)
    return X, y if kind == "squared" else (y > 0).astype(int)


CASES = [("logistic", L1(0.01), 1), ("squared", L1(0.01), 0), ("hinge", L2(), 1)]


@pytest.mark.parametrize(("loss", "penalty", "each"), CASES)
def test_an_iteration_has_one_sum_and_the_lasso_none(loss, penalty, each):
    """x x^T and y x^T are summed at the start."""
    X, y = drawn(loss)

    def work(world):
        world = world.arranged(1, world.size)
        solver, p = SOLVERS["unwrapped"](), posed(X, y, loss, penalty, world)
        state = stepped(solver, p, world, 3)
        before = world.traffic.messages
        for _ in range(10):
            solver.step(state, p, world)
        return world.traffic.messages - before

    assert set(on_ranks(3, work)) == {10 * each}


@pytest.mark.parametrize(
    ("adapt", "factor"), [("spectral", "auto"), ("balanced", "auto"), ("none", "auto"), ("balanced", "cg")]
)
@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_a_restart_on_other_ranks_has_the_same_bits(adapt, factor, loss):
    solver, options = SOLVERS["unwrapped"](adapt=adapt, factor=factor, rho=30.0), {"loss": loss, "samples": 333}
    whole = run(1, solver, 12, **options)
    saved = run(3, solver, 7, **options)[0]
    again = resumed(2, solver, saved, 5, **options)
    assert_same_bits(again[0], whole[0])
    assert again[1] == whole[1]


@pytest.mark.parametrize(("loss", "penalty"), [("logistic", L1(0.02)), ("logistic", L2(0.02)), ("squared", L1(0.01))])
def test_a_start_from_the_minimum_stays_there(loss, penalty):
    """With the multipliers of the loss; nothing moves, whatever rho is."""
    X, y = drawn(loss)
    p, world = posed(X, y, loss, penalty), World.alone()
    cold, row = solved(SOLVERS["unwrapped"](), p)
    fixed = [{"rho": rho, "adapt": "none"} for rho in (0.01, 1.0, 100.0)]
    for options in (*fixed, {"adapt": "balanced"}, {"adapt": "spectral"}):
        solver = SOLVERS["unwrapped"](**options)
        near = solver.blank(p, world)
        solver.set_weights(near, cold.W, p, world)
        solver.prepare(near, p, world)
        for _ in range(5):
            solver.step(near, p, world)
        np.testing.assert_allclose(near.W[1], cold.W[1], atol=1e-6)
        assert solver.objective(near, p, world) == pytest.approx(row["objective"], rel=1e-9)


JOB = """
[data]
name = "digits"
[network]
hidden = []
[loss]
name = "squared"
[penalty]
name = "l1"
strength = 0.01
[solver]
name = "unwrapped"
[stop]
iterations = 3000
gap = 1e-6
[evaluate]
every = 5
"""


def test_a_run_ends_at_its_gap_with_a_certificate(hpcadmm, tmp_path):
    (tmp_path / "job.toml").write_text(JOB)
    for ranks, more in ((1, []), (2, ["--set", "solver.factor=cholesky"])):
        hpcadmm("train", tmp_path / "job.toml", "--out", tmp_path / str(ranks), "--quiet", *more, n=ranks).check()
    one, two = (json.loads((tmp_path / name / "summary.json").read_text()) for name in "12")
    assert one["weights_sha256"] == two["weights_sha256"]
    assert "duality gap" in one["stop_reason"]
    found = one["certificate"]
    assert 0 <= found["gap"] <= 1e-6
    assert found["dual"] <= found["primal"] == one["objective"]
