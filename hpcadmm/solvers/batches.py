"""Minibatches that any number of ranks draws alike, without moving a sample."""

from collections.abc import Iterable, Iterator

import numpy as np

from hpcadmm.model.problem import Part, Problem
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles
from hpcadmm.subproblems.scratch import Scratch

KEY = 8  # of the permutations, among the random numbers of a seed


class Batches:
    """An epoch takes every sample once, in batches of about `batch`: of each tile so many columns as is its share, by a
    permutation of its own, drawn for (seed, tile, epoch).

    So every batch is a stratified sample of all data: how they are sorted does not matter, nor which rank has which
    tiles, and a tile's part of a batch can be worked on where it lies.
    """

    def __init__(self, tiles: Tiles, batch: int, seed: int) -> None:
        self.tiles, self.seed = tiles, seed
        self.count = max(1, -(-tiles.n // batch))  # of an epoch
        self.sizes = np.array([tiles.edge(t + 1) - tiles.edge(t) for t in range(tiles.count)])
        self._drawn: tuple[int, list[Array]] = -1, []

    def size(self, k: int) -> int:
        """The samples of batch k, over all ranks."""
        b = k % self.count
        return int(((b + 1) * self.sizes // self.count - b * self.sizes // self.count).sum())

    def columns(self, k: int) -> list[Array]:
        """This rank's columns of batch k = 0, 1, ..., an array for each of its tiles."""
        if self._drawn[0] != k // self.count:
            self._drawn = k // self.count, self._permutations(k // self.count)
        b = k % self.count
        return [o[b * len(o) // self.count : (b + 1) * len(o) // self.count] for o in self._drawn[1]]

    def parts(self, k: int, part: Part, scratch: Scratch) -> Iterator[tuple[Array, Array]]:
        """x (n_0 + ones, columns) and y (n_L, columns) of each tile's part of batch k, in memory that is used again."""
        for columns in self.columns(k):
            yield gathered(part.x, columns, scratch, "x"), gathered(part.y, columns, scratch, "y")

    def _permutations(self, epoch: int) -> list[Array]:
        return [
            columns.start + np.random.default_rng([self.seed, KEY, t, epoch]).permutation(columns.stop - columns.start)
            for t, columns in self.tiles
        ]


class Drawn:
    """The samples of each step on this rank: its parts of a minibatch; all its tiles, where they lie, if batch = 0."""

    def __init__(self, p: Problem, batch: int) -> None:
        self.problem, self.scratch = p, Scratch(p.dtype)
        self.batches = Batches(p.tiles, batch, p.seed) if batch else None
        self.count = self.batches.count if self.batches else 1  # batches of an epoch

    def size(self, k: int) -> int:
        """The samples of step k, over all ranks."""
        return self.batches.size(k) if self.batches else self.problem.tiles.n

    def parts(self, k: int) -> Iterable[tuple[Array, Array]]:
        """x and y of each part on this rank."""
        if self.batches:
            return self.batches.parts(k, self.problem.train, self.scratch)
        return ((self.problem.x[:, t], self.problem.y[:, t]) for _, t in self.problem.tiles)


def gathered(x: Array, columns: Array, scratch: Scratch, name: str) -> Array:
    """x[:, columns], in the scratch array of this name."""
    out = scratch(name, x.shape[0], len(columns))
    np.take(x.T, columns, axis=0, out=out.T, mode="clip")
    return out
