"""The operations of the gradient methods: a minibatch step, and an evaluation of cg and lbfgs."""

from typing import Any

from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import batch_bill, forward_and_back, gradient_memory, gradient_sum
from hpcadmm.solvers.shared.ops import Bill


def stochastic(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """A step on one minibatch."""
    case, bill = place.case, batch_bill(place)
    forward_and_back(bill, place)
    gradient_sum(bill, place)
    vectors = 1 + len(solver.memory)
    for l in place.layers:
        bill.memory(l, near=case.n[l] * case.width(l) * (8 + 2 * case.item * vectors), calls=20)
    return bill


def stochastic_memory(solver: Any, place: Place) -> float:
    """Bytes of state, sums and data."""
    return gradient_memory(place, len(solver.memory))


def full_batch(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """One evaluation of f and its gradient, and a step."""
    case, bill = place.case, batch_bill(place)
    forward_and_back(bill, place)
    gradient_sum(bill, place)
    bill.kernel(case.L, f"{case.loss} gradient", case.n[-1])  # its value
    bill.sum(case.L, 8 * place.tiles)
    bill.memory(1, near=8 * (10 + 4 * pairs(solver)) * case.weights, calls=200)
    return bill


def full_batch_memory(solver: Any, place: Place) -> float:
    """Bytes of state, sums and data."""
    return gradient_memory(place) + 8 * place.case.weights * (8 + 2 * pairs(solver))


def pairs(solver: Any) -> int:
    """Pairs of vectors that cg or lbfgs keeps."""
    return getattr(solver, "memory", 1)
