"""Free memory of this node, and a check that the allocations of all its ranks fit."""

import ctypes
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError

CGROUPS = Path("/sys/fs/cgroup")
# (limit, usage) of a control group, versions 2 and 1; no limit is "max" or about 2^63.
FILES = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")


def available() -> float:
    """Bytes that this process can still allocate, by the kernel's estimate and the limits of its control groups."""
    return min([_system(), *_groups()])


def _system() -> float:
    """Linux's MemAvailable, else the whole memory."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    with suppress(OSError, ValueError):
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return float("inf")


def _groups() -> Iterator[float]:
    """The free bytes of each control group of this process; the page cache counts as free."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            root = CGROUPS / controllers
            here = root / path.lstrip("/")
            for group in (root, *(p for p in (here, *here.parents) if root in p.parents)):
                yield from _left(group)


def _left(group: Path) -> Iterator[float]:
    """Free bytes of one control group, if it has a limit."""
    for limit, usage in FILES:
        with suppress(OSError, ValueError):
            most, used = (int((group / name).read_text(encoding="ascii")) for name in (limit, usage))
            words = (group / "memory.stat").read_text(encoding="ascii").split()
            stat = dict(zip(words[::2], words[1::2], strict=False))
            cache = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
            yield float(most - used + cache)


def check(world: World, needs: Mapping[str, float], cure: str, free: float | None = None) -> None:
    """Raise UsageError on all ranks if the planned allocations of the ranks of one node do not fit. Collective.

    needs: {purpose: bytes} of this rank. free: bytes of its node (default: measured now).
    """
    told = world.gather([world.host, sum(needs.values()), available() if free is None else free])
    for host in dict.fromkeys(name for name, *_ in told):
        own = [(need, left) for name, need, left in told if name == host]
        need, left = sum(need for need, _ in own), min(left for _, left in own)
        if need > left:
            sizes = ", ".join(f"{what} {size(bytes_)}" for what, bytes_ in needs.items())
            ranks = f"{len(own)} rank{'s' if len(own) > 1 else ''} on {host}"
            raise UsageError(f"memory: {ranks} need {size(need)}, but {size(left)} are free ({sizes} per rank); {cure}")


def trim() -> None:
    """Give memory that was freed back to the system, where the C library can (glibc)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def spared(what: str) -> Iterator[None]:
    """Turn a MemoryError into a UsageError that names the purpose of the memory."""
    try:
        yield
    except MemoryError as error:
        raise UsageError(f"memory: not enough for {what}: {error or 'allocation failed'}") from error


def size(count: float) -> str:
    """Bytes in words.

    >>> size(2.5e9), size(1e15), size(3e5)
    ('2.5 GB', '1,000,000 GB', '0.0003 GB')
    """
    return f"{count / 1e9:,.0f} GB" if count >= 1e11 else f"{count / 1e9:.3g} GB"
