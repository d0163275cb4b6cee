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
from hpcadmm.solvers.shared.dealing import Block


@dataclass(frozen=True)
class Case:
    """n: units of each layer, features first; samples: all training samples; tile: as in a job; penalised: has the job
    a [penalty]?"""

    solver: Any
    n: tuple[int, ...]
    samples: int
    precision: str = "float32"
    loss: str = "hinge"
    activation: str = "relu"
    bias: bool = True
    tile: int = 0
    penalised: bool = False

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
        problem = SimpleNamespace(network=self.network, loss=loss, tiles=self.tiles(samples), penalty=None)
        self.solver.check_problem(problem, world)
        return chain, samples

    def gridded(self, chain: int, samples: int) -> "Case":
        """The case on this grid; itself if the solver has none."""
        return replace(self, solver=self.solver.gridded(chain, samples))

    def blocks(self, chain: int, samples: int = 1) -> list[Block]:
        """The layers of each block, as the solver deals them by counted costs."""
        return self.solver.deal(self.network, self.tiles(), chain, samples)


@dataclass(frozen=True)
class Place:
    """A rank on a grid of `chain` x `samples` ranks: its layers, its columns, and the number of tiles they lie in;
    `column` counts the ranks with the same layers (None: any)."""

    case: Case
    block: Block
    columns: float
    calls: float
    chain: int
    samples: int
    column: int | None = None

    @property
    def layers(self) -> range:
        return self.block.layers

    @property
    def ranks(self) -> int:
        return self.chain * self.samples

    @property
    def like(self) -> tuple[object, ...]:
        """A key: places with the same key do the same work."""
        n = self.case.n
        units = n[self.layers[0] - 1 : self.layers[-1] + 1 + self.shared[1]]
        return (
            units,
            self.shared,
            self.block.lent,
            self.block.helps,
            self.lowest,
            self.highest,
            self.columns,
            self.calls,
        )

    @property
    def shared(self) -> tuple[bool, bool]:
        """Does the rank below pull through this one's first layer, and this one through the next layer above?"""
        return not self.lowest and self.layers[0] not in self.block.pulls, self.layers.stop in self.block.pulls

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
    for block in case.blocks(chain, samples):
        yield Place(case, block, most.hi - most.lo, len(most), chain, samples)


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
    for block in case.blocks(chain, samples):
        yield Place(case, block, tiles.n / samples, tiles.count / samples, chain, samples)


def place_here(solver: Any, problem: Problem, world: World, state: Any = None) -> Place:
    """The place of this rank in a run; `world` is arranged for the solver. state: of a run that has begun, whose layers
    may be dealt by measured costs."""
    network, tiles = problem.network, problem.tiles
    precision, functions = problem.products.precision, (problem.loss.name, network.activation.name)
    penalised = problem.penalty is not None
    case = Case(solver, network.n, tiles.n, precision, *functions, network.bias, penalised=penalised)
    ranks = world.chain.size, world.samples.size
    blocks = (state and solver.dealt(state)) or case.blocks(*ranks)
    return Place(case, blocks[world.chain.rank], tiles.hi - tiles.lo, len(tiles), *ranks, world.samples.rank)
