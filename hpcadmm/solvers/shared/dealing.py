"""Deal layers to ranks: contiguous blocks, so that the most expensive one is as cheap as possible."""

from collections.abc import Sequence

from hpcadmm.errors import UsageError


def deal(costs: Sequence[float], blocks: int) -> list[tuple[int, int]]:
    """Cut the items into `blocks` contiguous half-open ranges, none empty, with the least largest sum of costs.

    Each block in turn ends as early as the optimum allows. Raises ValueError if there are more blocks than items.

    >>> deal([2, 4, 4, 4, 4, 4], 2), deal([9, 1, 1, 1], 3)
    ([(0, 3), (3, 6)], [(0, 1), (1, 2), (2, 4)])
    """
    n = len(costs)
    if not 1 <= blocks <= n:
        raise ValueError(f"{n} layers cannot be dealt to {blocks} blocks")
    best = [[float("inf")] * (n + 1) for _ in range(blocks + 1)]  # best[k][i]: items i.. in k blocks
    best[0][n] = 0.0
    for k in range(1, blocks + 1):
        for i in range(n - 1, -1, -1):
            best[k][i] = min(max(sum(costs[i:j]), best[k - 1][j]) for j in range(i + 1, n + 1))
    cuts, start = [], 0
    for k in range(blocks, 0, -1):
        ends = range(start + 1, n + 1)
        end = next(j for j in ends if max(sum(costs[start:j]), best[k - 1][j]) <= max(best[k][start], 0.0))
        cuts.append((start, end))
        start = end
    return cuts


def owner(blocks: Sequence[tuple[int, int]], l: int) -> int:
    """The block that has layer l = 1, 2, ...: item l - 1.

    >>> [owner([(0, 2), (2, 3)], l) for l in (1, 2, 3)]
    [0, 0, 1]
    """
    return next(rank for rank, (lo, hi) in enumerate(blocks) if lo < l <= hi)


def grid(wanted: Sequence[int] | None, L: int, ranks: int) -> tuple[int, int]:
    """(blocks of layers, blocks of samples): as wanted; by default as many blocks of layers as divide the ranks.

    >>> grid(None, 4, 2), grid(None, 4, 8), grid(None, 4, 7), grid([2, 3], 4, 6)
    ((2, 1), (4, 2), (1, 7), (2, 3))
    """
    if wanted is None:
        layers = max(d for d in range(1, min(L, ranks) + 1) if ranks % d == 0)
        return layers, ranks // layers
    layers, samples = wanted
    if layers > L:
        raise UsageError(f"solver.grid = {list(wanted)}: the network has {L} layers of weights, at most {L} blocks")
    if layers * samples != ranks:
        raise UsageError(
            f"solver.grid = {list(wanted)} is a grid of {layers * samples} ranks, but there are {ranks}; "
            f"start {layers * samples}, or leave solver.grid out"
        )
    return layers, samples
