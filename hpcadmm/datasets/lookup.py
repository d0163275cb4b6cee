"""Where data files lie, and how a plain or gzipped one is opened."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from hpcadmm.errors import UsageError

VARIABLE = "HPCADMM_DATA"
INFLATION = 1100  # deflate packs 1032 to 1 at best
CHUNK = 1 << 20  # bytes read at a time where a stream is only counted


def cache() -> Path:
    """The user's cache folder, where downloads go."""
    from platformdirs import user_cache_dir  # seldom needed; pooch, which gives the same folder, is slow to import

    return Path(user_cache_dir("hpcadmm"))


def roots() -> list[Path]:
    """The folders of data, most wanted first: $HPCADMM_DATA, then the user's cache."""
    given = os.environ.get(VARIABLE)
    return [*([Path(given)] if given else []), cache()]


def places(path: str | None, name: str) -> list[Path]:
    """The folders (or one file) where dataset `name` may lie.

    An absolute `path` is the only place; a relative one counts from the working folder, then from the roots;
    without one the roots and their subfolders `name` are searched.
    """
    if path is None:
        return [place for root in roots() for place in (root / name, root)]
    given = Path(path).expanduser()
    return [given] if given.is_absolute() else [Path.cwd() / given, *(root / given for root in roots())]


def find(names: Sequence[str], where: Sequence[Path]) -> Path | None:
    """The first file of `names`, each plain or with .gz, in the first place that has one."""
    for place in where:
        for name in names:
            for candidate in (place / name, place / f"{name}.gz"):
                if candidate.is_file():
                    return candidate
    return None


def missing(dataset: str, names: Sequence[str], where: Sequence[Path], cure: str) -> UsageError:
    """The error for files that are nowhere: what was expected, where it was sought, and what gets it."""
    lines = [f"data.name = {dataset!r}: not found: {' or '.join(names)} (plain or .gz)", "searched:"]
    lines += [f"  {place}" for place in where]
    return UsageError("\n".join([*lines, f"set data.path or {VARIABLE} to the folder, or get the files: {cure}"]))


def gzipped(path: Path) -> bool:
    """Does the file begin as gzip does? The name does not matter."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


@contextmanager
def blamed(path: Path) -> Iterator[None]:
    """Turn a fault in reading the file into a UsageError that names it."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UsageError(f"{path}: damaged or cut gzip file ({error}); get it again") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True)
class Stream:
    """An open file whose faults name it, whatever other files are open."""

    path: Path
    file: IO[bytes]

    def read(self, count: int) -> bytes:
        with blamed(self.path):
            return self.file.read(count)

    def seek(self, offset: int) -> int:
        with blamed(self.path):
            return self.file.seek(offset)

    def __iter__(self) -> Iterator[bytes]:
        """The lines."""
        with blamed(self.path):
            for line in self.file:  # noqa: UP028  (`yield from` would close the file with the generator)
                yield line


@contextmanager
def opened(path: Path) -> Iterator[Stream]:
    """The file's bytes, unpacked if it is gzip; seeking forward in gzip reads and drops.

    Raises UsageError, naming the file, where it cannot be read or is damaged.
    """
    with blamed(path):
        packed = gzipped(path)
    with cast(IO[bytes], gzip.open(path, "rb") if packed else path.open("rb")) as file:
        yield Stream(path, file)


def take(file: IO[bytes] | Stream, count: int, path: Path) -> bytes:
    """Exactly `count` bytes, or a UsageError."""
    data = file.read(count)
    if len(data) != count:
        raise UsageError(f"{path}: ends {count - len(data)} bytes early; the file is cut, get it again")
    return data


def length(path: Path) -> int:
    """Bytes of the unpacked file; a gzip is read through for it."""
    if not gzipped(path):
        return path.stat().st_size
    with opened(path) as file:
        return sum(map(len, iter(lambda: file.read(CHUNK), b"")))


def check_length(path: Path, expected: int) -> None:
    """Raise UsageError unless the unpacked file has `expected` bytes, as its header says.

    A gzip says its length in its last four bytes (modulo 2^32); only if that differs is it read through.
    """
    if gzipped(path) and expected // INFLATION < path.stat().st_size:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            if int.from_bytes(file.read(4), "little") == expected % 2**32:
                return
    found = length(path)
    if found != expected:
        raise UsageError(f"{path}: {found} bytes, but its header says {expected}; the file is damaged, get it again")


def fingerprint(path: Path) -> list[object]:
    """A cheap description of a file: its name, its size, and a hash of its first and last 4 kB."""
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = file.read(4096)
        file.seek(max(0, size - 4096))
        ends += file.read(4096)
    return [path.name, size, hashlib.sha256(ends).hexdigest()]
