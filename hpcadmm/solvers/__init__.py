"""The algorithms, one a file; a solver is a frozen dataclass of hyperparameters, which is its [solver] table."""

from hpcadmm.registry import Registry
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.taylor import Taylor

SOLVERS = Registry("solver.name", Taylor)

__all__ = ["SOLVERS", "Solver", "Taylor"]
