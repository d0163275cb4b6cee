"""Damage of HDF5 files that the HDF5 library follows for ever: objects of no size in a global heap.

HDF5 File Format Specification 3.0, III.E: a collection is GCOL, version 1, 3 bytes, its size, then objects: index and
references (2 bytes each), 4 bytes, a size. The object 0 is free space, and its size counts from its own beginning.
"""

import mmap
import struct
from pathlib import Path

from hpcadmm.errors import UsageError

LARGEST = 1 << 26  # bytes of a file that is searched; chance does not find the few heaps of a larger one
SIGNATURE = b"GCOL\x01\0\0\0"
HEAD, OBJECT = 16, 16  # bytes of the heads of a collection and of an object


def check_heaps(path: Path) -> None:
    """Raise UsageError if the library would read the file's global heaps for ever."""
    if not HEAD < path.stat().st_size <= LARGEST:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        lengths = data[10] if data[8] >= 2 else data[14]  # of the version of the superblock
        if data[:4] == b"\x89HDF" and lengths != 8:
            raise UsageError(f"{path}: damaged: its lengths have {lengths} bytes, not 8")
        at = data.find(SIGNATURE)
        while at >= 0:
            if not ends(data[at : at + LARGEST]):
                raise UsageError(f"{path}: damaged: the objects of the heap at byte {at} do not end; get it again")
            at = data.find(SIGNATURE, at + 1)


def ends(heap: bytes) -> bool:
    """Do the objects of a collection, which begins `heap`, come to an end?

    >>> head = SIGNATURE + (48).to_bytes(8, "little")
    >>> ends(head + bytes(8) + (32).to_bytes(8, "little") + bytes(16)), ends(head + bytes(32))
    (True, False)
    """
    (size,) = struct.unpack_from("<Q", heap.ljust(HEAD), 8)
    at, end = HEAD, size
    while at + OBJECT <= min(end, len(heap)):
        index, length = struct.unpack_from("<H6xQ", heap, at)
        need = OBJECT + (length + 7) // 8 * 8 if index else length
        if need % (1 << 64) == 0 or at + need >= 1 << 63:
            return False
        at += need
    return True
