"""What a sweep of Taylor's method costs one rank: matrix products, other operations, memory."""

from typing import Any

from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import data_rows, fit_activation, fit_weights, rounded, summed, triangle
from hpcadmm.solvers.shared.ops import Bill


def bill(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """The operations of a sweep, layer by layer as in `Taylor.step`."""
    case, n, L = place.case, place.case.n, place.case.L
    bill = Bill(place.columns, place.calls, case.item)
    for l in range(1, L + 1):
        fit_weights(bill, l, n[l], case.width(l), factor=l > 1)
        bill.gemm(l, "apply", n[l], case.width(l), name=f"W{l} a{l - 1}")
        if l == L:
            bill.kernel(l, f"{case.loss} prox", n[L])
            bill.passes(l, far=2 * n[L], near=4 * n[L] if solver.warm is not None else 0, calls=6)
        else:
            fit_activation(bill, l, n[l + 1], n[l], case.width(l + 1), upper=l + 1)
            bill.kernel(l, f"{case.activation} value", n[l])
            bill.kernel(l, f"{case.activation} prox", n[l])
            bill.passes(l, far=3 * n[l], near=3 * n[l], calls=8)
        sums(bill, place, l)
    return bill


def sums(bill: Bill, place: Place, l: int) -> None:
    """The products z a^T and a a^T that are summed during the pass over layer l, and their Allreduce."""
    case, n, size = place.case, place.case.n, 0
    for k in (k for k in ((1, 2) if l == 1 else (l + 1,)) if k <= case.L):
        rows, columns = n[k], case.width(k)
        bill.gemm(k, "outer", rows, columns, name=f"z{k} a{k - 1}^T")
        bill.fold(k, rows * columns)
        size += summed(place, rows, columns)
        if k > 1:
            bill.gemm(k, "gram", columns, columns, name=f"a{k - 1} a{k - 1}^T")
            bill.fold(k, triangle(columns))
            size += summed(place, columns)
    if size:
        bill.memory(l, far=3 * 8 * size, calls=10)
        bill.sum(l, 8 * size)


def memory(solver: Any, place: Place) -> float:
    """Bytes of state and data."""
    case, n = place.case, place.case.n
    rows = sum(n[1:-1]) + (case.L - 1) * case.bias + sum(n[1:]) + n[-1]
    operands = rounded(place, rows - n[-1] + case.width(1))
    return (
        place.columns * (case.item * rows + data_rows(place) + operands)
        + case.weights * case.item
        + 8 * n[1] * case.width(1)
    )
