"""The bills of the methods that pass batches forward and back: mpadmm, the first-order methods, cg and lbfgs."""

from hpcadmm.errors import UsageError
from hpcadmm.scaling.model.case import Place
from hpcadmm.scaling.model.cost_admm import data_rows, summed, triangle
from hpcadmm.scaling.model.ops import Bill

MEMORY = {"sgd": 1, "adagrad": 1, "adadelta": 2, "adam": 2}  # vectors that a method remembers


def batch_bill(place: Place) -> Bill:
    """Empty, over this rank's share of a batch; the mean batch of an epoch."""
    case, batch = place.case, getattr(place.case.solver, "batch", 0)
    if not batch:
        return Bill(place.columns, place.calls, case.item)
    batches = max(1, -(-case.samples // batch))
    bill = Bill(place.columns / batches, place.calls, case.item)
    bill.passes(1, far=2 * (case.n[0] + case.n[-1]), calls=4)  # gathered
    return bill


def forward_and_back(bill: Bill, place: Place) -> None:
    """z, a, lam and the gradient of this rank's layers."""
    case, n = place.case, place.case.n
    for l in place.layers:
        bill.gemm(l, "apply", n[l], case.width(l))
        bill.gemm(l, "outer", n[l], case.width(l))
        bill.fold(l, n[l] * case.width(l))
        if l > 1:
            bill.gemm(l, "pull", n[l - 1], n[l])
        if l == case.L:
            bill.kernel(l, f"{case.loss} gradient", n[l])
        else:
            bill.kernel(l, f"{case.activation} value", n[l])
            bill.kernel(l, f"{case.activation} derivative", n[l])
            bill.passes(l, near=5 * n[l], calls=6)


def gradients(place: Place) -> int:
    """Numbers that the sum of the gradients of this rank's layers sends."""
    case = place.case
    return sum(summed(place, case.n[l], case.width(l), patient=True) for l in place.layers)


def gradient_sum(bill: Bill, place: Place) -> None:
    """The one Allreduce, summed where it lies."""
    bill.memory(place.layers[0], near=8 * place.case.weights, calls=8 + 3 * place.case.L)
    bill.sum(place.layers[0], 8 * gradients(place))


def stochastic(place: Place) -> Bill:
    """A step on one minibatch."""
    case, bill = place.case, batch_bill(place)
    forward_and_back(bill, place)
    gradient_sum(bill, place)
    vectors = MEMORY[case.solver.name]
    for l in place.layers:
        bill.memory(l, near=case.n[l] * case.width(l) * (8 + 2 * case.item * (1 + vectors)), calls=20)
    return bill


def gd(place: Place) -> Bill:
    """An iteration over all samples, each worker's in pieces of 1024 columns at most."""
    case = place.case
    pieces = place.calls * -(-max(1.0, place.columns / max(place.calls, 1)) // 1024)
    bill = Bill(place.columns, pieces, case.item)
    forward_and_back(bill, place)
    gradient_sum(bill, place)
    bill.memory(1, near=8 * 8 * case.weights, calls=10 * case.L)
    return bill


def full_batch(place: Place) -> Bill:
    """One evaluation of function and gradient, and what scipy does for it."""
    case, bill = place.case, batch_bill(place)
    forward_and_back(bill, place)
    gradient_sum(bill, place)
    bill.kernel(case.L, f"{case.loss} gradient", case.n[-1])  # its value
    bill.sum(case.L, 8 * place.tiles)
    vectors = 10 + 4 * getattr(case.solver, "memory", 2)
    bill.memory(1, near=8 * vectors * case.weights, calls=200)
    return bill


def mpadmm(place: Place, refresh: float | None = None, inputs: float | None = None) -> Bill:
    """A sweep; `refresh`, `inputs`: in which share of the sweeps the penalties, and that of the data, are refreshed, by
    default as after the first `warm` ones."""
    case, solver, n = place.case, place.case.solver, place.case.n
    if not solver.batch:
        raise UsageError("solver.batch = 0: the model knows mpadmm with minibatches only, not its line search")
    refresh = 1 / solver.refresh if refresh is None else refresh
    bill = batch_bill(place)
    forward_and_back(bill, place)
    for l in place.layers:
        columns, share = case.width(l), (inputs or 0.0) if l == 1 else refresh
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
    mpadmm_messages(bill, place, refresh, inputs or 0.0)
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


def gradient_memory(place: Place) -> float:
    """Bytes of state, sums and data."""
    case = place.case
    held = case.weights * (case.item * (3 + MEMORY.get(case.solver.name, 0)) + 3 * 8)
    if case.solver.name in ("cg", "lbfgs"):
        held += 8 * case.weights * (8 + 2 * getattr(case.solver, "memory", 0))
    if case.solver.name == "mpadmm":
        for l in place.layers:
            held += (case.n[l] ** 2 + case.width(l) ** 2) * (3 * 8 + case.item)
    return place.columns * data_rows(place) + held
