"""The cost of an iteration of unwrapped ADMM for one rank, and the memory it takes."""

from typing import Any

from hpcadmm.solvers.convex.work import NUMBERS
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import data_rows, summed
from hpcadmm.solvers.shared.ops import Bill


def bill(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """The system of T by its factor; the products T x and (z, u) x^T, the prox of the loss, and one Allreduce. For the
    squared loss the system alone. Conjugate gradients are not billed: their steps depend on the data."""
    case = place.case
    outputs, inputs = case.n[1], case.width(1)
    if case.loss == "squared":
        found = Bill(outputs, 1, 8)
        found.gemm(1, "apply", inputs, inputs, name="system")
        found.memory(1, near=100 * outputs * inputs, calls=60)
        return found
    found = Bill(place.columns, place.calls, case.item)
    found.dense(1, "solve", inputs, 2 * outputs)
    found.gemm(1, "apply", outputs, inputs, name="T x")
    found.kernel(1, f"{case.loss} prox", outputs)
    found.passes(1, far=4 * outputs, near=14 * outputs, calls=16)
    found.gemm(1, "outer", 2 * outputs, inputs, name="(z, u) x^T")
    found.fold(1, 2 * outputs * inputs)
    found.sum(1, 8 * (summed(place, 2 * outputs, inputs) + 3 * NUMBERS + 1))
    return found


def memory(solver: Any, place: Place) -> float:
    """Bytes of state and data."""
    case = place.case
    samples = 0 if case.loss == "squared" else 2 * case.n[1]
    return place.columns * (data_rows(place) + case.item * samples) + 8 * (8 * case.weights + 3 * case.width(1) ** 2)
