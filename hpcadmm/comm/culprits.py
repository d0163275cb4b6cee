"""Whom a rank waits for in vain."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpcadmm.comm.agreement import Meeting

ANSWER = 2.5  # seconds within which a living rank answers the watchdog of another


def culprits(meeting: "Meeting", doing: str) -> str:
    """Whom the others wait for: the ranks that do not answer, or those that are at work.

    doing: the phase of this rank, and what it waits for, which it tells the others.
    """
    found = meeting.roll_call(doing, ANSWER)
    if found is None:
        return "one is stopped, lost or far behind"
    silent = [rank for rank in meeting.others if rank not in found]
    if silent:
        return f"no answer from {_named(meeting, silent)}: stopped, or its host or network is down"
    busy = [rank for rank, said in found.items() if said.endswith("\n")]
    if busy:
        return f"{_named(meeting, busy)} is far behind, in phase: {found[busy[0]].strip()}"
    waits = found[meeting.others[0]].partition("\n")[2]
    return f"{_named(meeting, meeting.others)} waits too, in {waits}"


def _named(meeting: "Meeting", ranks: list[int]) -> str:
    """Some ranks with their hosts."""
    shown = ", ".join(f"rank {rank} on {meeting.host(rank)}" for rank in ranks[:8])
    return shown + (f" and {len(ranks) - 8} more" if len(ranks) > 8 else "")
