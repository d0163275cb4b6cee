"""What a folder can do, tried out: durable writing and locking."""

import fcntl
import os
import tempfile
import time
from pathlib import Path

import h5py


def hdf5_version() -> str:
    """The HDF5 library and h5py, with their versions."""
    return f"HDF5 {h5py.version.hdf5_version}, h5py {h5py.__version__}"


def write_speed(folder: Path, nbytes: int = 1 << 26) -> float:
    """Bytes a second at which a new file of `nbytes` is written and synced to disk. Raises OSError."""
    block = os.urandom(1 << 20)
    with tempfile.TemporaryFile(dir=folder) as file:
        start = time.perf_counter()
        for _ in range(max(nbytes >> 20, 1)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return max(nbytes, 1 << 20) / (time.perf_counter() - start)


def locks(folder: Path) -> bool:
    """Does flock on a file in `folder` keep a second one out? Raises OSError if it is not supported."""
    with tempfile.NamedTemporaryFile(dir=folder) as held, open(held.name, "rb") as second:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
