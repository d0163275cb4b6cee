"""The algorithms, one a file; a solver is a frozen dataclass of hyperparameters, which is its [solver] table."""

from hpcadmm.registry import Registry
from hpcadmm.solvers.adadelta import Adadelta
from hpcadmm.solvers.adagrad import Adagrad
from hpcadmm.solvers.adam import Adam
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.cg import Cg
from hpcadmm.solvers.consensus import Consensus
from hpcadmm.solvers.dladmm import DlAdmm
from hpcadmm.solvers.gadmm import Gadmm
from hpcadmm.solvers.gd import Gd
from hpcadmm.solvers.lbfgs import Lbfgs
from hpcadmm.solvers.mpadmm import MpAdmm
from hpcadmm.solvers.pdadmm import PdAdmm
from hpcadmm.solvers.qgadmm import QGadmm
from hpcadmm.solvers.qgd import QGd
from hpcadmm.solvers.sgd import Sgd
from hpcadmm.solvers.taylor import Taylor

CLASSES = (Taylor, DlAdmm, PdAdmm, Gadmm, QGadmm, MpAdmm, Consensus, Gd, QGd, Sgd, Adadelta, Adagrad, Adam, Cg, Lbfgs)
SOLVERS = Registry("solver.name", *CLASSES)

__all__ = [
    "SOLVERS",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Cg",
    "Consensus",
    "DlAdmm",
    "Gadmm",
    "Gd",
    "Lbfgs",
    "MpAdmm",
    "PdAdmm",
    "QGadmm",
    "QGd",
    "Sgd",
    "Solver",
    "Taylor",
]
