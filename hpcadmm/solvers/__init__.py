"""The algorithms, one a file; a solver is a frozen dataclass of hyperparameters, which is its [solver] table."""

from hpcadmm.registry import Registry
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.consensus import Consensus
from hpcadmm.solvers.dladmm import DlAdmm
from hpcadmm.solvers.gadmm import Gadmm
from hpcadmm.solvers.gd import Gd
from hpcadmm.solvers.mpadmm import MpAdmm
from hpcadmm.solvers.pdadmm import PdAdmm
from hpcadmm.solvers.qgadmm import QGadmm
from hpcadmm.solvers.qgd import QGd
from hpcadmm.solvers.taylor import Taylor

SOLVERS = Registry("solver.name", Taylor, DlAdmm, PdAdmm, Gadmm, QGadmm, MpAdmm, Consensus, Gd, QGd)

__all__ = ["SOLVERS", "Consensus", "DlAdmm", "Gadmm", "Gd", "MpAdmm", "PdAdmm", "QGadmm", "QGd", "Solver", "Taylor"]
