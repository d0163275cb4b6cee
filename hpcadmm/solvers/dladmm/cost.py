"""What an iteration of dlADMM costs one rank: matrix products, other operations, memory."""

from typing import Any

from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import data_rows, rounded, summed
from hpcadmm.solvers.shared.ops import Bill


def bill(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """The operations of an iteration: each block of each layer, backward and forward, as in `DlAdmm.step`."""
    case, L = place.case, place.case.L
    bill = Bill(place.columns, place.calls, case.item)
    for way in ("backward", "forward"):
        for l in range(1, L + 1):
            weights(bill, place, l, way)
            if case.bias:
                bill.passes(l, far=4 * case.n[l], near=4 * case.n[l], calls=8)
                bill.sum(l, 8 * place.tiles * case.n[l])
            bill.kernel(l, f"{case.activation if l < L else case.loss} prox", case.n[l])
            bill.passes(l, far=5 * case.n[l], near=6 * case.n[l], calls=8)
            if l < L:
                activations(bill, place, l, way)
    bill.passes(L, near=4 * case.n[L])
    return bill


def weights(bill: Bill, place: Place, l: int, way: str) -> None:
    """D = F_l a_{l-1}^T, V = D a_{l-1}, r_l -= alpha V."""
    rows, columns = place.case.n[l], place.case.n[l - 1]
    bill.gemm(l, "outer", rows, columns, name=f"F{l} a{l - 1}^T {way}")
    bill.gemm(l, "apply", rows, columns, name=f"D{l} a{l - 1} {way}")
    bill.fold(l, rows * columns)
    bill.passes(l, far=6 * rows, near=4 * rows, calls=14)
    bill.memory(l, near=6 * 8 * rows * columns, calls=10)
    bill.sum(l, 8 * summed(place, rows, columns))
    bill.sum(l, 8 * place.tiles)


def activations(bill: Bill, place: Place, l: int, way: str) -> None:
    """g = nu (a_l - f(z_l)) - W_{l+1}^T F_{l+1}, V = W_{l+1} g, then a_l and r_{l+1}."""
    case, (units, above) = place.case, place.case.n[l : l + 2]
    bill.gemm(l + 1, "pull", units, above, name=f"W{l + 1}^T F{l + 1} {way}")
    bill.gemm(l + 1, "apply", above, units, name=f"W{l + 1} g{l} {way}")
    bill.kernel(l, f"{case.activation} value", units)
    bill.passes(l, far=7 * units + 6 * above, near=8 * units + 3 * above, calls=20)
    bill.sum(l, 8 * 2 * place.tiles)


def memory(solver: Any, place: Place) -> float:
    """Bytes of state and data."""
    case, n = place.case, place.case.n
    rows = sum(n[1:-1]) + (case.L - 1) * case.bias + 2 * sum(n[1:]) + n[-1]
    operands = rounded(place, sum(case.width(l) for l in range(1, case.L + 1)))
    return place.columns * (case.item * rows + data_rows(place) + operands) + case.weights * case.item
