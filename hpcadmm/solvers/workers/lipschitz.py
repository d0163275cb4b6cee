"""The largest curvature of the mean loss of a linear model, the same bits on any number of ranks."""

from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import Exact, first_grid, sum_exactly
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem

BENDS = {"squared": 1.0, "cross-entropy": 0.5}  # the largest second derivative by z: of half the squares; of softmax


def lipschitz(p: Problem, work: Any, decay: float, world: World) -> float:
    """BENDS lambda_max(X X^T) / m + decay; 1 where that is 0, since all gradients are. Collective.

    X X^T is summed by the chunks of `work`, as gradients are.
    """
    features = len(p.x)
    gram = Exact((features, features), np.float64, work.count, first_grid(p.tiles.n), symmetric=True)

    def again() -> None:
        gram.clear()
        for x, _ in work.parts(p):
            wide = x.astype(np.float64)
            gram.add(np.asfortranarray(wide @ wide.T))

    again()
    sum_exactly(world, [gram], again)
    largest = float(np.linalg.eigvalsh(gram.total)[-1])
    return BENDS[p.loss.name] * max(largest, 0.0) / max(p.tiles.n, 1) + decay or 1.0
