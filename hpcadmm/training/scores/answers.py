"""What a network says about the samples of a part, and sums over them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact, first_grid, sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.datasets.loaded import Samples
from hpcadmm.model.losses.base import decide
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Part
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.tiles import Tiles, block, pieces

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """This rank's share of a part: ranks that hold the same columns share them.

    tiles: those of the part. cuts: the share's tiles, (index among those of this rank, columns of z).
    z: the outputs (n_L, m). labels: classes (m,) or targets (k, m). weight: of the samples (m,); None: all 1.
    """

    tiles: Tiles
    cuts: list[tuple[int, slice]]
    z: Array
    labels: Array
    weight: Vector | None

    def by_tile(self, of: Callable[[slice], Any], width: int) -> Vector:
        """of(columns), a vector of this width, for each tile of this rank: (tiles, width), 0 outside the share."""
        values = np.zeros((len(self.tiles), width))
        for index, t in self.cuts:
            values[index] = of(t)
        return values

    def weights(self, t: slice) -> Any:
        """The weights of some columns; 1.0 if there are none."""
        return 1.0 if self.weight is None else self.weight[t]


def answered(network: Network, W: Arrays, part: Part | Samples, world: World) -> Answers:
    """The outputs of a network for a `Part` or `Samples`."""
    held = list(enumerate(columns for _, columns in part.tiles))
    held = held[slice(*block(len(held), world.chain.size, world.chain.rank))]
    start = held[0][1].start if held else 0
    columns = slice(start, held[-1][1].stop if held else 0)
    z = np.empty((network.n[-1], columns.stop - start), W[-1].dtype, order="F")
    for _, tile in held:
        for t in pieces(tile):
            z[:, t.start - start : t.stop - start] = network.forward(W, part.x[:, t])
    cuts = [(index, slice(t.start - start, t.stop - start)) for index, t in held]
    weight = weight_of(part)
    own = None if weight is None else weight[columns]
    return Answers(part.tiles, cuts, z, part.labels[..., columns], own)


def weight_of(part: Part | Samples) -> Any:
    """The weights of the samples of a `Part` or `Samples` in scores; None: each counts once."""
    return None if part.by_class else part.weight


def total(parts: Sequence[Answers], world: World, of: Callable[[Answers, slice], Any], width: int) -> Vector:
    """The sum of of(part, columns of a tile), a vector of this width, over all tiles and ranks. Collective."""
    sums = np.zeros(width)
    for part in parts:
        columns = part.by_tile(partial(of, part), width).T
        sums = sums + np.array([sum_by_tile(world, part.tiles, column[:, None])[0] for column in columns])
    return sums


def whole_weight(parts: Sequence[Answers], world: World) -> float:
    """The sum of all weights; the number of samples without weights. Collective."""
    if all(part.weight is None for part in parts):
        return sum(part.tiles.n for part in parts)
    return float(total(parts, world, lambda part, t: np.sum(part.weights(t) * np.ones(t.stop - t.start)), 1)[0])


def confusion(parts: Sequence[Answers], classes: int, world: World) -> Array:
    """The weight (or number) of samples of each true class (row) by predicted class (column). Collective."""

    def of(part: Answers, t: slice) -> Vector:
        cells = part.labels[t] * classes + decide(part.z[:, t])
        weight = None if part.weight is None else part.weight[t]
        return np.bincount(cells, weight, classes * classes).reshape(classes, classes).astype(np.float64, order="F")

    if all(part.weight is None for part in parts):
        counts = sum((of(part, t) for part in parts for _, t in part.cuts), np.zeros((classes, classes)))
        return world.sum(counts)[0].astype(np.int64)  # whole numbers: exact in any order
    count = sum(part.tiles.count for part in parts)
    exact = Exact((classes, classes), np.float64, count, first_grid(sum(part.tiles.n for part in parts)))

    def again() -> None:
        exact.clear()
        for part in parts:
            for _, t in part.cuts:
                exact.add(of(part, t))

    again()
    sum_exactly(world, [exact], again)
    return np.array(exact.total)
