"""The algorithms, one a file; a solver is a frozen dataclass of hyperparameters, which is its [solver] table."""

from hpcadmm.registry import Registry
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.dladmm import DlAdmm
from hpcadmm.solvers.gadmm import Gadmm
from hpcadmm.solvers.mpadmm import MpAdmm
from hpcadmm.solvers.pdadmm import PdAdmm
from hpcadmm.solvers.qgadmm import QGadmm
from hpcadmm.solvers.taylor import Taylor

SOLVERS = Registry("solver.name", Taylor, DlAdmm, PdAdmm, Gadmm, QGadmm, MpAdmm)

__all__ = ["SOLVERS", "DlAdmm", "Gadmm", "MpAdmm", "PdAdmm", "QGadmm", "Solver", "Taylor"]
