"""Files that are whole or absent: written to a temporary name, synced, renamed; and files that HDF5 fills safely."""

import csv
import errno
import io
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError


def sync_folder(folder: Path) -> None:
    """Make durable what was created, renamed or removed in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write or replace a file; a crash leaves the old one or the new one, never a part.

    An error (a full disk) leaves the old one and nothing else. Undecodable bytes of file names are kept.
    """
    aside = path.with_name(path.name + ".partial")
    try:
        with open(aside, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(aside, path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None
    sync_folder(path.parent)


def comma_separated(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the same keys as CSV; None is an empty cell, a list is JSON-like text."""
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def append(path: Path, line: str) -> None:
    """Append one line at once; an error (a full disk) leaves the file unchanged, as far as the disk allows."""
    with open(path, "ab", buffering=0) as file:
        start, rest = file.seek(0, os.SEEK_END), memoryview(f"{line}\n".encode(errors="backslashreplace"))
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            with suppress(OSError):
                file.truncate(start)
            raise OSError(error.errno, error.strerror, str(path)) from None


def kind(out: Path, known: Iterable[str]) -> str:
    """The suffix of a file to write, in lower case. Raises UsageError if it is not a known one.

    >>> kind(Path("curves.PNG"), [".png", ".svg"])
    '.png'
    """
    suffix = out.suffix.lower()
    if suffix not in known:
        raise UsageError(f"-o {out}: must end in {', '.join(known)}")
    return suffix


def absent(out: Path, force: bool) -> None:
    """Raise UsageError if the file exists and may not be replaced."""
    if os.path.exists(out) and not force:
        raise UsageError(f"{out} exists; replace it with --force")


def written(out: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file next to `out`, then rename it. Raises UsageError if the file system refuses."""
    aside = out.with_name(f".{out.stem}.{os.getpid()}{out.suffix}")
    try:
        with spoken(f"write {out}"):
            write(aside)
            os.replace(aside, out)
    finally:
        with suppress(OSError):
            aside.unlink()


@contextmanager
def spoken(what: str) -> Iterator[None]:
    """Turn an error of the file system (full, not permitted, ...) into a UsageError `cannot <what>: <reason>`."""
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename and str(error.filename) not in what else ""
        raise UsageError(f"cannot {what}: {error.strerror or error}{place}") from error


def write_speed(folder: Path, nbytes: int = 1 << 26) -> float:
    """Bytes per second at which a new file of `nbytes` is written and synced. Raises OSError."""
    block = os.urandom(1 << 20)
    with tempfile.TemporaryFile(dir=folder) as file:
        start = time.perf_counter()
        for _ in range(max(nbytes >> 20, 1)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return max(nbytes, 1 << 20) / (time.perf_counter() - start)


def _regular(path: str, flags: int) -> int:
    """A descriptor of a regular file; OSError for another kind, or a symbolic link."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


class Source(io.FileIO):
    """A regular file that HDF5 reads without a copy; beyond its end it reads zeros."""

    def __init__(self, path: Path, mode: str = "rb") -> None:
        super().__init__(str(path), mode, opener=_regular)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self.fileno()).st_size

    def readinto(self, buffer: Any) -> int:
        view, done = memoryview(buffer), 0
        while done < len(view) and (got := super().readinto(view[done:])):
            done += got
        view[done:] = bytes(len(view) - done)
        return done


class Sink(Source):
    """A new file that HDF5 writes.

    HDF5 2.0 crashes with a segmentation fault after a failed write to its own files (a full disk). So this one keeps
    the first error, drops the rest of the data and reports success to HDF5; `finish` raises the error.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+b")
        self.path = path
        self.error: OSError | None = None

    def write(self, buffer: Any) -> int:
        view, start = memoryview(buffer), self.tell()
        try:
            done = len(view) if self.error else 0
            while done < len(view):
                done += os.pwrite(self.fileno(), view[done:], start + done)
        except OSError as error:
            self.error = error
        self.seek(start + len(view))
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        length = self.tell() if size is None else size
        try:
            if not self.error:
                os.ftruncate(self.fileno(), length)
        except OSError as error:
            self.error = error
        return length

    def finish(self) -> int:
        """Raise the first error, or make the file durable and return its size in bytes."""
        if self.error:
            raise OSError(self.error.errno, self.error.strerror, str(self.path))
        os.fsync(self.fileno())
        return self.size
