"""Who holds a run folder, asked from outside and without touching it."""

import fcntl
import os
import socket
from pathlib import Path

from hpcadmm.storage.lock import LOCK, OWNER, _dead, _read


def holder(folder: Path) -> bool | None:
    """True: a job is at work in the folder; False: one was killed in it; None: none, or the last one has left it.

    A process of this host is asked for itself, one of another host by its lock.
    """
    for name in (LOCK, OWNER):
        owner = _read(folder / name)
        if owner:
            here = owner.get("host") == socket.gethostname()
            return not _dead(owner) if here or name == OWNER else _locked(folder / name)
    return None


def _locked(path: Path) -> bool:
    """Is the file locked by a process of any host? True where that cannot be known."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
