"""Open a file that is plain or packed (gzip, bzip2, xz, zstd, lz4); name what no text reader can take."""

import bz2
import gzip
import lzma
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from hpcadmm.datasets.disk.lookup import reason
from hpcadmm.errors import UsageError

INFLATION = 1100  # deflate packs 1032 to 1 at best
CHUNK = 1 << 20  # bytes read at a time
BROKEN = (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)
GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\0"
ZSTD, LZ4 = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
UTF8 = "save it as UTF-8"
ARRAYS = "save the arrays as npz or HDF5"
PIXELS = "save the pixels as npz or HDF5"
KINDS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (  # first bytes, what the file is, what to do
    ((b"\xff\xfe\0\0", b"\0\0\xfe\xff"), "UTF-32 text", UTF8),
    ((b"\xff\xfe", b"\xfe\xff"), "UTF-16 text", UTF8),
    (
        (b"PK\x03\x04",),
        "a zip archive (.zip, .xlsx, .npz)",
        "unpack it, or save the table as csv; for .npz set data.name = 'npz'",
    ),
    ((b"\x89HDF\r\n\x1a\n",), "an HDF5 file", "set data.name = 'hdf5'"),
    ((b"\x93NUMPY",), "one numpy array (.npy)", "save it with a name: numpy.savez(FILE, X=array) (y=labels)"),
    ((GZIP, XZ, ZSTD, LZ4), "packed twice", "unpack it once"),
    ((b"\x1f\x9d",), "packed with compress (.Z)", "unpack it: uncompress"),
    ((b"LZIP",), "packed with lzip", "unpack it: lzip -d"),
    ((b"7z\xbc\xaf\x27\x1c",), "a 7z archive", "unpack it"),
    ((b"Rar!\x1a\x07",), "a rar archive", "unpack it"),
    ((b"PAR1",), "a Parquet file", "set data.name = 'parquet'"),
    ((b"ARROW1",), "an Arrow file", "set data.name = 'arrow'"),
    ((b"FEA1",), "a Feather file of version 1", "save it as Feather version 2, Parquet or csv"),
    ((b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",), "an old Office file (.xls)", "save it as csv"),
    ((b"SQLite format 3\0",), "an SQLite database", "save the table as csv"),
    ((b"MATLAB 5.0",), "a Matlab file", ARRAYS),
    ((b"\x80\x03", b"\x80\x04\x95", b"\x80\x05\x95"), "a Python pickle, which is never loaded", ARRAYS),
    ((b"%PDF-",), "a PDF file", "save the table as csv"),
    ((b"\x89PNG\r\n",), "a PNG image", PIXELS),
    ((b"\xff\xd8\xff",), "a JPEG image", PIXELS),
    ((b"<!DOCTYPE", b"<!doctype", b"<html"), "an HTML page, perhaps of a failed download", "get the file again"),
    ((b"<?xml",), "an XML file", "save the table as csv"),
    ((b"version https://git-lfs",), "a Git LFS pointer, not the data", "get the file: git lfs pull"),
)
JSON = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[{\[]\s*[\"\d-])")  # lists of records or of rows, or a record a line


def foreign(top: bytes) -> str | None:
    """What the first bytes of a file say it is, with the cure; None if they may be text.

    >>> foreign("1,2".encode("utf-16-le"))
    'is UTF-16 text; save it as UTF-8'
    >>> foreign(b"a,b,label") is None
    True
    >>> foreign(b'[{"a": 1}]')
    'is JSON; save the table as csv, such as with pandas: pandas.read_json(FILE).to_csv(...)'
    """
    for begins, what, cure in KINDS:
        if top.startswith(begins):
            return f"is {what}; {cure}"
    if bzip2(top):
        return "is packed twice; unpack it once"
    if JSON.match(top):
        return "is JSON; save the table as csv, such as with pandas: pandas.read_json(FILE).to_csv(...)"
    if top[257:262] == b"ustar":
        return "is a tar archive; unpack it"
    even, odd = top[0 : len(top) & ~1 : 2], top[1::2]
    if len(top) > 1 and ((not any(odd) and 0 not in even) or (not any(even) and 0 not in odd)):
        return f"is UTF-16 text; {UTF8}"  # without a byte order mark
    return None


def bzip2(top: bytes) -> bool:
    """Do the bytes begin a bzip2 file?"""
    return top[:3] == b"BZh" and top[4:10] in (b"1AY&SY", b"\x17rE8P\x90")


@dataclass(frozen=True)
class ByArrow:
    """A packing that pyarrow unpacks."""

    name: str

    def open(self, path: Path, mode: str) -> IO[bytes]:
        import pyarrow  # rarely needed

        return cast(IO[bytes], pyarrow.input_stream(str(path), compression=self.name))


def packing(path: Path) -> Any:
    """The module (or ByArrow) that unpacks the file, None if it is plain; the content decides, not the name."""
    with path.open("rb") as file:
        top = file.read(10)
    if top.startswith(GZIP):
        return gzip
    if top.startswith(XZ):
        return lzma
    if top.startswith((ZSTD, LZ4)):
        return ByArrow("zstd" if top.startswith(ZSTD) else "lz4")
    return bz2 if bzip2(top) else None


@contextmanager
def blamed(path: Path, what: str = "") -> Iterator[None]:
    """Turn an error of reading the file into a UsageError that names the file.

    what: what it should be, such as "a Parquet file"; "": anything, perhaps packed.
    """
    try:
        yield
    except MemoryError as error:  # also pyarrow.ArrowMemoryError
        raise UsageError(f"{path}: reading it needs more memory than is free; the file may be damaged") from error
    except failures() as error:
        if isinstance(error, OSError) and error.errno:  # bz2 and pyarrow raise a plain OSError without a number
            raise UsageError(f"{path}: {reason(error)}") from error
        line = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if what:
            raise UsageError(f"{path}: is not {what}, or is damaged: {line}") from error
        packer = packing(path)
        kind = {gzip: "gzip", bz2: "bzip2", lzma: "xz"}.get(packer) or getattr(packer, "name", "packed")
        raise UsageError(f"{path}: the {kind} file is damaged or incomplete ({line}); get it again") from error


def failures() -> tuple[type[Exception], ...]:
    """What is raised when a file cannot be read; pyarrow's errors only if it was imported."""
    arrow = sys.modules.get("pyarrow")
    return (*BROKEN, OSError, *([] if arrow is None else [arrow.ArrowException]))


@dataclass(frozen=True)
class Stream:
    """An open file whose errors name it."""

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
    """The unpacked bytes; seeking forward in a packed file reads and drops. Raises UsageError."""
    with blamed(path):
        packer = packing(path)
        file = cast(IO[bytes], packer.open(path, "rb") if packer else path.open("rb"))
    with file:
        yield Stream(path, file)


def beginning(path: Path) -> bytes:
    """The first 4096 unpacked bytes."""
    with opened(path) as file:
        return file.read(4096)


def take(file: IO[bytes] | Stream, count: int, path: Path) -> bytes:
    """Exactly `count` bytes, or a UsageError."""
    data = file.read(count)
    if len(data) != count:
        raise UsageError(f"{path}: ends {count - len(data)} bytes too early; the file is incomplete, get it again")
    return data


def length(path: Path) -> int:
    """Bytes of the unpacked file; a packed one is read to its end."""
    with blamed(path):
        if packing(path) is None:
            return path.stat().st_size
    with opened(path) as file:
        return sum(map(len, iter(lambda: file.read(CHUNK), b"")))


def check_length(path: Path, expected: int) -> None:
    """Raise UsageError unless the unpacked file has the `expected` bytes of its header.

    The last four bytes of a gzip file hold its length modulo 2^32; it is read through only if they differ.
    """
    if packing(path) is gzip and expected // INFLATION < path.stat().st_size:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            if int.from_bytes(file.read(4), "little") == expected % 2**32:
                return
    found = length(path)
    if found != expected:
        raise UsageError(f"{path}: has {found} bytes, but its header says {expected}; it is damaged, get it again")
