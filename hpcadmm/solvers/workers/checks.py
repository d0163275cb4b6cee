"""What consensus refuses."""

from typing import Any

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.workers.local import check_exact, check_memory, stepped
from hpcadmm.solvers.workers.server import MOVES


def check(solver: Any, L: int) -> None:
    """UsageError for exact steps of a network or below an average, and for keys of another server."""
    if solver.local == "exact" and L > 1:
        raise UsageError('solver.local = "exact" needs a linear model, network.hidden = []: use "adam" or "mpadmm"')
    if solver.local == "exact" and solver.server != "admm":
        raise UsageError(
            f'solver.local = "exact" needs solver.server = "admm", not "{solver.server}": the mean of the minimisers '
            'of single workers is not the minimiser of all; use solver.local = "adam"'
        )
    if solver.local == "mpadmm" and solver.moments == "shared":
        raise UsageError(
            'solver.local = "mpadmm": each worker has A and B of its own, solver.moments = "own". Workers that share '
            'them, around an average: solver.name = "mpadmm" with solver.local_steps'
        )
    if solver.eta is not None and solver.local != "mpadmm":
        raise UsageError('solver.eta needs solver.local = "mpadmm": the steps of Adam have solver.rate')
    for key in ("outer_rate", "outer_momentum"):
        if getattr(solver, key) is not None and solver.server not in MOVES:
            known = " or ".join(f'"{name}"' for name in MOVES)
            raise UsageError(f'solver.{key} needs solver.server = {known}; "{solver.server}" has none: remove it')


def check_loss(solver: Any, loss: Any, penalised: bool) -> None:
    """UsageError for exact steps of a loss that has none, and for keys that a [penalty] does not go with."""
    if not penalised:
        check_exact(solver, loss)
        return
    if solver.server != "admm" or solver.local in ("adam", "mpadmm") or solver.participate < 1:
        raise UsageError('[penalty]: consensus needs server = "admm", local = "exact" and participate = 1 with it')
    if solver.dual_step is not None:
        raise UsageError("solver.dual_step: has no effect with a [penalty]; remove it (solver.alpha relaxes)")
    if not stepped(loss):
        raise UsageError(f'[penalty]: consensus has no local step for loss.name = "{loss.name}": use unwrapped')


def check_problem(solver: Any, problem: Problem, world: World) -> None:
    """UsageError for exact steps whose factors do not fit the memory."""
    check_memory(problem, world, exact=solver.exact(problem.network.depth, problem.loss.name))
