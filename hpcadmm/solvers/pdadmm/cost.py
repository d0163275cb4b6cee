"""The bill of pdADMM's iteration on one rank of a grid of layers x samples."""

from hpcadmm.comm.wire.wire import Wire
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import data_rows, fit_activation, fit_weights, summed, triangle
from hpcadmm.solvers.shared.ops import Bill


def pdadmm(place: Place) -> Bill:
    """As `solvers/pdadmm.py`: p, W, b, z, q of this rank's layers; messages to the ranks beside it."""
    case, exact = place.case, place.case.solver.update == "exact"
    bill = Bill(place.columns, place.calls, case.item)
    for l in place.layers:
        (exact_steps if exact else quadratic_steps)(bill, place, l)
        split(bill, place, l, carried=not exact)
    wires(bill, place)
    return bill


def quadratic_steps(bill: Bill, place: Place, l: int) -> None:
    """Steps along gradients: W^T R and W g for p, R p^T and D p for W."""
    case, rows, columns = place.case, place.case.n[l], place.case.n[l - 1]
    if l > 1:
        bill.gemm(l, "pull", columns, rows)
        bill.gemm(l, "apply", rows, columns)
        bill.kernel(l, f"{case.activation} value", columns)
        bill.passes(l, far=5 * columns + 5 * rows, near=8 * columns + rows, calls=14)
        bill.sum(l, 8 * 2 * place.tiles)
    bill.gemm(l, "outer", rows, columns)
    bill.gemm(l, "apply", rows, columns)
    bill.fold(l, rows * case.width(l))
    bill.passes(l, far=rows, near=2 * rows, calls=10)
    bill.memory(l, far=5 * 8 * rows * columns, calls=10)
    bill.sum(l, 8 * summed(place, rows, case.width(l)))
    bill.sum(l, 8 * place.tiles)
    if case.bias:
        bill.sum(l, 8 * place.tiles * rows)


def exact_steps(bill: Bill, place: Place, l: int) -> None:
    """Exact minimisers: the a step of Taylor for p, normal equations for W, R formed where it is used."""
    case, rows, width = place.case, place.case.n[l], place.case.width(l)
    if l > 1:
        fit_activation(bill, l, rows, case.n[l - 1], width)
        bill.kernel(l, f"{case.activation} value", case.n[l - 1])
        bill.passes(l, far=2 * case.n[l - 1], near=6 * case.n[l - 1], calls=8)
    bill.gemm(l, "outer", rows, case.n[l - 1])
    bill.gemm(l, "gram", width, width)
    bill.fold(l, rows * width)
    bill.fold(l, triangle(width))
    bill.sum(l, 8 * (summed(place, rows, width) + summed(place, width)))
    fit_weights(bill, l, rows, width, factor=True)
    bill.gemm(l, "apply", rows, width)
    bill.passes(l, near=3 * rows, calls=3)


def split(bill: Bill, place: Place, l: int, carried: bool) -> None:
    """z, q and u of a layer, piece by piece."""
    case, rows = place.case, place.case.n[l]
    ends = place.layers[0], place.layers[-1]
    if carried:
        bill.passes(l, far=3 * rows * (2 if l in ends and len(place.layers) > 1 and l < case.L else 1), calls=3)
    if l == case.L:
        bill.kernel(l, f"{case.loss} prox", rows)
        bill.passes(l, far=3 * rows, near=5 * rows, calls=6)
        return
    bill.kernel(l, f"{case.activation} prox", rows)
    bill.kernel(l, f"{case.activation} value", 2 * rows)
    bill.passes(l, far=6 * rows, near=12 * rows, calls=14)


def wires(bill: Bill, place: Place) -> None:
    """p_l to the layer below and w_l to the layer above; what loses digits is coded within a rank too."""
    case, n = place.case, place.case.n
    wire = Wire(case.solver.wire or case.precision, case.precision)  # type: ignore[arg-type]
    for l in place.layers:
        for rows, far, crosses, first in (
            (case.width(l), l > 1, l == place.layers[0] and not place.lowest, True),
            (n[l], l < case.L, l == place.layers[-1] and not place.highest, False),
        ):
            if not far:
                continue
            if not wire.lossless:
                bill.passes(l, far=4 * rows, near=8 * rows, calls=10)
            elif crosses and not first:
                bill.passes(l, far=3 * rows, calls=4)  # w is formed
            if crosses:
                bill.send(l, sent(wire, rows, place), overlapped=first)


def sent(wire: Wire, rows: int, place: Place) -> float:
    """Bytes of an array of so many rows."""
    return wire.unit.itemsize * rows * place.columns + wire.head * place.calls


def pdadmm_memory(place: Place) -> float:
    """Bytes of state, links, buffers and data."""
    case, n, exact = place.case, place.case.n, place.case.solver.update == "exact"
    wire = Wire(case.solver.wire or case.precision, case.precision)  # type: ignore[arg-type]
    rows = 0
    for l in place.layers:
        inputs, outputs = case.width(l) * (l > 1), n[l] * (l < case.L)
        rows += (inputs + outputs) * (1 if wire.lossless else 2) + n[l] * (1 if exact else 2)
    if not exact:
        rows += 2 * max(max(n[l - 1 : l + 1]) for l in place.layers)
    rows += 0 if place.highest else 2 * n[place.layers[-1]]
    rows += 0 if place.lowest else n[place.layers[0] - 1]
    return place.columns * (case.item * rows + data_rows(place)) + case.weights * case.item
