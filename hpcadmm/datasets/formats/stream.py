"""How a file is opened: plain, or packed with gzip, bzip2 or xz, as its first bytes say."""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from hpcadmm.datasets.formats.foreign import bzip2
from hpcadmm.datasets.formats.reasons import reason
from hpcadmm.errors import UsageError

INFLATION = 1100  # deflate packs 1032 to 1 at best
CHUNK = 1 << 20  # bytes read at a time
BROKEN = (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)


def packing(path: Path) -> Any:
    """The module that unpacks the file, None if it is plain. The name of the file does not matter."""
    with path.open("rb") as file:
        top = file.read(10)
    if top[:2] == b"\x1f\x8b":
        return gzip
    if top[:6] == b"\xfd7zXZ\0":
        return lzma
    return bz2 if bzip2(top) else None


@contextmanager
def blamed(path: Path) -> Iterator[None]:
    """Turn a fault in reading the file into a UsageError that names it."""
    try:
        yield
    except BROKEN as error:
        raise UsageError(f"{path}: damaged or cut {kind(path)} file ({error}); get it again") from error
    except OSError as error:
        if error.errno is None:  # bz2 has no error of its own
            raise UsageError(f"{path}: damaged or cut {kind(path)} file ({error}); get it again") from error
        raise UsageError(f"{path}: {reason(error)}") from error
    except MemoryError as error:
        raise UsageError(f"{path}: unpacking it needs more memory than there is; the file may be damaged") from error


def kind(path: Path) -> str:
    """How the file is packed, for messages."""
    return {gzip: "gzip", bz2: "bzip2", lzma: "xz"}.get(packing(path), "packed")


@dataclass(frozen=True)
class Stream:
    """An open file whose faults name it, whatever other files are open."""

    path: Path
    file: IO[bytes]

    def read(self, count: int = -1) -> bytes:
        with blamed(self.path):
            return self.file.read(count)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with blamed(self.path):
            return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


@contextmanager
def opened(path: Path) -> Iterator[Stream]:
    """The file's bytes, unpacked; seeking forward in a packed file reads and drops.

    Raises UsageError, naming the file, where it cannot be read or is damaged.
    """
    with blamed(path):
        packer = packing(path)
        file = cast(IO[bytes], packer.open(path, "rb") if packer else path.open("rb"))
    with file:
        yield Stream(path, file)


def beginning(path: Path, count: int = 4096) -> bytes:
    """The first `count` unpacked bytes."""
    with opened(path) as file:
        return file.read(count)


def take(file: IO[bytes] | Stream, count: int, path: Path) -> bytes:
    """Exactly `count` bytes, or a UsageError."""
    data = file.read(count)
    if len(data) != count:
        raise UsageError(f"{path}: ends {count - len(data)} bytes early; the file is cut, get it again")
    return data


def length(path: Path) -> int:
    """Bytes of the unpacked file; a packed one is read through for it."""
    with blamed(path):
        if packing(path) is None:
            return path.stat().st_size
    with opened(path) as file:
        return sum(map(len, iter(lambda: file.read(CHUNK), b"")))


def check_length(path: Path, expected: int) -> None:
    """Raise UsageError unless the unpacked file has `expected` bytes, as its header says.

    A gzip says its length in its last four bytes (modulo 2^32); only if that differs is it read through.
    """
    if packing(path) is gzip and expected // INFLATION < path.stat().st_size:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            if int.from_bytes(file.read(4), "little") == expected % 2**32:
                return
    found = length(path)
    if found != expected:
        raise UsageError(f"{path}: {found} bytes, but its header says {expected}; the file is damaged, get it again")
