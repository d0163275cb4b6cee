"""The sums of layer 1 that arrive one step late: they travel while the next step works."""

from collections.abc import Sequence

from hpcadmm.comm.exact.apart import Following
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.world import World
from hpcadmm.model.state import Arrays
from hpcadmm.solvers.shared.buckets import OuterSum
from hpcadmm.solvers.shared.narrow_sums import Begun, NarrowSums

LATE = 1  # the layer


class LateSums:
    """kinds: lists by layer of sums (of the gradient, of a a^T, of lam lam^T), each with its `OuterSum` of layer 1.

    Such a sum has two memories. `kind[1]` is the sum that arrived last, and is in use. Products are added to the other
    one, which then travels; `kind[1]` becomes the one that the next products are added to.
    """

    def __init__(self, kinds: Sequence[tuple[Arrays, OuterSum]], narrow: NarrowSums | None) -> None:
        self._kinds, self._narrow = kinds, narrow
        self._flight: Following | Begun | None = None
        self._flying: list[tuple[Arrays, Exact]] = []
        for kind, outer in kinds:
            kind[LATE] = outer.total.separate()

    def depart(self, world: World, sums: Sequence[OuterSum]) -> None:
        """Start to sum over the ranks those of `sums` that are of layer 1."""
        leaving = [(kind, outer) for kind, outer in self._kinds if outer in sums]
        self._flying = [(kind, outer.total) for kind, outer in leaving]
        if self._narrow:
            self._flight = self._narrow.follow(world, [outer for _, outer in leaving])
        else:
            self._flight = Following(world, [total for _, total in self._flying])
        for kind, outer in leaving:
            outer.total = kind[LATE]

    def land(self) -> bool:
        """Complete what travels: it becomes `kind[1]`. False if nothing travels. Collective."""
        if self._flight is None:
            return False
        self._flight.finish()
        self._flight = None
        for kind, total in self._flying:
            kind[LATE] = total
        return True
