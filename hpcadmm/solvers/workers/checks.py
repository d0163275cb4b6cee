"""What consensus refuses."""

from typing import Any

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.workers import penalised
from hpcadmm.solvers.workers.local import LOCAL, check_memory
from hpcadmm.solvers.workers.server import MOVES


def check(solver: Any, L: int) -> None:
    """UsageError for exact steps of a network or below an average, and for keys of another server."""
    if solver.local == "exact" and L > 1:
        raise UsageError('solver.local = "exact" needs a linear model, network.hidden = []: use "adam"')
    if solver.local == "exact" and solver.server != "admm":
        raise UsageError(
            f'solver.local = "exact" needs solver.server = "admm", not "{solver.server}": the mean of the minimisers '
            'of single workers is not the minimiser of all; use solver.local = "adam"'
        )
    for key in ("outer_rate", "outer_momentum"):
        if getattr(solver, key) is not None and solver.server not in MOVES:
            known = " or ".join(f'"{name}"' for name in MOVES)
            raise UsageError(f'solver.{key} needs solver.server = {known}; "{solver.server}" has none: remove it')


def check_problem(solver: Any, problem: Problem, world: World) -> None:
    """UsageError for exact steps of a loss that has none, or whose factors do not fit the memory."""
    if solver.local == "exact" and not problem.penalty and problem.loss.name not in LOCAL:
        raise UsageError(f'solver.local = "exact" needs loss.name = {" or ".join(LOCAL)}, not {problem.loss.name}')
    if problem.penalty:
        penalised.check(solver, problem)
    check_memory(problem, world, exact=solver.exact(problem.network.depth, problem.loss.name))
