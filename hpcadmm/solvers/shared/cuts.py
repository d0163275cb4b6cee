"""Gradients whose columns travel block by block, where the blocks of a product have the bits of the whole."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcadmm.comm.exact.over_ranks import Started
from hpcadmm.comm.exact.pieces import Pieces
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.sparse import Sparse
from hpcadmm.solvers.shared.buckets import Bucket
from hpcadmm.subproblems.passes import Passes

MOST = 4  # blocks of a gradient


@dataclass(eq=False)
class CutBucket(Bucket):
    """A bucket of one gradient, whose blocks travel one after the other."""

    pieces: Pieces | None = None

    def depart(self, every: Sequence[Passes], world: World) -> None:
        (outer,), pieces = self.outers, self.pieces
        assert pieces is not None
        self.started = Started(world.samples, [outer.total], self.message)
        pieces.clear(len(every))
        for block in pieces.blocks:
            for passes, out in zip(every, pieces.partials(block), strict=True):
                passes.gradient(outer.layer, out, block)
                world.progress()
            self.started.send(pieces.add(block))


def cut_alike(p: Problem, l: int, blocks: Sequence[slice], samples: Iterable[int]) -> bool:
    """Do the blocks of lam_l a_{l-1}^T, products over so many samples, have the bits of the whole product?

    Random numbers answer: another order of additions shows in some entries. Sparse inputs are not cut."""
    x: Any = p.x
    if l == 1 and isinstance(x, Sparse):
        return False
    (rows, columns), engine, random = p.network.shape(l), p.engines[l], np.random.default_rng(0)
    for m in samples:
        arrays = [np.asfortranarray(random.standard_normal((n, m)), p.dtype) for n in (rows, columns)]
        z, a = (engine.operands().rounded("", x) for x in arrays)
        whole = engine.outer(z, a, np.empty((rows, columns), p.dtype, order="F"))
        for block in blocks:
            out = np.empty((rows, block.stop - block.start), p.dtype, order="F")
            if (engine.outer(z, a, out, block) != whole[:, block]).any():
                return False
    return True
