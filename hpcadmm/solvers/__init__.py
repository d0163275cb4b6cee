"""The algorithms, one a file; a solver is a frozen dataclass of hyperparameters, which is its [solver] table."""

from typing import Any

from hpcadmm.registry import Registry
from hpcadmm.solvers.base import Solver

SOLVERS = Registry(
    "solver.name",
    later={
        "taylor": "hpcadmm.solvers.taylor:Taylor",
        "dladmm": "hpcadmm.solvers.dladmm:DlAdmm",
        "pdadmm": "hpcadmm.solvers.pdadmm:PdAdmm",
        "gadmm": "hpcadmm.solvers.gadmm:Gadmm",
        "qgadmm": "hpcadmm.solvers.qgadmm:QGadmm",
        "mpadmm": "hpcadmm.solvers.mpadmm:MpAdmm",
        "consensus": "hpcadmm.solvers.consensus:Consensus",
        "gd": "hpcadmm.solvers.gd:Gd",
        "qgd": "hpcadmm.solvers.qgd:QGd",
        "sgd": "hpcadmm.solvers.sgd:Sgd",
        "adadelta": "hpcadmm.solvers.adadelta:Adadelta",
        "adagrad": "hpcadmm.solvers.adagrad:Adagrad",
        "adam": "hpcadmm.solvers.adam:Adam",
        "cg": "hpcadmm.solvers.cg:Cg",
        "lbfgs": "hpcadmm.solvers.lbfgs:Lbfgs",
    },
)
__all__ = ["SOLVERS", "Solver"]


def __getattr__(name: str) -> Any:
    """The class of a solver: `from hpcadmm.solvers import Taylor` imports it then."""
    if name[:1].isupper():
        for solver in SOLVERS.values():
            if solver.__name__ == name:
                return solver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
