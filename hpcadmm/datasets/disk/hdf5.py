"""Untrusted HDF5 files: hard links only, no external storage, shapes checked against the file's size."""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcadmm.datasets.disk.lookup import reason
from hpcadmm.errors import UsageError

INFLATION = 2000  # deflate packs zeros about 1000 to 1
LARGEST_CHUNK = 1 << 30  # bytes
DEPTH = 4  # virtual datasets of virtual datasets
BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)  # h5py raises these for damaged files
LARGEST = 1 << 26  # bytes of a file that is searched for heaps; random damage rarely hits those of a larger one
SIGNATURE = b"GCOL\x01\0\0\0"
HEAD, OBJECT = 16, 16  # bytes of the heads of a heap and of an object in it


@contextmanager
def opened_file(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading without a lock. Raises UsageError if HDF5 cannot read it or a program writes it."""
    try:
        check_idle(path)
        check_heaps(path)
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno:
            raise UsageError(f"{path}: {reason(error)}") from error
        if "already open for" in str(error):  # a writer's mark in the file's own header
            cure = "a program writes to it, or was killed while writing; wait, or clear the mark: h5clear -s FILE"
            raise UsageError(f"{path}: in use: {cure}") from error
        if "unable to lock" in str(error):  # the variable asks for locks in spite of locking=False
            cure = "the file system has no locks, or another program holds one; set HDF5_USE_FILE_LOCKING=FALSE"
            raise UsageError(f"{path}: cannot be locked: {cure}") from error
        raise UsageError(f"{path}: is not an HDF5 file, or is damaged: {error}") from error


def check_idle(path: Path) -> None:
    """Raise BlockingIOError if a program holds the file for writing; a file system without locks cannot tell."""
    if os.environ.get("HDF5_USE_FILE_LOCKING", "").upper() in ("FALSE", "0"):
        return
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return


def check_heaps(path: Path) -> None:
    """Raise UsageError for damaged global heaps, which the HDF5 library would read for ever.

    HDF5 File Format Specification 3.0, III.E: a heap is GCOL, version 1, 3 bytes, its size, then objects: index and
    references (2 bytes each), 4 bytes, a size. Object 0 is free space; its size counts from its own beginning.
    """
    if not HEAD < path.stat().st_size <= LARGEST:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        lengths = data[10] if data[8] >= 2 else data[14]  # depends on the version of the superblock
        if data[:4] == b"\x89HDF" and lengths != 8:
            raise UsageError(f"{path}: damaged: its lengths have {lengths} bytes, not 8; get it again")
        at = data.find(SIGNATURE)
        while at >= 0:
            if not ends(data[at : at + LARGEST]):
                raise UsageError(f"{path}: damaged: the objects of the heap at byte {at} do not end; get it again")
            at = data.find(SIGNATURE, at + 1)


def ends(heap: bytes) -> bool:
    """Does the list of objects in a heap, which begins here, come to an end?

    >>> head = SIGNATURE + (48).to_bytes(8, "little")
    >>> ends(head + bytes(8) + (32).to_bytes(8, "little") + bytes(16)), ends(head + bytes(32))
    (True, False)
    """
    (size,) = struct.unpack_from("<Q", heap.ljust(HEAD), 8)
    at = HEAD
    while at + OBJECT <= min(size, len(heap)):
        index, length = struct.unpack_from("<H6xQ", heap, at)
        need = OBJECT + (length + 7) // 8 * 8 if index else length
        if need % (1 << 64) == 0 or at + need >= 1 << 63:
            return False
        at += need
    return True


def follow(file: h5py.File, name: str, path: Path) -> Any:
    """The object `name`, by hard links only; None if there is none."""
    here: Any = file
    for part in name.strip("/").split("/"):
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise UsageError(f"{path}: {name} is a soft or external link; copy the data into the file")
        here = here[part]
    return here


def dataset(file: h5py.File, name: str, path: Path, depth: int = DEPTH) -> h5py.Dataset | None:
    """A dataset of plain numbers in this file, checked; None if there is none."""
    found = follow(file, name, path)
    if found is None:
        return None
    if not isinstance(found, h5py.Dataset):
        raise UsageError(f"{path}: {name} is a group; name a dataset in it")
    if found.dtype.kind not in "iufb" or found.dtype.itemsize > 8:
        raise UsageError(f"{path}: {name} holds {found.dtype}; must be integers or floats of at most 8 bytes")
    if found.external:
        raise UsageError(f"{path}: {name} is stored in other files; copy the data into this file")
    claimed, size = found.size * found.dtype.itemsize, path.stat().st_size
    if found.is_virtual:
        for source in found.virtual_sources():
            if source.file_name != "." or not depth or dataset(file, source.dset_name, path, depth - 1) is None:
                raise UsageError(f"{path}: {name} is a virtual view of other files; copy the data into this file")
        if claimed > INFLATION * size + (1 << 20):
            raise UsageError(f"{path}: {name} claims the shape {found.shape}, far more than the file holds; refused")
        return found
    stored = found.id.get_storage_size()
    if claimed > INFLATION * stored + (1 << 16) or stored > size:
        raise UsageError(f"{path}: {name} claims the shape {found.shape}, but holds {stored} bytes; refused")
    if found.chunks and np.prod(found.chunks, dtype=object) * found.dtype.itemsize > LARGEST_CHUNK:
        raise UsageError(f"{path}: {name} has chunks {found.chunks} above {LARGEST_CHUNK} bytes; rechunk it")
    return found


def required(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """A checked dataset that must exist."""
    found = dataset(file, name, path)
    if found is None or not found.shape:
        held = ", ".join(list(file)[:20]) or "nothing"
        raise UsageError(f"{path}: no dataset {name!r}; the file has {held}; set data.inputs and data.targets")
    return found
