"""The bill of dlADMM's iteration, and its memory."""

from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import data_rows, summed
from hpcadmm.solvers.shared.ops import Bill


def dladmm(place: Place) -> Bill:
    """Of an iteration: every layer's W, b and z backward and forward, its a twice, as `solvers/dladmm.py`."""
    case, L = place.case, place.case.L
    bill = Bill(place.columns, place.calls, case.item)
    for l in range(1, L + 1):
        for _ in range(2):
            dladmm_weights(bill, place, l)
            if case.bias:
                bill.passes(l, far=4 * case.n[l], near=4 * case.n[l], calls=8)
                bill.sum(l, 8 * place.tiles * case.n[l])
            bill.kernel(l, f"{case.activation if l < L else case.loss} prox", case.n[l])
            bill.passes(l, far=5 * case.n[l], near=6 * case.n[l], calls=8)
            if l < L:
                dladmm_activations(bill, place, l)
    bill.passes(L, near=4 * case.n[L])
    return bill


def dladmm_weights(bill: Bill, place: Place, l: int) -> None:
    """D = F a^T, V = D a, r -= alpha V."""
    rows, columns = place.case.n[l], place.case.n[l - 1]
    bill.gemm(l, "outer", rows, columns)
    bill.gemm(l, "apply", rows, columns)
    bill.fold(l, rows * columns)
    bill.passes(l, far=6 * rows, near=4 * rows, calls=14)
    bill.memory(l, near=6 * 8 * rows * columns, calls=10)
    bill.sum(l, 8 * summed(place, rows, columns))
    bill.sum(l, 8 * place.tiles)


def dladmm_activations(bill: Bill, place: Place, l: int) -> None:
    """g = nu (a - f(z)) - W^T F, V = W g, then a and r."""
    case, (units, above) = place.case, place.case.n[l : l + 2]
    bill.gemm(l + 1, "pull", units, above)
    bill.gemm(l + 1, "apply", above, units)
    bill.kernel(l, f"{case.activation} value", units)
    bill.passes(l, far=7 * units + 6 * above, near=8 * units + 3 * above, calls=20)
    bill.sum(l, 8 * 2 * place.tiles)


def dladmm_memory(place: Place) -> float:
    """Bytes of state and data."""
    case, n = place.case, place.case.n
    rows = sum(n[1:-1]) + (case.L - 1) * case.bias + 2 * sum(n[1:]) + n[-1]
    return place.columns * (case.item * rows + data_rows(place)) + case.weights * case.item
