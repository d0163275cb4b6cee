"""The area under the ROC curve over all ranks: exact, ties count half, in memory for this rank's samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World

Counts = NDArray[np.int64]
BITS = 61  # of the sum of all weights, as whole numbers
OFFERED = 64  # scores that each rank offers as splitters


@dataclass(frozen=True)
class Ladder:
    """Distinct scores, increasing, with the weights of the positive and of the negative samples at each."""

    scores: NDArray[np.float64]
    weights: Counts  # (2, scores)

    @classmethod
    def of(cls, scores: NDArray[np.float64], weights: Counts) -> "Ladder":
        """From scores in any order; weights (2, scores)."""
        order = np.argsort(scores, kind="stable")
        scores = scores[order]
        first = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]])[: scores.size])
        sums = np.add.reduceat(weights[:, order], first, axis=1) if first.size else weights[:, :0]
        return cls(scores[first], sums)

    def dealt(self, world: World) -> "Ladder":
        """This rank's range of the scores of all ranks; the next rank has the next larger ones. Collective."""
        if world.size == 1:
            return self
        n = self.scores.size
        offered = self.scores[np.linspace(0, n - 1, min(n, OFFERED)).astype(np.int64)]
        known = np.sort(np.concatenate([part.view(np.float64) for part in world.gather_bytes(offered.view(np.uint8))]))
        splitters = known[[r * known.size // world.size for r in range(1, world.size)]] if known.size else known
        cuts = [0, *np.searchsorted(self.scores, splitters), n] if known.size else [0] * (world.size + 1)
        rows = np.ascontiguousarray(np.concatenate([self.scores.view(np.int64)[None], self.weights]).T)
        counts = np.array(world.gather(np.diff(cuts).tolist()))
        got = world.exchange(rows, counts[world.rank], counts[:, world.rank])
        return Ladder.of(np.ascontiguousarray(got[:, 0]).view(np.float64), np.ascontiguousarray(got[:, 1:].T))


def auc(scores: NDArray[np.float64], positive: NDArray[np.bool_], weight: Counts, world: World) -> float | None:
    """The chance that a positive sample has a larger score than a negative one, plus half the chance of equal scores.

    weight: whole numbers, of each sample. None without positive or without negative samples. Collective.
    """
    ladder = Ladder.of(scores, np.where(np.stack([positive, ~positive]), weight, 0)).dealt(world)
    of_ranks = world.gather(ladder.weights.sum(axis=1).tolist())
    positives, negatives = (sum(each) for each in zip(*of_ranks, strict=True))
    below = sum(of_rank[1] for of_rank in of_ranks[: world.rank])
    right, wrong = ladder.weights
    levels = 2 * (below + np.cumsum(wrong)) - wrong  # twice the weight of the negatives below, and of those here once
    won = sum(world.gather(product(right, levels, positives + negatives)))
    return won / (2 * positives * negatives) if positives and negatives else None


def product(a: Counts, b: Counts, largest: int) -> int:
    """sum a b of whole numbers, exactly; largest: a bound of sum a, and of b / 2."""
    return int(a @ b) if largest < 1 << 31 else sum(map(mul, a.tolist(), b.tolist()))


def whole(weights: Sequence[NDArray[np.float64] | None], sizes: Sequence[int], samples: int, world: World) -> Counts:
    """Weights (None: ones) of this many samples as whole numbers, of some unit that is a power of two. Collective.

    The sum over all `samples` stays below 2^61, so a weight loses at most about 2^-61 of that sum.
    """
    if all(weight is None for weight in weights):
        return np.ones(sum(sizes), np.int64)
    values = np.concatenate([np.ones(k) if w is None else np.float64(w) for w, k in zip(weights, sizes, strict=True)])
    largest = float(world.max(values.max(initial=0.0))[0])
    scale = BITS - max(samples, 1).bit_length() - int(np.frexp(largest)[1])
    return np.rint(np.ldexp(values, scale)).astype(np.int64)
