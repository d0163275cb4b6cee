"""The key `tile`: the widths of the tiles, and the same bits on any number of ranks."""

import hashlib
from typing import Any

import pytest

from hpcadmm.bench.subject import same_problem
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job, parse
from hpcadmm.job.tables import may_change
from hpcadmm.solvers.shared.case import Case
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.setup import blank, set_up

JOB = """
precision = "float32"
[data]
name = "digits"
[network]
hidden = [30]
[loss]
name = "hinge"
[solver]
name = "taylor"
"""


def job(*more: str) -> Job:
    return parse(JOB, more)


@pytest.mark.parametrize(("tile", "width"), [(0, 64), (256, 256), (8192, 8192)])
def test_both_parts_and_the_model_have_tiles_of_this_width(tile: int, width: int) -> None:
    problem = set_up(job(f"tile={tile}"), World.alone()).problem
    assert problem.train.tiles.width == problem.test.tiles.width == width
    assert next(t.stop - t.start for _, t in problem.tiles) == min(width, problem.tiles.n)
    assert Case(job().solver, problem.network.n, problem.tiles.n, tile=tile).tiles() == problem.tiles


def test_any_number_of_ranks_gives_the_same_bits() -> None:
    def trained(world: World, tile: int = 256) -> str:
        setup = set_up(job(f"tile={tile}"), world)
        solver, state = setup.job.solver, blank(setup.job.solver, setup)
        args: Any = (state, setup.problem, setup.world)
        solver.start(*args)
        solver.prepare(*args)
        for _ in range(3):
            solver.step(*args)
        return hashlib.sha256(b"".join(W.tobytes() for W in state.W[1:])).hexdigest()

    found = {bits for size in (1, 2, 3, 8) for bits in on_ranks(size, trained)}
    assert len(found) == 1
    assert trained(World.alone(), 64) not in found


def test_bench_compares_two_widths_and_resume_keeps_its_own() -> None:
    assert same_problem(job(), job("solver.sums=plain"), 1)
    assert not same_problem(job(), job("tile=256"), 1)
    assert not may_change("tile=256")


def test_batches_that_are_cut_into_parts_have_no_tiles() -> None:
    with pytest.raises(UsageError, match=r'tile = 256: solver.name = "adam" cuts its samples into \d+ parts'):
        parse(JOB.replace("taylor", "adam").replace("hinge", "cross-entropy"), ["tile=256"])
