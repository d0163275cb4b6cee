"""Timing a call on all ranks at once, and collecting the seconds of all ranks."""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World

Sample = tuple[float, float, float]  # seconds by the clock, of the CPU, in communication


def timed(call: Callable[[], Any], world: World) -> Sample:
    """Call once, all ranks starting together; returns this rank's seconds."""
    world.barrier()
    communicate = world.traffic.seconds
    cpu, start = time.process_time(), time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    return seconds, time.process_time() - cpu, world.traffic.seconds - communicate


def repeated(call: Callable[[], Any], world: World, repeats: int) -> list[float]:
    """Seconds of the slowest rank in each repeat, after one call that does not count."""
    call()
    seconds = [timed(call, world)[0] for _ in range(repeats)]
    return [float(s) for s in world.max(np.array(seconds))[0]]


def table(world: World, samples: Sequence[Any]) -> NDArray[np.float64]:
    """This rank's samples stacked with the others': (ranks, ...), the same on every rank."""
    return np.array(world.gather(np.asarray(samples, dtype=np.float64).tolist()))


def peak_bytes() -> int:
    """The peak memory of this process in bytes.

    Linux: VmHWM, because ru_maxrss begins with the memory of the parent process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
