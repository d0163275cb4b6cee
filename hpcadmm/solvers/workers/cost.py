"""The bills of the solvers whose workers have samples of their own."""

from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import forward_and_back, gradient_sum
from hpcadmm.solvers.shared.ops import Bill


def gd(place: Place) -> Bill:
    """An iteration over all samples, each worker's in pieces of 1024 columns at most."""
    case = place.case
    pieces = place.calls * -(-max(1.0, place.columns / max(place.calls, 1)) // 1024)
    bill = Bill(place.columns, pieces, case.item)
    forward_and_back(bill, place)
    gradient_sum(bill, place)
    bill.memory(1, near=8 * 8 * case.weights, calls=10 * case.L)
    return bill
