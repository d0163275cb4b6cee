"""The entries of exact sums, on their way after the loads (`Exact.separate`)."""

from collections.abc import Sequence

from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.world import World


class Following:
    """Entries on their way, after `sum_exactly` has found that the bounds of these sums hold: the additions are exact.

    Until `finish` nobody may touch the sums.
    """

    def __init__(self, world: World, sums: Sequence[Exact]) -> None:
        self._sums, self._entries = sums, [s.entries for s in sums]
        self._pending = [world.start_sum(entries) for entries in self._entries]

    def finish(self) -> None:
        """Wait for the entries; afterwards `total` is the same on all ranks. Collective."""
        for s, entries, pending in zip(self._sums, self._entries, self._pending, strict=True):
            pending.wait()
            s.take(entries)
