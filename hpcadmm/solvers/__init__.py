"""The algorithms, a package for each family. A solver is a frozen dataclass of hyperparameters: its [solver] table."""

from typing import Any

from hpcadmm.registry import Registry
from hpcadmm.solvers.base import Solver

SOLVERS = Registry(
    "solver.name",
    group="hpcadmm.solvers",
    base="hpcadmm.solvers.base:Solver",
    later={
        "taylor": "hpcadmm.solvers.taylor.taylor:Taylor",
        "dladmm": "hpcadmm.solvers.dladmm.dladmm:DlAdmm",
        "pdadmm": "hpcadmm.solvers.pdadmm.pdadmm:PdAdmm",
        "gadmm": "hpcadmm.solvers.workers.gadmm:Gadmm",
        "qgadmm": "hpcadmm.solvers.workers.qgadmm:QGadmm",
        "mpadmm": "hpcadmm.solvers.mpadmm.mpadmm:MpAdmm",
        "consensus": "hpcadmm.solvers.workers.consensus:Consensus",
        "unwrapped": "hpcadmm.solvers.convex.unwrapped:Unwrapped",
        "gd": "hpcadmm.solvers.workers.gd:Gd",
        "qgd": "hpcadmm.solvers.workers.qgd:QGd",
        "dpsgd": "hpcadmm.solvers.workers.gossip.dpsgd:DPsgd",
        "diging": "hpcadmm.solvers.workers.gossip.diging:Diging",
        "extra": "hpcadmm.solvers.workers.gossip.extra:Extra",
        "sgd": "hpcadmm.solvers.gradients.sgd:Sgd",
        "adadelta": "hpcadmm.solvers.gradients.adadelta:Adadelta",
        "adagrad": "hpcadmm.solvers.gradients.adagrad:Adagrad",
        "adam": "hpcadmm.solvers.gradients.adam:Adam",
        "muon": "hpcadmm.solvers.gradients.muon:Muon",
        "soap": "hpcadmm.solvers.gradients.soap:Soap",
        "cg": "hpcadmm.solvers.gradients.cg:Cg",
        "lbfgs": "hpcadmm.solvers.gradients.lbfgs:Lbfgs",
    },
)
__all__ = ["SOLVERS", "Solver"]


def __getattr__(name: str) -> Any:
    """The class of a solver, so that `from hpcadmm.solvers import Taylor` works; imported when asked for."""
    if name[:1].isupper():
        for solver in SOLVERS.values():
            if solver.__name__ == name:
                return solver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
