"""Minibatches that are the same on any number of ranks, drawn without moving a sample."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from hpcadmm.model.dropout import keys_of
from hpcadmm.model.inputs import Coming, Inputs
from hpcadmm.model.problem import Part, Problem
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import Tiles
from hpcadmm.model.weighted import Weight, at
from hpcadmm.products.scratch import Scratch

KEY = 8  # of the permutations, among the random numbers of a seed
Samples = tuple[Array, Array, Weight]  # x, y, w


class Batches:
    """An epoch takes every sample once, in batches of `batch` samples, or of one fewer where that does not divide.

    Each batch takes an equal share of each tile, in the order of the tile's own permutation for (seed, tile, epoch).
    Batches take samples from the tiles in turn, and each begins with the tile after the last one's: the sizes of
    batches, and a batch's shares of the tiles, differ by at most one. So every batch is a stratified sample of all
    data, however the data are sorted and whichever rank has which tiles, and a rank works on its part where it lies.
    The sizes of the tiles must differ by at most one.
    """

    def __init__(self, tiles: Tiles, batch: int, seed: int) -> None:
        self.tiles, self.seed = tiles, seed
        self.count = max(1, -(-tiles.n // batch))  # of an epoch
        self.sizes = np.array([tiles.edge(t + 1) - tiles.edge(t) for t in range(tiles.count)])
        if self.count > 1 and np.ptp(self.sizes) > 1:
            raise ValueError(
                f"minibatches need tiles of equal size, not {self.sizes.min()} to {self.sizes.max()} samples"
            )
        self.turn = np.argsort(np.argsort(-self.sizes, kind="stable"))  # of each tile: the larger ones come first
        self._drawn: tuple[int, list[Array]] = -1, []
        self._coming: dict[int, list[Array]] = {}  # columns of batches that were read ahead

    def edge(self, b: int) -> int:
        """The samples of the first b batches of an epoch."""
        return b * self.tiles.n // self.count

    def size(self, k: int) -> int:
        """The samples of batch k, over all ranks."""
        b = k % self.count
        return self.edge(b + 1) - self.edge(b)

    def taken(self, b: int) -> Array:
        """How many samples of each tile the first b batches of an epoch have."""
        if b == self.count:
            return self.sizes
        rounds, rest = divmod(self.edge(b), self.tiles.count)
        return rounds + (self.turn < rest)

    def columns(self, k: int) -> list[Array]:
        """This rank's columns of batch k = 0, 1, ..., an array for each of its tiles."""
        if self._coming:
            self._coming.pop(k - 1, None)
            if k in self._coming:
                return self._coming[k]
        return self._of(k)

    def _of(self, k: int) -> list[Array]:
        if self._drawn[0] != k // self.count:
            self._drawn = k // self.count, self._permutations(k // self.count)
        b, held = k % self.count, slice(*self.tiles.held)
        edges = zip(self._drawn[1], self.taken(b)[held], self.taken(b + 1)[held], strict=True)
        return [order[lo:hi] for order, lo, hi in edges]

    def parts(self, k: int, part: Part, scratch: Scratch) -> Iterator[Samples]:
        """x (n_0 + ones, columns), y (n_L, columns) and w of each tile's part of batch k; x and y in reused memory."""
        every = self.columns(k)
        for columns in every:
            yield drawn(part, columns, scratch, partial(self.coming, k, every))

    def coming(self, k: int, now: list[Array]) -> Iterator[list[Array]]:
        """The columns of batch k, which are `now`, and of the later ones of its epoch."""
        self._coming[k] = now
        yield now
        yield from self.later(k + 1, k - k % self.count + self.count)

    def later(self, k: int, end: int) -> Iterator[list[Array]]:
        """The columns of batches k to end - 1, an array for each tile: the objects that `columns` will return."""
        for j in range(k, end):
            self._coming[j] = self._of(j)
            yield self._coming[j]

    def _permutations(self, epoch: int) -> list[Array]:
        return [
            columns.start + np.random.default_rng([self.seed, KEY, t, epoch]).permutation(columns.stop - columns.start)
            for t, columns in self.tiles
        ]


class Drawn:
    """The samples of each step: minibatches of `batch` samples; with batch = 0 all samples, tile by tile, in place."""

    def __init__(self, p: Problem, batch: int) -> None:
        self.problem, self.scratch = p, Scratch(p.dtype)
        self.batches = Batches(p.tiles, batch, p.seed) if batch else None
        self.count = self.batches.count if self.batches else 1  # batches of an epoch

    def size(self, k: int) -> float:
        """What the mean over step k divides by."""
        return counted(self.problem, self.batches.size(k) if self.batches else self.problem.tiles.n)

    def parts(self, k: int) -> Iterable[tuple[Any, ...]]:
        """x, y and w of each of this rank's parts of step k, and if the network has noise the keys of the samples."""
        p, found = self.problem, self._samples(k)
        if not p.network.noisy:
            return found
        columns = self.batches.columns(k) if self.batches else [np.arange(t.start, t.stop) for _, t in p.tiles]
        return ((*samples, *keys(p, k, of_tile)) for samples, of_tile in zip(found, columns, strict=True))

    def _samples(self, k: int) -> Iterable[Samples]:
        """x, y and w of each of this rank's parts of step k."""
        if self.batches:
            return self.batches.parts(k, self.problem.train, self.scratch)
        p = self.problem
        return ((p.inputs[:, t], p.y[:, t], p.w(t)) for _, t in p.tiles)


class LocalBatches:
    """Minibatches of at most `batch` of a worker's samples, those of its tile, drawn by (seed, worker, epoch): one for
    each local step.

    An epoch has the same number of steps for every worker. Steps are counted across iterations; before iteration 0
    there were `before` of them. mine: this rank's workers, in the order of the rows.
    """

    def __init__(self, p: Problem, mine: list[int], batch: int, steps: int, before: int = 0) -> None:
        self.batches, self.problem = Batches(p.tiles, batch * p.tiles.count, p.seed), p
        self.steps, self.before = steps, before
        self.places = [n - p.tiles.held[0] for n in mine]
        self.scratch = Scratch(p.dtype)
        self._drawn: tuple[int, list[list[Array]]] = -1, []

    def start(self, k: int) -> int:
        """The first step of iteration k."""
        return self.before + k * self.steps

    def __call__(self, k: int, row: int) -> Iterator[tuple[Any, ...]]:
        """x (n_0 + ones, columns), y (n_L, columns), w of each local step of iteration k, and the samples' keys if the
        network has noise; the next step reuses x and y."""
        p, start = self.problem, self.start(k)
        if self._drawn[0] != k:
            self._drawn = k, [self.batches.columns(start + j) for j in range(self.steps)]
        for j, every in enumerate(self._drawn[1], start):
            columns = every[self.places[row]]
            yield *drawn(p.train, columns, self.scratch, partial(self.coming, start)), *keys(p, j, columns)

    def coming(self, start: int) -> Iterator[list[Array]]:
        """The columns of the iteration that begins with this step and of later ones, an epoch of them at most."""
        yield [every[place] for place in self.places for every in self._drawn[1]]
        yield from self.batches.later(start + self.steps, start + self.batches.count)


def counted(p: Problem, samples: int) -> float:
    """What the mean over a batch of `samples` divides by: their number times the mean weight of all samples, so that
    a batch stands for its share of all weights, whichever samples it draws."""
    return samples * (p.total / (p.tiles.n or 1)) if p.weighted else samples


def keys(p: Problem, k: int, columns: Array) -> tuple[Array, ...]:
    """The keys of these samples in step k; none if the network has no noise."""
    return (keys_of(p.seed, k, p.tiles.lo + columns),) if p.network.noisy else ()


def drawn(part: Part, columns: Array, scratch: Scratch, coming: Coming) -> Samples:
    """x, y and w of these columns of a part; x and y are valid until the next ones are drawn. coming: the columns that
    will be asked for."""
    held: Any = part.x
    x = held.taken(columns, coming) if isinstance(held, Inputs) else gathered(held, columns, scratch, "x")
    return x, gathered(part.y, columns, scratch, "y"), at(part.weight, columns)


def gathered(x: Array, columns: Array, scratch: Scratch, name: str) -> Array:
    """x[:, columns], in the scratch array of this name."""
    out = scratch(name, x.shape[0], len(columns))
    np.take(x.T, columns, axis=0, out=out.T, mode="clip")
    return out
