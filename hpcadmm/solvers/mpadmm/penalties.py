"""When the penalties are refreshed, and how."""

from typing import Any

from hpcadmm.subproblems.matrix_penalty import input_penalty, output_penalty


def refreshes(solver: Any, k: int, inputs: bool = False) -> bool:
    """Does iteration k = 0, 1, ... refresh the penalties; with `inputs`: P_1?"""
    return k < solver.warm or (k % solver.refresh == 0 and not inputs)


def refresh_penalties(solver: Any, s: Any, m: float, inputs: bool) -> None:
    """Add the means of this batch to A_l and B_l, then renew P_l and Q_l. m: what its means divide by."""
    work, s.refreshes = s.work, s.refreshes + 1
    keep = min(0.9, (s.refreshes - 1) / s.refreshes)  # the plain mean of ten refreshes, then a running one
    for l in work.layers:
        if l > 1 or inputs:
            s.A[l] += (1 - keep) * (s.sums.aaT[l].total / m - s.A[l])
            if work.inverts(("P", l), inputs):
                input_penalty(s.A[l], solver.delta, s.P[l])
        s.B[l] += (1 - keep) * (s.sums.llT[l].total / m - s.B[l])
        if work.inverts(("Q", l), inputs):
            output_penalty(s.B[l], solver.g, s.Q[l])
    for (kind, l), rank in work.inverters[inputs].items():
        work.peers.broadcast((s.P if kind == "P" else s.Q)[l], rank)
    work.take_penalties(s, inputs)
