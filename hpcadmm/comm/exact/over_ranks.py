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
    """Sums in transit; until `finish` nobody may use them. message: the vector that they fill; None: they lie elsewhere,
    and travel in a copy."""

    def __init__(self, world: World, sums: Sequence[Exact], message: Message) -> None:
        self.world, self.sums, self.message = world, sums, message
        self._flat: NDArray[np.float64] = np.zeros(0)
        self._pendings: list[Pending] = []

    def close(self) -> NDArray[np.float64]:
        """All partials are added: what travels, nothing on one rank."""
        for s in self.sums:
            s.close(self.world.size == 1)
        if self.world.size > 1:
            self._flat = np.concatenate([s.packed for s in self.sums]) if self.message is None else self.message
        return self._flat

    def send(self, part: NDArray[np.float64]) -> None:
        """Begin to sum this part of the message; no more is added to it."""
        self._pendings.append(self.world.start_sum(part))

    def progress(self) -> bool:
        """Let the message advance; has it arrived?"""
        return all([pending.progress() for pending in self._pendings])

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
            self.world.sum_flat(self.close())
        raise ArithmeticError(f"an exact sum failed {PASSES} times: its operands changed between the passes")

    def _arrive(self) -> None:
        """Take the sums from the message."""
        for pending in self._pendings:
            pending.wait()
        self._pendings = []
        if self.message is None and self.world.size > 1:
            sizes = np.cumsum([s.length for s in self.sums])
            for s, part in zip(self.sums, np.split(self._flat, sizes[:-1]), strict=True):
                s.packed = part
        for s in self.sums:
            s.finish()


def begin(world: World, sums: Sequence[Exact], message: Message = None) -> Started:
    """Begin to complete the sums over all ranks, in one message, which `Started.finish` ends.

    message: the vector of `side_by_side` that these sums fill. Ranks begin and finish their sums in the same order.
    """
    started = Started(world, sums, message)
    started.send(started.close())
    return started


def sum_exactly(world: World, sums: Sequence[Exact], again: Callable[[], None], message: Message = None) -> None:
    """`begin` and `finish` in one blocking Allreduce."""
    started = Started(world, sums, message)
    world.sum_flat(started.close())
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
