"""Products over the samples of all ranks: each is added part by part, and those of a bucket travel in one message."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hpcadmm.comm.exact.over_ranks import Message, Started, begin, sum_exactly
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.world import World
from hpcadmm.model.state import Array
from hpcadmm.solvers.shared.narrow_sums import Begun, NarrowSums
from hpcadmm.subproblems.passes import Passes

Overlap = Literal["auto", "always", "never"]
Product = Callable[[Passes, Array], Array]  # writes that of the part that was passed through


@dataclass(eq=False)
class OuterSum:
    """A product of layer `layer` over the samples, summed: each part in the working precision, the total in float64."""

    layer: int
    total: Exact
    product: Product

    def add(self, passes: Passes) -> None:
        """Add the part that `passes` has passed through."""
        self.total.add(self.product(passes, self.total.partial))


@dataclass(eq=False)
class Bucket:
    """Sums that travel in one message. completes: the layers that have all their sums once this bucket and those before
    it have arrived. message: the vector that the totals fill, None: they lie elsewhere. narrow: sends fewer bits."""

    outers: list[OuterSum] = field(default_factory=list)
    completes: list[int] = field(default_factory=list)
    message: Message = None
    narrow: NarrowSums | None = None
    started: Started | Begun | None = None

    @property
    def totals(self) -> list[Exact]:
        return [outer.total for outer in self.outers]

    @property
    def bytes(self) -> int:
        return sum(8 * total.length for total in self.totals)

    def clear(self) -> None:
        """Begin new sums."""
        clear(self.totals)

    def add(self, every: Sequence[Passes], world: World) -> None:
        """Add the parts that these have passed through; sums in transit advance meanwhile."""
        for outer in self.outers:
            for passes in every:
                outer.add(passes)
                world.progress()

    def depart(self, every: Sequence[Passes], world: World) -> None:
        """Add the last parts, and begin the sum over the ranks."""
        self.add(every, world)
        self.start(world.samples)

    def start(self, world: World) -> None:
        """Begin the sum over the ranks."""
        if self.narrow:
            self.started = self.narrow.begin(world, self.outers)
        else:
            self.started = begin(world, self.totals, self.message)

    def finish(self, world: World, again: Callable[[], None]) -> None:
        """Complete the sum over the ranks, whether it was started or not; `again` as in `sum_exactly`. Collective."""
        if self.started is None and self.narrow:
            self.start(world)
        if self.started is None:
            sum_exactly(world, self.totals, again, self.message)
        else:
            self.started.finish(again)
            self.started = None


def clear(totals: Sequence[Exact]) -> None:
    """Begin new sums."""
    for total in totals:
        total.clear()


def in_buckets(outers: Sequence[OuterSum], least: float, narrow: NarrowSums | None = None) -> list[Bucket]:
    """Cut the sums, in their order, into buckets of `least` bytes or more; the last may have fewer."""
    found = [Bucket(narrow=narrow)]
    for outer in outers:
        if found[-1].bytes >= least:
            found.append(Bucket(narrow=narrow))
        found[-1].outers.append(outer)
    last = {outer.layer: bucket for bucket in found for outer in bucket.outers}
    for layer, bucket in last.items():
        bucket.completes.append(layer)
    return found


def overlaps(overlap: Overlap, world: World) -> bool:
    """Do sums over these ranks travel while the ranks work? Collective the first time."""
    return world.size > 1 and (overlap == "always" or (overlap == "auto" and world.nodes > 1))
