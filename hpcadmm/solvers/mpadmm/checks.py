"""What mpadmm refuses, before a run begins."""

from typing import Any

from hpcadmm.comm.wire.narrow import NARROW
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.mpadmm import local
from hpcadmm.solvers.shared.normal import check_squares


def check(solver: Any, L: int) -> None:
    """Raise UsageError if the keys do not fit one another, or L weight layers."""
    if solver.local_steps:
        local.check(solver)
    if solver.late and solver.local_steps:
        raise UsageError("solver.late = 1 and solver.local_steps exclude each other: leave one of them out")
    if solver.late and not solver.batch:
        raise UsageError("solver.late = 1 and solver.batch = 0 (a line search) exclude each other: choose a batch")
    if solver.sums in NARROW and not solver.batch:
        raise UsageError(
            f"solver.sums = {solver.sums!r} keeps a part of the gradient for the next sweep, which a line search "
            '(solver.batch = 0) does not allow: choose a batch, or solver.sums = "exact"'
        )
    if solver.late and L == 1:
        raise UsageError("solver.late = 1 needs a hidden layer, or no sums would be of the same sweep: set it to 0")


def check_problem(solver: Any, problem: Problem, world: World) -> None:
    """Raise UsageError if A_1, its exact sum and P_1, or a worker's weights, do not fit the memory. Collective."""
    check_squares(problem, world, more=2 * solver.late)
    if solver.local_steps:
        local.check_memory(problem, world)


def check_dropout(solver: Any) -> None:
    """Raise UsageError if the solver has no minibatches."""
    if not solver.batch:
        raise UsageError("does not train with dropout while solver.batch = 0 (a line search): choose a batch")


def check_billed(solver: Any) -> None:
    """Raise UsageError if the solver has no minibatches."""
    if not solver.batch:
        raise UsageError("solver.batch = 0: the model knows mpadmm with minibatches only, not its line search")
