"""A case: a solver on a network with a number of samples; a place: one rank's share of it on a grid of ranks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.tiles import Tiles, tile_limits, tile_width
from hpcadmm.products import PRECISIONS
from hpcadmm.solvers.shared.dealing import deal


@dataclass(frozen=True)
class Case:
    """n: units of each layer, features first; samples: all training samples; tile: as in a job."""

    solver: Any
    n: tuple[int, ...]
    samples: int
    precision: str = "float32"
    loss: str = "hinge"
    activation: str = "relu"
    bias: bool = True
    tile: int = 0

    @property
    def L(self) -> int:
        return len(self.n) - 1

    @property
    def item(self) -> int:
        """Bytes of an entry."""
        return np.dtype(self.dtype).itemsize

    @property
    def dtype(self) -> Any:
        """Of arrays."""
        return PRECISIONS[self.precision]

    def width(self, l: int) -> int:
        """Columns of W_l, that of a bias included."""
        return self.n[l - 1] + self.bias

    @cached_property
    def weights(self) -> int:
        """Entries of all W."""
        return sum(self.n[l] * self.width(l) for l in range(1, self.L + 1))

    @cached_property
    def network(self) -> Network:
        return Network(self.n, ACTIVATIONS[self.activation](), self.bias)

    def tiles(self, size: int = 1, rank: int = 0) -> Tiles:
        """The tiles of a run, as `setup` cuts them."""
        limits = tile_limits(max(self.n[1:-1], default=0), self.tile)
        return Tiles(self.samples, tile_width(self.samples, *limits), size, rank, self.solver.parts)

    def grid(self, ranks: int) -> tuple[int, int]:
        """(blocks of layers, of samples) that the ranks form. Raises UsageError if the solver refuses them."""
        chain, samples = self.solver.grid_of(self.L, ranks)
        parts = {"chain": SimpleNamespace(size=chain), "samples": SimpleNamespace(size=samples)}
        world = SimpleNamespace(size=ranks, host="", gather=lambda _: [], **parts)  # no node of this machine is asked
        loss = SimpleNamespace(name=self.loss)
        problem = SimpleNamespace(network=self.network, loss=loss, tiles=self.tiles(samples))
        self.solver.check_problem(problem, world)
        return chain, samples

    def gridded(self, chain: int, samples: int) -> "Case":
        """The case on this grid; itself if the solver has none."""
        return replace(self, solver=self.solver.gridded(chain, samples))

    def blocks(self, chain: int) -> list[range]:
        """The layers of each block, as the solver deals them."""
        if chain == 1:
            return [range(1, self.L + 1)]
        if chain == self.L:
            return [range(l, l + 1) for l in range(1, self.L + 1)]
        costs = self.solver.layer_costs(self.network, self.tiles())
        return [range(lo + 1, hi + 1) for lo, hi in deal(costs, chain)]


@dataclass(frozen=True)
class Place:
    """A rank on a grid of `chain` x `samples` ranks: its layers, its columns, and the number of tiles they lie in;
    `column` counts the ranks with the same layers (None: any)."""

    case: Case
    layers: range
    columns: float
    calls: float
    chain: int
    samples: int
    column: int | None = None

    @property
    def ranks(self) -> int:
        return self.chain * self.samples

    @property
    def like(self) -> tuple[object, ...]:
        """A key: places with the same key do the same work."""
        n = self.case.n
        return n[self.layers[0] - 1 : self.layers[-1] + 1], self.lowest, self.highest, self.columns, self.calls

    @property
    def tiles(self) -> int:
        """Tiles over all ranks."""
        return self.case.tiles().count

    @property
    def lowest(self) -> bool:
        return self.layers[0] == 1

    @property
    def highest(self) -> bool:
        return self.layers[-1] == self.case.L


def places(case: Case, chain: int, samples: int) -> Iterator[Place]:
    """One place for each block of layers, with the columns of the rank that has most."""
    most = busiest(case.tiles(), samples)
    for layers in case.blocks(chain):
        yield Place(case, layers, most.hi - most.lo, len(most), chain, samples)


def busiest(tiles: Tiles, size: int) -> Tiles:
    """The tiles of the first rank that has most of them: ceil(T / P) of T tiles on P ranks.

    >>> busiest(Tiles(700, 100), 3).held, busiest(Tiles(700, 100), 1000).held
    ((4, 7), (0, 1))
    """
    most = -(-tiles.count // size)
    shares = (tiles.of(size, rank) for rank in range(size))
    return next(one for one in shares if len(one) == most)


def shared(case: Case, chain: int, samples: int) -> Iterator[Place]:
    """One place for each block of layers, with an even share of the columns: the work of the mean rank."""
    tiles = case.tiles()
    for layers in case.blocks(chain):
        yield Place(case, layers, tiles.n / samples, tiles.count / samples, chain, samples)


def place_here(solver: Any, problem: Problem, world: World) -> Place:
    """The place of this rank in a run; `world` is arranged for the solver."""
    network, tiles = problem.network, problem.tiles
    precision, functions = problem.products.precision, (problem.loss.name, network.activation.name)
    case = Case(solver, network.n, tiles.n, precision, *functions, network.bias)
    layers, ranks = case.blocks(world.chain.size)[world.chain.rank], (world.chain.size, world.samples.size)
    return Place(case, layers, tiles.hi - tiles.lo, len(tiles), *ranks, world.samples.rank)
