"""The example of the page "add an algorithm": it trains, resumes, agrees on any number of ranks, and is short."""

import ast
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.bench.iteration import against_floor
from hpcadmm.bench.subject import Subject
from hpcadmm.comm.world import World
from hpcadmm.experiments.report import Report
from hpcadmm.job.job import parse
from hpcadmm.solvers import SOLVERS
from hpcadmm.testing import SolverTests
from hpcadmm.testing.problems import posed, started
from tests.examples import block_descent
from tests.examples.block_descent import BlockDescent

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


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(SOLVERS, "_classes", SOLVERS._classes.copy())
    SOLVERS.add(BlockDescent)


class TestBlockDescent(SolverTests):
    """What is asked of every solver of the package."""

    solver = BlockDescent()


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
