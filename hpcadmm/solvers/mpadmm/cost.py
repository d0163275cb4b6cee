"""The operations and the memory of a sweep of mpadmm."""

from typing import Any

from hpcadmm.model.network import Network
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.mpadmm import local_cost
from hpcadmm.solvers.mpadmm.inverses import inverters
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import batch_bill, forward_and_back, gradient_memory, gradients, summed, triangle
from hpcadmm.solvers.shared.ops import Bill


def layer_costs(solver: Any, n: Network, tiles: Tiles) -> list[float]:
    """Multiply-adds of each layer in a mean sweep."""
    m = float(solver.batch or tiles.n)
    found = []
    for l in range(1, n.depth + 1):
        rows, columns = n.shape(l)
        once = m * columns * columns / 2 + columns**3 / 2 if l > 1 else 0.0
        again = m * rows * rows / 2 + rows**3 / 2 + once
        found.append(rows * columns * (m * (2 + (l > 1)) + rows + columns) + again / solver.refresh)
    return found


def bill(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """Sweep `iteration` = 0, 1, ...; None: a mean one after the first `warm` sweeps. Without a line search."""
    case, n = place.case, place.case.n
    refresh, inputs = 1 / solver.refresh, 0.0
    if iteration is not None:
        refresh, inputs = float(solver.refreshes(iteration)), float(solver.refreshes(iteration, inputs=True))
    column = place.column or 0
    owners = inverters(solver.inverses, case.network, place.layers, place.samples, case.item, bool(inputs))
    local = local_cost.is_round(solver, iteration)
    bill = local_cost.steps(place) if local else batch_bill(place)
    forward_and_back(bill, place, summed=not local)
    moves, share = (bill.calls, 1 / solver.local_steps) if local else (1, 1.0)  # steps of W; with curvature, of these
    for l in place.layers:
        columns = case.width(l)
        for kind, x, size, often in (
            ("P", f"a{l - 1}", columns, inputs if l == 1 else refresh),
            ("Q", f"lam{l}", n[l], refresh),
        ):
            bill.gemm(l, "gram", size, size, often * share, f"{x} {x}^T")
            bill.fold(l, triangle(size), often * share)
            bill.memory(l, far=often * size * size * 60, calls=20 * often)
            if owners.get((kind, l), column) == column:
                bill.dense(l, "inverse", size, times=often, name=f"({x} {x}^T)^-1")
            if (kind, l) in owners:  # a broadcast, priced as a sum
                bill.sum(l, size * size * case.item, times=often)
        step = Bill(columns * moves, moves, case.item)
        step.gemm(l, "apply", n[l], columns, name=f"C{l} P{l}")
        step.gemm(l, "apply", n[l], n[l], name=f"Q{l} C{l}")
        bill.ops += step.ops
        bill.memory(l, far=moves * n[l] * columns * (5 * 8 + 5 * case.item), calls=20 * moves)
    messages(bill, place, refresh, inputs, local_cost.average(bill, place) if local else 0)
    return bill


def messages(bill: Bill, place: Place, refresh: float, inputs: float, more: int = 0) -> None:
    """One sum over the ranks with the same layers; along the chain parts of the batch and two numbers."""
    case, n, first, last = place.case, place.case.n, place.layers[0], place.layers[-1]
    size = float(gradients(place) + more)
    for l in place.layers:
        often = inputs if l == 1 else refresh
        size += often * summed(place, case.width(l), patient=True) + refresh * summed(place, n[l], patient=True)
    bill.memory(first, far=2 * 8 * size, calls=20)
    bill.sum(first, 8 * size)
    bill.sum(first, 8 * (case.L + 1), "chain", times=2)
    part = bill.columns / bill.calls * case.item if bill.calls else 0.0
    if not place.highest:
        bill.send(last, (n[last] + case.bias) * part, times=bill.calls, overlapped=True)
    if not place.lowest:
        bill.send(first, n[first - 1] * part, times=bill.calls, overlapped=True)


def fill(solver: Any, place: Place) -> Bill | None:
    """What passes through the chain before the last of its ranks has work."""
    if place.chain == 1:
        return None
    bill = batch_bill(place)
    forward_and_back(bill, place)
    return bill


def memory(solver: Any, place: Place) -> float:
    """Bytes of state, sums and data."""
    case = place.case
    penalties = sum((case.n[l] ** 2 + case.width(l) ** 2) * (3 * 8 + case.item) for l in place.layers)
    return gradient_memory(place) + penalties + (local_cost.memory(place) if solver.local_steps else 0.0)
