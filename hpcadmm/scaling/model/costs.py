"""Which solvers have a bill, and how much memory they need."""

from collections.abc import Callable

from hpcadmm.errors import UsageError
from hpcadmm.scaling.model import cost_admm, cost_gradients, cost_pdadmm
from hpcadmm.scaling.model.case import Place
from hpcadmm.scaling.model.ops import Bill

BILLS: dict[str, Callable[[Place], Bill]] = {
    "taylor": cost_admm.taylor,
    "dladmm": cost_admm.dladmm,
    "pdadmm": cost_pdadmm.pdadmm,
    "mpadmm": cost_gradients.mpadmm,
    "sgd": cost_gradients.stochastic,
    "adadelta": cost_gradients.stochastic,
    "adagrad": cost_gradients.stochastic,
    "adam": cost_gradients.stochastic,
    "gd": cost_gradients.gd,
    "cg": cost_gradients.full_batch,
    "lbfgs": cost_gradients.full_batch,
}
MEMORY: dict[str, Callable[[Place], float]] = {
    "taylor": cost_admm.taylor_memory,
    "dladmm": cost_admm.dladmm_memory,
    "pdadmm": cost_pdadmm.pdadmm_memory,
}


def known(name: str) -> None:
    """Raise UsageError for a solver without a bill."""
    if name not in BILLS:
        raise UsageError(f"the model does not know the costs of {name}; it knows {', '.join(BILLS)}")


def bill(place: Place) -> Bill:
    """What one rank does in an iteration (of cg and lbfgs: in an evaluation)."""
    known(place.case.solver.name)
    return BILLS[place.case.solver.name](place)


def memory(place: Place) -> float:
    """Bytes of a rank's state and training data, about."""
    return MEMORY.get(place.case.solver.name, cost_gradients.gradient_memory)(place)
