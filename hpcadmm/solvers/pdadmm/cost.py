"""What an iteration of pdADMM costs: the bill of one rank of a grid of layers x samples."""

from typing import Any

import numpy as np

from hpcadmm.comm.wire.wire import Wire
from hpcadmm.model.network import Network
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import data_rows, fit_activation, fit_weights, rounded, summed, triangle
from hpcadmm.solvers.shared.ops import Bill

PASSES = 100  # cost in multiply-adds of all reads and writes of an entry of p, z, q, R in an iteration


def layer_costs(solver: Any, network: Network, tiles: Tiles) -> list[float]:
    """Multiply-adds a sample of each layer, by the products of the size of its W; the first layer has no p step."""
    n, first, later = network.n, *((2.5, 4.5) if solver.update == "exact" else (2.0, 4.0))
    return [
        n[l] * n[l - 1] * (later if l > 1 else first) + PASSES * (n[l] + n[l - 1] * (l > 1))
        for l in range(1, network.depth + 1)
    ]


def bill(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """p, W, b, z, q of this rank's layers, and the messages to the ranks that hold the neighbouring layers."""
    exact = solver.update == "exact"
    everything = Bill(place.columns, place.calls, place.case.item)
    for l in place.layers:
        (exact_steps if exact else quadratic_steps)(everything, place, l)
        split(everything, place, l, carried=not exact)
    wires(everything, place)
    return everything


def quadratic_steps(bill: Bill, place: Place, l: int) -> None:
    """Steps along gradients: W^T R and W g for p, R p^T and D p for W."""
    case, rows, columns = place.case, place.case.n[l], place.case.n[l - 1]
    if l > 1:
        bill.gemm(l, "pull", columns, rows, name=f"W{l}^T R{l}")
        bill.gemm(l, "apply", rows, columns, name=f"W{l} g{l}")
        bill.kernel(l, f"{case.activation} value", columns)
        bill.passes(l, far=5 * columns + 5 * rows, near=8 * columns + rows, calls=14)
        bill.sum(l, 8 * 2 * place.tiles)
    bill.gemm(l, "outer", rows, case.width(l), name=f"z{l} p{l}^T")
    bill.gemm(l, "apply", rows, columns, name=f"D{l} p{l}")
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
    bill.gemm(l, "outer", rows, width, name=f"z{l} p{l}^T")
    bill.gemm(l, "gram", width, width, name=f"p{l} p{l}^T")
    bill.fold(l, rows * width)
    bill.fold(l, triangle(width))
    bill.sum(l, 8 * (summed(place, rows, width) + summed(place, width)))
    fit_weights(bill, l, rows, width, factor=True)
    bill.gemm(l, "apply", rows, width, name=f"W{l} p{l}")
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
    """p_l to the layer below and w_l to the layer above; a wire that loses digits codes within a rank too."""
    case, wire = place.case, wire_of(place)
    for l in place.layers:
        down, up = l == place.layers[0] and not place.lowest, l == place.layers[-1] and not place.highest
        if l > 1:
            message(bill, place, wire, l, case.width(l), crosses=down, overlapped=True)
        if l < case.L:
            if up and wire.lossless:
                bill.passes(l, far=3 * case.n[l], calls=4)  # w is formed
            message(bill, place, wire, l, case.n[l], crosses=up)


def message(
    bill: Bill, place: Place, wire: Wire, l: int, rows: int, *, crosses: bool, overlapped: bool = False
) -> None:
    """An array with this many rows is coded, if the wire loses digits, and sent, if it crosses ranks."""
    if not wire.lossless:
        bill.passes(l, far=4 * rows, near=8 * rows, calls=10)
    if crosses:
        size = wire.unit.itemsize * rows * place.columns + wire.head * place.calls
        bill.send(l, size, overlapped=overlapped)


def wire_of(place: Place) -> Wire:
    dtype = np.dtype(place.case.dtype)
    return Wire(place.case.solver.wire or dtype.name, dtype)


def memory(solver: Any, place: Place) -> float:
    """Bytes of state, links, buffers and data."""
    case, n, exact, lossless = place.case, place.case.n, solver.update == "exact", wire_of(place).lossless
    rows = 0
    for l in place.layers:
        inputs, outputs = case.width(l) * (l > 1), n[l] * (l < case.L)
        rows += (inputs + outputs) * (1 if lossless else 2) + n[l] * (1 if exact else 2)
    if not exact:
        rows += 2 * max(max(n[l - 1 : l + 1]) for l in place.layers)
    rows += 0 if place.highest else 2 * n[place.layers[-1]]
    rows += 0 if place.lowest else n[place.layers[0] - 1]
    operands = rounded(place, sum(case.width(l) + n[l] for l in place.layers))
    return place.columns * (case.item * rows + data_rows(place) + operands) + case.weights * case.item
