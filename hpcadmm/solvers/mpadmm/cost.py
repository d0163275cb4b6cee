"""The operations and the memory of a sweep of mpadmm."""

from typing import Any

from hpcadmm.comm.exact.sums import words
from hpcadmm.comm.wire.narrow import NARROW
from hpcadmm.solvers.mpadmm import local_cost
from hpcadmm.solvers.mpadmm.inverses import Key, inverters
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import batch_bill, forward_and_back, gradient_memory, gradients, summed, triangle
from hpcadmm.solvers.shared.ops import Bill


def bill(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """Sweep `iteration` = 0, 1, ...; None: a mean one after the first `warm` sweeps. Without a line search."""
    case, n, column = place.case, place.case.n, place.column or 0
    owners = dealt(solver, place, iteration)
    local = local_cost.is_round(solver, iteration)
    bill = local_cost.steps(place) if local else batch_bill(place)
    forward_and_back(bill, place, summed=not local)
    moves, share = (bill.calls, 1 / solver.local_steps) if local else (1, 1.0)  # steps of W; with curvature, of these
    for l in place.layers:
        columns, used = case.width(l), iteration if iteration is None else solver.source(l, iteration)
        for kind, x, size, first in (("P", f"a{l - 1}", columns, l == 1), ("Q", f"lam{l}", n[l], False)):
            formed, inverted = (often(solver, k, inputs=first) for k in (iteration, used))
            bill.gemm(l, "gram", size, size, formed * share, f"{x} {x}^T")
            bill.fold(l, triangle(size), formed * share)
            bill.memory(l, far=inverted * size * size * 60, calls=20 * inverted)
            if (kind, l) in place.block.lent:
                bill.send(l, size * size * 8, times=inverted)
            elif owners.get((kind, l), column) == column:
                bill.dense(l, "inverse", size, times=inverted, name=f"({x} {x}^T)^-1")
            if (kind, l) in owners:  # a broadcast, priced as a sum
                bill.sum(l, size * size * case.item, times=inverted)
        step = Bill(columns * moves, moves, case.item)
        step.gemm(l, "apply", n[l], columns, name=f"C{l} P{l}")
        step.gemm(l, "apply", n[l], n[l], name=f"Q{l} C{l}")
        bill.ops += step.ops
        bill.memory(l, far=moves * n[l] * columns * (5 * 8 + 5 * case.item), calls=20 * moves)
    for kind, l in place.block.helps:
        size, x = (case.width(l), f"a{l - 1}") if kind == "P" else (n[l], f"lam{l}")
        bill.dense(l, "inverse", size, times=often(solver, iteration), name=f"({x} {x}^T)^-1")
        bill.send(l, size * size * case.item, times=often(solver, iteration))
    more = local_cost.average(bill, place) if local else 0
    messages(bill, place, often(solver, iteration), often(solver, iteration, inputs=True), more)
    return bill


def variant(solver: Any) -> str:
    """What of the options changes how sums travel, and how many there are."""
    found = [f"{solver.local_steps} local steps"] if solver.local_steps else ["late sums"] if solver.late else []
    return ", ".join([*found, *([f"sums in {solver.sums}"] if solver.sums in NARROW else [])])


def carries(solver: Any) -> bool:
    """Do sums travel into the next sweep?"""
    return bool(solver.late)


def often(solver: Any, sweep: int | None, inputs: bool = False) -> float:
    """The share of such sweeps that refresh the penalties, with `inputs`: P_1."""
    if sweep is None:
        return 0.0 if inputs else 1 / solver.refresh
    return float(sweep >= 0 and solver.refreshes(sweep, inputs=inputs))


def dealt(solver: Any, place: Place, iteration: int | None) -> dict[Key, int]:
    """Which rank inverts which matrix in this sweep; a late layer is dealt by itself."""
    layers = tuple(place.layers)
    groups = [[l for l in layers if l == 1], [l for l in layers if l > 1]] if solver.late else [layers]
    inputs = bool(often(solver, iteration if iteration is None else solver.source(1, iteration), inputs=True))
    options = solver.inverses, place.case.network
    found = (inverters(*options, tuple(group), place.samples, place.case.item, inputs) for group in groups)
    return {key: rank for owners in found for key, rank in owners.items()}


def messages(bill: Bill, place: Place, refresh: float, inputs: float, more: int = 0) -> None:
    """One sum over the ranks with the same layers; along the chain parts of the batch and two numbers.

    With `late` the loads of layer 1's sums are part of it; their entries follow, each kind in a message of its own, but
    in one message if the sums are narrow."""
    case, n, first, last = place.case, place.case.n, place.layers[0], place.layers[-1]
    size = float(gradients(place) + more)
    for l in place.layers:
        size += (inputs if l == 1 else refresh) * summed(place, case.width(l), patient=True)
        size += refresh * summed(place, n[l], patient=True)
    bill.memory(first, far=2 * 8 * size, calls=20)
    following = entries(place) if case.solver.late and place.lowest else (0, 0, 0)
    kinds = [(float(numbers), share) for numbers, share in zip(following, (1.0, inputs, refresh), strict=True)]
    late = sum((numbers * share for numbers, share in kinds), 0.0)
    size -= late
    if case.solver.sums in NARROW:
        kinds = [(late, 1.0)]
    for numbers, share in kinds:
        if share * numbers:
            bill.sum(first, 8 * numbers, times=share, overlapped=True)
    bill.sum(first, 8 * size)
    bill.sum(first, 8 * (case.L + 1), "chain", times=2)
    part = bill.columns / bill.calls * case.item if bill.calls else 0.0
    if not place.highest:
        bill.send(last, (n[last] + case.bias) * part, times=bill.calls, overlapped=True)
    if not place.lowest:
        lent = place.shared[0]  # lam and W travel, not W^T lam
        bill.send(first, n[first if lent else first - 1] * part, times=bill.calls, overlapped=True)
        if lent:
            bill.send(first, n[first] * case.width(first) * case.item, overlapped=True)


def entries(place: Place) -> tuple[int, ...]:
    """Numbers of the sums of layer 1, without their loads: lam_1 a_0^T, a_0 a_0^T and lam_1 lam_1^T."""
    rows, columns = place.case.n[1], place.case.width(1)
    loads = place.case.solver.sums not in NARROW
    gradient = summed(place, rows, columns, patient=True) - (rows + columns) * loads
    return gradient, *(summed(place, n, patient=True) - n * loads for n in (columns, rows))


def fill(solver: Any, place: Place) -> Bill | None:
    """The forward pass, which goes through the chain before the last of its ranks has work."""
    if place.chain == 1:
        return None
    bill, case = batch_bill(place), place.case
    for l in place.layers:
        bill.gemm(l, "apply", case.n[l], case.width(l), name=f"W{l} a{l - 1}")
        bill.kernel(l, f"{case.activation} value", case.n[l])
    return bill


def memory(solver: Any, place: Place) -> float:
    """Bytes of state, sums and data."""
    case = place.case
    penalties = sum((case.n[l] ** 2 + case.width(l) ** 2) * (3 * 8 + case.item) for l in place.layers)
    rows, columns = case.n[1], case.width(1)
    twice = words(case.dtype, plain=solver.sums != "exact", patient=True) * (rows * columns + rows**2 + columns**2)
    late = 8 * twice * (solver.late and place.lowest)
    return gradient_memory(place) + penalties + late + (local_cost.memory(place) if solver.local_steps else 0.0)
