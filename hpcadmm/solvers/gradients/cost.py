"""The operations of the gradient methods: a minibatch step, and an evaluation of cg and lbfgs."""

from typing import Any

from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import batch_bill, forward_and_back, gradient_memory, gradient_sum
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.subproblems.orthogonal import TIMES


def stochastic(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """A step on one minibatch."""
    case, bill = place.case, batch_bill(place)
    forward_and_back(bill, place)
    gradient_sum(bill, place)
    vectors = 1 + len(solver.memory) + bool(solver.average) + bool(solver.max_norm)
    for l in place.layers:
        bill.memory(l, near=case.n[l] * case.width(l) * (8 + 2 * case.item * vectors), calls=20)
    return bill


def stochastic_memory(solver: Any, place: Place) -> float:
    """Bytes of state, sums and data."""
    return gradient_memory(place, len(solver.memory) + bool(solver.average))


def muon(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """A step on one minibatch, and the Newton-Schulz iterations of the matrices."""
    case, bill = place.case, stochastic(solver, place, iteration)
    for l in solver.matrices(case.L):
        least, largest = sorted((case.n[l], case.n[l - 1]))
        long, square = Bill(TIMES * largest, TIMES, case.item), Bill(TIMES * least, TIMES, case.item)
        long.gemm(l, "gram", least, least, name=f"X{l} X{l}^T")
        square.gemm(l, "apply", least, least, name=f"Y{l} Y{l}")
        long.gemm(l, "apply", least, least, name=f"Y{l} X{l}")
        bill.ops += long.ops + square.ops
        bill.memory(l, far=TIMES * case.item * (6 * least * largest + 6 * least**2), calls=TIMES * 10)
    return bill


def soap(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """A step on one minibatch, three rotations of each W_l, and the moments of both its sides."""
    case, bill = place.case, stochastic(solver, place, iteration)
    often = 1 / solver.refresh if iteration is None else float(iteration > 0 and iteration % solver.refresh == 0)
    for l in place.layers:
        rows, columns = case.n[l], case.width(l)
        wide, high, right = (Bill(k, 1, case.item) for k in (columns, rows, columns))
        for k in range(3 if rows <= solver.largest else 0):
            wide.gemm(l, "apply", rows, rows, name=f"QL{l} G{l} {k + 1}")
        for k in range(3 if columns <= solver.largest else 0):
            right.gemm(l, "apply", rows, columns, name=f"G{l} QR{l} {k + 1}")
        for side, size, side_bill in (("L", rows, wide), ("R", columns, high)):
            if size <= solver.largest:
                side_bill.gemm(l, "gram", size, size, name=f"{side}{l}")
                turn = Bill(size, 1, case.item)
                turn.gemm(l, "apply", size, size, often, f"{side}{l} Q{side}{l}")
                bill.ops += turn.ops
                bill.memory(l, far=often * 30 * case.item * size**2, calls=10)
        bill.ops += wide.ops + right.ops + high.ops
    return bill


def soap_memory(solver: Any, place: Place) -> float:
    """Bytes of state, sums and data."""
    case = place.case
    sides = (size for l in place.layers for size in (case.n[l], case.width(l)) if size <= solver.largest)
    return stochastic_memory(solver, place) + 2 * case.item * sum(size**2 for size in sides)


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
