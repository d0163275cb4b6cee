"""What pdADMM derives from the job and the grid: which layers are this rank's, buffers, sums. Not saved."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.exact.vectors import carry
from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.shared.dealing import deal, owner
from hpcadmm.solvers.shared.normal import NormalSums
from hpcadmm.subproblems.scratch import Scratch

MARKS = ("theta_W", "theta_p", "payload")
THETA_W, THETA_P, PAYLOAD = range(3)
PASSES = 100  # what reading and writing an entry of p, z, q, R costs over an iteration, in multiply-adds


def costs(network: Network, products: tuple[float, float]) -> list[float]:
    """Multiply-adds a sample of each layer; `products`: how many W-sized ones the first layer needs, and the others."""
    n = network.n
    return [
        n[l] * n[l - 1] * products[l > 1] + PASSES * (n[l] + n[l - 1] * (l > 1)) for l in range(1, network.depth + 1)
    ]


class Work:
    """Layers of this rank among `chain` blocks, exact sums (or pairs) for their shapes, buffers over all columns."""

    def __init__(self, p: Problem, world: World, products: tuple[float, float], *, exact: bool, plain: bool) -> None:
        self.blocks = deal(costs(p.network, products), world.chain.size)
        lo, hi = self.blocks[world.chain.rank]
        self.mine = range(lo + 1, hi + 1)
        self.scratch = Scratch(p.dtype)
        self._sums: dict[tuple[int, int], list[Exact]] = {}
        for l in self.mine:
            shape = p.network.shape(l)
            if shape not in self._sums:
                sums = NormalSums(shape, p.dtype, p.tiles.n, p.tiles.count, gram=exact, plain=plain)
                self._sums[shape] = sums.parts
        wide = 0 if exact else max(max(p.network.n[l - 1 : l + 1]) for l in self.mine)
        self._buffers = {name: np.empty(wide * p.x.shape[1], p.dtype) for name in ("g", "V")}
        self.links: Any = None
        self.seconds: dict[int, float] = dict.fromkeys(self.mine, 0.0)

    @contextmanager
    def timed(self, l: int) -> Iterator[None]:
        """Add the seconds of a part of an iteration to those of layer l."""
        start = time.perf_counter()
        yield
        self.seconds[l] += time.perf_counter() - start

    def owner(self, l: int) -> int:
        """The block, and so the rank of the chain, that has layer l."""
        return owner(self.blocks, l)

    def sums(self, shape: tuple[int, int], scales: Array) -> list[Exact]:
        """The sums for a layer of this shape, with the scales that its last ones left."""
        carry(self._sums[shape], scales)
        return self._sums[shape]

    def buffer(self, name: str, rows: int, columns: int) -> Array:
        """A reused array over all of this rank's columns."""
        return self._buffers[name][: rows * columns].reshape((rows, columns), order="F")

    def local(self, active: Sequence[int]) -> list[int]:
        """This rank's layers among those that train."""
        return [l for l in active if l in self.mine]
