"""What a round of local steps adds to the costs of mpadmm."""

from typing import Any

from hpcadmm.comm.wire.narrow import NARROW, packed_bytes
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.ops import Bill


def is_round(solver: Any, iteration: int | None) -> bool:
    """Is iteration 0, 1, ... a round; None: a mean later one?"""
    return bool(solver.local_steps) and (iteration is None or iteration >= solver.local_after)


def epoch(solver: Any, m: int) -> int:
    """The local steps in which all workers have passed through their samples once."""
    return max(1, -(-m // (solver.local_batch * solver.workers)))


def steps(place: Place) -> Bill:
    """An empty bill over the local steps of this rank's workers, with their mean minibatch."""
    case, H = place.case, place.case.solver.local_steps
    bill = Bill(H * place.columns / epoch(case.solver, case.samples), H * place.calls, case.item)
    bill.passes(1, far=2 * (case.n[0] + case.n[-1]), calls=4)  # gathered
    return bill


def average(bill: Bill, place: Place) -> int:
    """Each worker begins at W and adds its change to the sum; returns the words in which the last steps are told."""
    case, H = place.case, place.case.solver.local_steps
    for l in place.layers:
        entries = case.n[l] * case.width(l)
        bill.fold(l, entries, 1 / H)
        bill.memory(l, far=place.calls * entries * 4 * case.item, calls=5 * place.calls)
    told = 3 * case.solver.workers
    return packed_bytes(told, "bfloat16") // 8 if case.solver.sums in NARROW else told + 3 + case.solver.workers


def samples(solver: Any, m: int) -> int:
    """How many of m samples a round uses; one that several steps use counts for each."""
    return int(solver.local_steps * m // epoch(solver, m))


def memory(place: Place) -> float:
    """Bytes of W_r and C_r, and of the sum of the changes with its partials."""
    return float(place.case.weights * (2 * place.case.item + 8 + 4 * place.case.item))
