"""Results of all ranks on the first, in the order of the ranks, in bounded memory."""

from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.storage.durable import spoken

MOST = 1 << 24  # bytes in memory; the rest is in a file without a name
CHUNK = 1 << 24  # bytes of a message
TAG = 17


def spool(out: Path) -> IO[bytes]:
    """A temporary file, in the folder of `out` where this node has it, so that it needs no other disk."""
    return SpooledTemporaryFile(MOST, dir=str(out.parent) if out.parent.is_dir() else None)


def collect(mine: IO[bytes], out: Path, world: World) -> None:
    """Append the spools of the other ranks to that of the first rank. Raises UsageError for a full disk. Collective."""
    sizes, failure = world.gather(mine.tell()), None
    if world.first:
        for rank, size in enumerate(sizes[1:], 1):
            for start in range(0, size, CHUNK):
                buffer = np.empty(min(CHUNK, size - start), np.uint8)
                world.receive(buffer, rank, TAG).wait()
                try:
                    if failure is None:
                        mine.write(buffer.data)
                except OSError as error:
                    failure = error  # after all have sent
    else:
        mine.seek(0)
        while data := mine.read(CHUNK):
            world.send(np.frombuffer(data, np.uint8), 0, TAG).wait()
    with world.together("collecting the predictions"), spoken(f"write {out}"):
        if failure is not None:
            raise failure
