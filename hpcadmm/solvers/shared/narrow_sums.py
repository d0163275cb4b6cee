"""Sums of gradients and curvature in 2 bytes or 1 an entry; each rank keeps what it has not sent of its gradients."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.wire.narrow import Narrow
from hpcadmm.comm.wire.narrow_sum import NarrowSum
from hpcadmm.comm.world import World
from hpcadmm.model.state import Array, Arrays

if TYPE_CHECKING:
    from hpcadmm.solvers.shared.buckets import OuterSum

SumsName = Literal["exact", "plain", "bfloat16", 8]


class NarrowSums:
    """Sums of plain totals over the ranks. Gradients travel in the code `name`, with error feedback; other totals, of
    curvature, in bfloat16 without.

    gradients: the sum of each layer of this rank, of L. errors: what this rank has not sent of each, (entries,).
    """

    def __init__(self, name: Any, gradients: Mapping[int, "OuterSum"], L: int, dtype: Any) -> None:
        self.name, self._gradients, self._none, self._begun = name, gradients, np.zeros(0, dtype), 0
        sizes = {l: outer.total.entries.size for l, outer in gradients.items()}
        self.errors: Arrays = [np.zeros(sizes[l], dtype) if l in sizes else None for l in range(L + 1)]

    def begin(self, world: World, outers: Sequence["OuterSum"]) -> "Begun":
        """Begin to sum over the ranks those that do not travel apart, which `Begun.finish` ends. Collective."""
        return self.follow(world, [outer for outer in outers if not outer.total.apart])

    def follow(self, world: World, outers: Sequence["OuterSum"]) -> "Begun":
        """The same for those that do."""
        self._begun += 1
        entries = [outer.total.entries for outer in outers]
        vectors = [self._narrow(outer, x) for outer, x in zip(outers, entries, strict=True)]
        return Begun([outer.total for outer in outers], entries, NarrowSum(world, vectors, self._begun))

    def _narrow(self, outer: "OuterSum", entries: Array) -> Narrow:
        if outer is self._gradients.get(outer.layer):
            return Narrow(entries, self.name, self.errors[outer.layer])
        return Narrow(entries, "bfloat16", self._none)


class Begun:
    """Sums in transit; until `finish` nobody may use them."""

    def __init__(self, totals: Sequence[Exact], entries: Sequence[Array], sums: NarrowSum) -> None:
        self._totals, self._entries, self._sums = totals, entries, sums

    def progress(self) -> bool:
        """Let the messages advance; have all arrived?"""
        return self._sums.progress()

    def finish(self, again: Callable[[], None] | None = None) -> None:
        """Complete the sums: `total` is the same on all ranks. Nothing is repeated. Collective."""
        self._sums.finish()
        for total, entries in zip(self._totals, self._entries, strict=True):
            total.take(entries)
