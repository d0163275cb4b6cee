"""The bill of Taylor's sweep, and its memory."""

from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import data_rows, fit_activation, fit_weights, summed, triangle
from hpcadmm.solvers.shared.ops import Bill


def taylor(place: Place) -> Bill:
    """Of a sweep, as `solvers/taylor.py` goes through the layers."""
    case, n, L = place.case, place.case.n, place.case.L
    bill = Bill(place.columns, place.calls, case.item)
    for l in range(1, L + 1):
        fit_weights(bill, l, n[l], case.width(l), factor=l > 1)
        bill.gemm(l, "apply", n[l], case.width(l))
        if l == L:
            bill.kernel(l, f"{case.loss} prox", n[L])
            bill.passes(l, far=2 * n[L], near=4 * n[L] if case.solver.warm is not None else 0, calls=6)
        else:
            fit_activation(bill, l, n[l + 1], n[l], case.width(l + 1))
            bill.kernel(l, f"{case.activation} value", n[l])
            bill.kernel(l, f"{case.activation} prox", n[l])
            bill.passes(l, far=3 * n[l], near=3 * n[l], calls=8)
        taylor_sums(bill, place, l)
    return bill


def taylor_sums(bill: Bill, place: Place, l: int) -> None:
    """z a^T and a a^T that the pass over layer l makes, and their one message."""
    case, n, size = place.case, place.case.n, 0
    if l < case.L:
        rows, columns = n[l + 1], case.width(l + 1)
        bill.gemm(l + 1, "outer", rows, columns)
        bill.gemm(l + 1, "gram", columns, columns)
        bill.fold(l + 1, rows * columns)
        bill.fold(l + 1, triangle(columns))
        size = summed(place, rows, columns) + summed(place, columns)
    if l == 1:
        bill.gemm(1, "outer", n[1], case.width(1))
        bill.fold(1, n[1] * case.width(1))
        size += summed(place, n[1], case.width(1))
    if size:
        bill.memory(l, far=3 * 8 * size, calls=10)
        bill.sum(l, 8 * size)


def taylor_memory(place: Place) -> float:
    """Bytes of state and data."""
    case, n = place.case, place.case.n
    rows = sum(n[1:-1]) + (case.L - 1) * case.bias + sum(n[1:]) + n[-1]
    return place.columns * (case.item * rows + data_rows(place)) + case.weights * case.item + 8 * n[1] * case.width(1)
