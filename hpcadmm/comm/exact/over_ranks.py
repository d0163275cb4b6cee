"""Exact sums over the ranks: at once, or while the ranks compute something else."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.exact.kernels import HELD, LOOSE
from hpcadmm.comm.exact.scales import PASSES
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.traffic import Pending
from hpcadmm.comm.world import World
from hpcadmm.model.tiles import Tiles

Message = NDArray[np.float64] | None


class Started:
    """Sums in transit, in one message; until `finish` nobody may use them."""

    def __init__(self, world: World, sums: Sequence[Exact], message: Message) -> None:
        self.world, self.sums, self.message = world, sums, message
        self._flat: Message = None
        self._pending: Pending | None = None

    def travel(self, *, start: bool) -> None:
        """Sum the messages in one Allreduce; with `start` only begin to."""
        for s in self.sums:
            s.close(self.world.size == 1)
        if self.world.size == 1:
            return
        self._flat = self.message if self.message is not None else np.concatenate([s.packed for s in self.sums])
        if start:
            self._pending = self.world.start_sum(self._flat)
        else:
            self.world.sum_flat(self._flat)

    def progress(self) -> bool:
        """Let the message advance; has it arrived?"""
        return self._pending is None or self._pending.progress()

    def finish(self, again: Callable[[], None]) -> None:
        """Complete the sums; afterwards `total` is the same on all ranks. Collective.

        again: clears the sums and repeats every `add` of this rank from unchanged operands; called on all ranks, and
        only if a bound failed.
        """
        for attempt in range(PASSES):
            self._arrive()
            verdicts = [s.verdict(attempt) for s in self.sums]
            if all(verdict == HELD or (verdict == LOOSE and attempt == PASSES - 1) for verdict in verdicts):
                for s in self.sums:
                    s.follow()
                return
            if attempt == PASSES - 1:
                break
            failed = [s for s, verdict in zip(self.sums, verdicts, strict=True) if verdict != HELD]
            for s, peaks in zip(failed, self.world.max(*(s.peaks for s in failed)), strict=True):
                s.rescale(peaks, attempt)
            again()
            self.travel(start=False)
        raise ArithmeticError(f"an exact sum failed {PASSES} times: its operands changed between the passes")

    def _arrive(self) -> None:
        """Take the sums from the message."""
        if self._pending is not None:
            self._pending.wait()
        self._pending = None
        if self._flat is not None and self.message is None:
            sizes = np.cumsum([s.length for s in self.sums])
            for s, part in zip(self.sums, np.split(self._flat, sizes[:-1]), strict=True):
                s.packed = part
        for s in self.sums:
            s.finish()


def begin(world: World, sums: Sequence[Exact], message: Message = None) -> Started:
    """Begin to complete the sums over all ranks, which `Started.finish` ends.

    message: the vector of `side_by_side` that these sums fill. Ranks begin and finish their sums in the same order.
    """
    started = Started(world, sums, message)
    started.travel(start=True)
    return started


def sum_exactly(world: World, sums: Sequence[Exact], again: Callable[[], None], message: Message = None) -> None:
    """`begin` and `finish` in one blocking Allreduce."""
    started = Started(world, sums, message)
    started.travel(start=False)
    started.finish(again)


def sum_tiles(world: World, tiles: Tiles, sums: Sequence[Exact], add: Callable[[slice], None]) -> None:
    """The complete sums over all tiles and ranks; add(columns) adds the partials of one tile of local columns."""

    def again() -> None:
        for s in sums:
            s.clear()
        for _, columns in tiles:
            add(columns)

    again()
    sum_exactly(world, sums, again)
