"""The penalties of mpadmm: running means A and B of a a^T and lam lam^T, and their damped inverses P and Q."""

from collections.abc import Iterable
from typing import Any


def refreshes(solver: Any, k: int, inputs: bool = False) -> bool:
    """Does iteration k = 0, 1, ... refresh the penalties; with `inputs`: P_1?"""
    return k < solver.warm or (k % solver.refresh == 0 and not inputs)


def source(solver: Any, l: int, k: int) -> int:
    """The sweep by whose sums W_l moves in sweep k."""
    return k - solver.late if l == 1 else k


def refresh_penalties(solver: Any, s: Any, m: float, inputs: bool) -> None:
    """Renew the penalties of all layers, by the means of m samples; P_1 only with `inputs`."""
    s.refreshes += 1
    for l in s.work.layers:
        add_means(s, l, m, s.refreshes, l > 1 or inputs)
    s.work.renew(s, tuple(s.work.layers), inputs)


def refresh_arrived(solver: Any, s: Any, arrived: Iterable[int]) -> None:
    """Renew the penalties of the layers whose sums have arrived for sweep s.sweeps and are those of a refresh.
    Collective among the ranks with the same layers."""
    due = {l: solver.source(l, s.sweeps) for l in arrived}
    due = {l: k for l, k in due.items() if solver.refreshes(k)}
    if due:
        inputs = 1 in due and solver.refreshes(due[1], inputs=True)
        for l, k in due.items():
            add_means(s, l, s.work.size(k), s.refreshes + (k == s.sweeps), l > 1 or inputs)
        s.work.renew(s, tuple(due), inputs)


def add_means(s: Any, l: int, m: float, count: int, inputs: bool) -> None:
    """Add the means of m samples to B_l, with `inputs` also to A_l. count: the refreshes so far, this one included."""
    keep = min(0.9, (count - 1) / count)  # the plain mean of ten refreshes, then a running one
    if inputs:
        s.A[l] += (1 - keep) * (s.sums.aaT[l].total / m - s.A[l])
    s.B[l] += (1 - keep) * (s.sums.llT[l].total / m - s.B[l])
