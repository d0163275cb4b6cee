"""The example of the page "add an algorithm": it trains, resumes, agrees on any number of ranks, and is short."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.bench.iteration import against_floor
from hpcadmm.bench.subject import Subject
from hpcadmm.comm.world import World
from hpcadmm.experiments.report import Report
from hpcadmm.job.job import parse
from hpcadmm.solvers import SOLVERS
from hpcadmm.storage.run import read_metrics
from hpcadmm.training.loop import resume, train
from hpcadmm.training.progress import Progress
from tests.examples import block_descent
from tests.examples.block_descent import BlockDescent
from tests.helpers.problems import posed, started
from tests.helpers.solver_runs import assert_same_bits, resumed, run

JOB = """
[data]
name = "digits"
first = 300
first_test = 100
[network]
hidden = [12, 9]
[loss]
name = "hinge"
[solver]
name = "block-descent"
gamma = 0.5
[stop]
iterations = 6
"""
QUIET = Progress(False)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(SOLVERS, "_classes", SOLVERS._classes.copy())
    SOLVERS.add(BlockDescent)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [2, 3])
def test_ranks_agree_in_every_bit(size, dtype):
    one, other = (run(n, BlockDescent(), 4, samples=333, dtype=dtype) for n in (1, size))
    assert_same_bits(one[0], other[0])
    assert one[1] == other[1]


def test_no_block_can_be_improved_alone():
    """Each step lowers the objective; so does no change of one block afterwards."""
    world = World.alone()
    p, _ = posed(BlockDescent(ridge=0.0), world)
    solver = BlockDescent(ridge=0.0)
    s, found = started(solver, p, world), []
    for _ in range(6):
        solver.step(s, p, world)
        found.append(solver.objective(s, p, world))
    assert found == sorted(found, reverse=True)
    random = np.random.default_rng(0)
    for block in (s.W[1],):  # the last block of a step
        there = block.copy()
        for _ in range(5):
            block[...] = there + 1e-3 * random.standard_normal(block.shape)
            assert solver.objective(s, p, world) > found[-1]
        block[...] = there


def test_it_trains_and_resumes_in_the_same_bits(tmp_path):
    job = parse(JOB)
    whole = train(job, tmp_path / "whole", World.alone(), QUIET)
    assert whole["test_accuracy"] > 0.6
    rows = read_metrics(tmp_path / "whole")
    assert rows[-1]["objective"] < rows[0]["objective"]
    assert rows[-1]["primal_residual"] > 0
    half = replace(job, stop=replace(job.stop, iterations=3))
    train(half, tmp_path / "half", World.alone(), QUIET)
    again = resume(tmp_path / "half", ["stop.iterations=6"], World.alone(), QUIET)
    assert again["weights_sha256"] == whole["weights_sha256"]


def test_a_restart_on_other_ranks_goes_on_in_the_same_bits():
    whole, saved = run(1, BlockDescent(), 5), run(3, BlockDescent(), 3)[0]
    assert_same_bits(resumed(2, BlockDescent(), saved, 2)[0], whole[0])


def test_it_can_be_benchmarked_without_a_bill():
    report, subject = Report(), Subject.start(parse(JOB), World.alone())
    against_floor(report, subject, 2)
    assert report.figures["iteration_seconds"] > 0
    assert "block-descent" in report.notes["floor"]


def test_the_lines_around_the_mathematics_are_few():
    """Every line of code but those of `step`, `objective`, `residual` and what these call."""
    text = Path(block_descent.__file__).read_text()
    tree = ast.parse(text)
    mathematics: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            mathematics |= set(range(node.lineno, node.end_lineno + 1))
    around = [k for k, line in enumerate(text.splitlines(), 1) if line.strip() and k not in mathematics]
    assert len(around) < 60
