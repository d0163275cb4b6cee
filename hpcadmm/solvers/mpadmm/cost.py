"""The bill of mpadmm's sweep, and its memory."""

from hpcadmm.errors import UsageError
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import batch_bill, forward_and_back, gradient_memory, gradients, summed, triangle
from hpcadmm.solvers.shared.ops import Bill


def mpadmm(place: Place, iteration: int | None = None) -> Bill:
    """A sweep: number `iteration` = 0, 1, ...; None: a mean one after the first `warm` sweeps."""
    case, solver, n = place.case, place.case.solver, place.case.n
    if not solver.batch:
        raise UsageError("solver.batch = 0: the model knows mpadmm with minibatches only, not its line search")
    warm = iteration is not None and iteration < solver.warm
    refresh = 1 / solver.refresh if iteration is None else float(warm or iteration % solver.refresh == 0)
    inputs = float(warm)
    bill = batch_bill(place)
    forward_and_back(bill, place)
    for l in place.layers:
        columns, share = case.width(l), inputs if l == 1 else refresh
        for size, often in ((columns, share), (n[l], refresh)):
            bill.gemm(l, "gram", size, size, often)
            bill.fold(l, triangle(size), often)
            bill.dense(l, "inverse", size, times=often)
            bill.memory(l, far=often * size * size * 60, calls=20 * often)
        mover = Bill(columns, 1, case.item)
        mover.gemm(l, "apply", n[l], columns)
        mover.gemm(l, "apply", n[l], n[l])
        bill.ops += mover.ops
        bill.memory(l, far=n[l] * columns * (5 * 8 + 5 * case.item), calls=20)
    mpadmm_messages(bill, place, refresh, inputs)
    return bill


def mpadmm_messages(bill: Bill, place: Place, refresh: float, inputs: float) -> None:
    """One sum over the ranks with the same layers; along the chain parts of the batch, and two numbers."""
    case, n, first, size = place.case, place.case.n, place.layers[0], float(gradients(place))
    for l in place.layers:
        often = inputs if l == 1 else refresh
        size += often * summed(place, case.width(l), patient=True) + refresh * summed(place, n[l], patient=True)
    bill.memory(first, far=2 * 8 * size, calls=20)
    bill.sum(first, 8 * size)
    bill.sum(first, 8 * (case.L + 1), "chain", times=2)
    part = bill.columns / bill.calls * case.item if bill.calls else 0.0
    if not place.highest:
        bill.send(place.layers[-1], (n[place.layers[-1]] + case.bias) * part, times=bill.calls, overlapped=True)
    if not place.lowest:
        bill.send(first, n[first - 1] * part, times=bill.calls, overlapped=True)


def mpadmm_fill(place: Place) -> Bill | None:
    """What passes through the chain before the last of its ranks has work."""
    if place.chain == 1:
        return None
    bill = batch_bill(place)
    forward_and_back(bill, place)
    return bill


def mpadmm_memory(place: Place) -> float:
    """Bytes of state, sums and data."""
    case = place.case
    penalties = sum((case.n[l] ** 2 + case.width(l) ** 2) * (3 * 8 + case.item) for l in place.layers)
    return gradient_memory(place) + penalties
