"""Deal layers to ranks: contiguous blocks, so that the most expensive one is as cheap as possible."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from hpcadmm.errors import UsageError


@dataclass(frozen=True)
class Block:
    """The part of the layers of one rank of a chain.

    layers: this rank's.
    pulls: the layers l whose W_l^T lam_l it computes. That of its first layer may be dealt to the rank below, and that
        of the next layer above to this rank.
    lent: matrices of its layers that other ranks invert, by (kind, l).
    helps: matrices of other ranks that it inverts.
    """

    layers: range
    pulls: range
    lent: tuple[tuple[str, int], ...] = ()
    helps: tuple[tuple[str, int], ...] = ()


class Flow(NamedTuple):
    """The cost of each layer l = 1, 2, ..., in the same unit: all its work without W_l^T lam_l; W_l^T lam_l (0 for
    l = 1); the forward pass, which is part of `own`."""

    own: Sequence[float]
    pull: Sequence[float]
    forward: Sequence[float]

    def of(self, block: Block, parts: float) -> float:
        """The cost of a block, and of the wait until the blocks below have passed on one part of `parts`."""
        work = sum(self.own[l - 1] for l in block.layers) + sum(self.pull[l - 1] for l in block.pulls)
        return work + sum(self.forward[: block.layers.start - 1]) / parts


def deal(costs: Sequence[float], blocks: int) -> list[tuple[int, int]]:
    """Cut the items into `blocks` contiguous half-open ranges, none empty, with the least largest sum of costs.

    Each block in turn ends as early as the optimum allows. Raises ValueError if there are more blocks than items.

    >>> deal([2, 4, 4, 4, 4, 4], 2), deal([9, 1, 1, 1], 3)
    ([(0, 3), (3, 6)], [(0, 1), (1, 2), (2, 4)])
    """
    return cut(len(costs), blocks, lambda i, j: sum(costs[i:j]))


def cut(n: int, blocks: int, cost: Callable[[int, int], float]) -> list[tuple[int, int]]:
    """The same for n items, where cost(i, j) is that of items i to j - 1 as one block."""
    if not 1 <= blocks <= n:
        raise ValueError(f"{n} layers cannot be dealt to {blocks} blocks")
    best = [[float("inf")] * (n + 1) for _ in range(blocks + 1)]  # best[k][i]: items i.. in k blocks
    best[0][n] = 0.0
    for k in range(1, blocks + 1):
        for i in range(n - 1, -1, -1):
            best[k][i] = min(max(cost(i, j), best[k - 1][j]) for j in range(i + 1, n + 1))
    cuts, start = [], 0
    for k in range(blocks, 0, -1):
        ends = range(start + 1, n + 1)
        end = next(j for j in ends if max(cost(start, j), best[k - 1][j]) <= max(best[k][start], 0.0))
        cuts.append((start, end))
        start = end
    return cuts


def deal_flow(flow: Flow, blocks: int, parts: float) -> list[Block]:
    """Blocks of layers through which `parts` parts of a batch flow one after another. A block ends between two layers,
    or between W_l^T lam_l and the rest of layer l. It begins to work when the blocks below have passed one part on.

    >>> [(*block.layers, *block.pulls) for block in deal_flow(Flow([1, 2, 2], [0, 1, 1], [0, 0, 0]), 2, 8)]
    [(1, 2, 2), (3, 3)]
    >>> [(*block.layers, *block.pulls) for block in deal_flow(Flow([1, 2, 6], [0, 1, 3], [0, 0, 0]), 2, 8)]
    [(1, 2, 2, 3), (3,)]
    """

    @cache
    def cost(i: int, j: int) -> float:
        block = between(i, j)
        return flow.of(block, parts) if block.layers else float("inf")

    return [between(i, j) for i, j in cut(2 * len(flow.own) - 1, blocks, cost)]


def between(i: int, j: int) -> Block:
    """Items i to j - 1 of: the rest of layer 1, the pull of 2, the rest of 2, the pull of 3, ..."""
    return Block(range((i + 1) // 2 + 1, (j + 1) // 2 + 1), range((i + 4) // 2, j // 2 + 2))


def whole(deals: Sequence[tuple[int, int]]) -> list[Block]:
    """Blocks that end between layers; items are layers from 1."""
    return [Block(range(lo + 1, hi + 1), range(max(lo + 1, 2), hi + 1)) for lo, hi in deals]


def owner(blocks: Sequence[Block], l: int) -> int:
    """The block that has layer l = 1, 2, ..."""
    return next(rank for rank, block in enumerate(blocks) if l in block.layers)


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
