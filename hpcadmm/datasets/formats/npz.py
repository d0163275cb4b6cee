"""numpy's .npz archives, read member by member; arrays of objects (pickles) are refused unread."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, cast

import numpy as np

from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.disk.lookup import reason
from hpcadmm.datasets.disk.stream import INFLATION, take
from hpcadmm.datasets.formats.generic import Arrays, as_labels, check_shapes, check_weights, targets_of
from hpcadmm.datasets.table import Array, Read, Table, records, step
from hpcadmm.errors import UsageError

LONGEST = 10_000  # characters of an array's header
STORED, DEFLATED = 0, 8  # how numpy packs a member
LOCAL = 30  # bytes before a member's name in the archive; the last four are the lengths of the name and of more
BROKEN = (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError, struct.error, zlib.error)


@contextmanager
def archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, open for reading. Raises UsageError if it is none, or damaged."""
    try:
        with zipfile.ZipFile(path) as file:
            yield file
    except BROKEN as error:
        raise UsageError(f"{path}: is not an .npz archive, or is damaged: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: {reason(error)}") from error


def header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, dtype and first byte of an array in numpy's format, checked."""
    try:
        version = np.lib.format.read_magic(file)
        reads = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = reads[version](file, max_header_size=LONGEST)
    except (ValueError, KeyError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise UsageError(f"{where}: is not an array of numbers: {error}") from error
    if dtype.kind not in "iufb" or dtype.itemsize > 8:
        raise UsageError(f"{where}: holds {dtype}; must be integers or floats of at most 8 bytes, never objects")
    if fortran and len(shape) > 1:
        raise UsageError(f"{where}: is in Fortran order; save it with numpy.ascontiguousarray")
    if any(size < 0 for size in shape):
        raise UsageError(f"{where}: claims the shape {shape}; the file is damaged")
    return shape, dtype, file.tell()


def absent(path: Path, name: str, file: zipfile.ZipFile) -> UsageError:
    """The error for an array that the archive does not have."""
    members = file.namelist()
    if members and not any(member.endswith(".npy") for member in members):
        return UsageError(f"{path}: is a zip archive of {shown(members)}, not of numpy arrays; unpack it")
    held = shown([member.removesuffix(".npy") for member in members])
    return UsageError(f"{path}: no array {name!r}; the archive has {held}; set data.inputs and data.targets")


class Stored:
    """An unpacked member of an archive. Read in order it is checked by its checksum; what lies farther ahead is read
    from the file itself, which begins the member at byte `first`: zipfile would read all that is passed over."""

    def __init__(self, stream: IO[bytes], file: IO[bytes], first: int) -> None:
        self.stream, self.file, self.first = stream, file, first
        self.now = stream

    def seek(self, at: int) -> None:
        near = 0 <= at - self.stream.tell() <= LONGEST
        self.now = self.stream if near else self.file
        self.now.seek(at if near else self.first + at)

    def read(self, count: int) -> bytes:
        return self.now.read(count)


class Member:
    """One array of an archive: shape, dtype, is it packed, and its rows."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name, self.where = path, f"{name}.npy", f"{path}: {name}"
        with archive(path) as file:
            if self.name not in file.namelist():
                raise absent(path, name, file)
            info = file.getinfo(self.name)
            if info.compress_type not in (STORED, DEFLATED):
                raise UsageError(f"{self.where}: numpy does not use this compression; save it with numpy.savez")
            self.packed = info.compress_type != STORED
            with file.open(info) as stream:
                self.shape, self.dtype, self.offset = header(stream, self.where)
            needed = self.offset + int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
            held = min(info.compress_size, path.stat().st_size)
            if info.file_size != needed or needed > INFLATION * held + (1 << 16):
                said = f"claims the shape {self.shape} of {self.dtype}, but does not hold these {needed} bytes"
                raise UsageError(f"{self.where}: {said}; the file is damaged")
        self.width = int(np.prod(self.shape[1:]))

    @contextmanager
    def opened(self, file: zipfile.ZipFile) -> "Iterator[IO[bytes] | Stored]":
        """The member, open for reading."""
        with file.open(self.name) as stream:
            if self.packed:
                yield stream
                return
            with self.path.open("rb") as plain:
                plain.seek(file.getinfo(self.name).header_offset)
                local = take(plain, LOCAL, self.path)
                yield Stored(stream, plain, plain.tell() + sum(struct.unpack("<HH", local[-4:])))

    def rows(self, stream: "IO[bytes] | Stored", start: int, stop: int) -> Array:
        """Rows start..stop, (stop - start, width), from the open member."""
        size = self.width * self.dtype.itemsize
        raw = records(cast(IO[bytes], stream), self.path, self.offset, size, start, stop)
        return raw.reshape(-1).view(self.dtype).reshape(-1, self.width)


class NpzTable(Table):
    """An array of rows, and one of labels (None: no labels, all are 0)."""

    stride = step(1)

    def __init__(self, path: Path, inputs: str, targets: str | None, task: str) -> None:
        self.files = (path,)
        self.x, self.y = Member(path, inputs), Member(path, targets) if targets is not None else None
        check_shapes(self.where, inputs, self.x.shape, targets, None if self.y is None else self.y.shape)
        self.rows, self.features, self.dtype = self.x.shape[0], self.x.width, self.x.dtype
        if self.y is not None:
            self.targets, self.real = targets_of(task, self.y.shape, self.y.dtype, str(path))
        self.apart = not self.x.packed
        if len(self.x.shape) == 3:
            self.image = (1, self.x.shape[1], self.x.shape[2])
            self.maximum = 255.0 if self.x.dtype == np.uint8 else None

    @contextmanager
    def reader(self) -> Iterator[Read]:
        with ExitStack() as stack:
            file = stack.enter_context(archive(self.files[0]))
            x = stack.enter_context(self.x.opened(file))
            y = stack.enter_context(self.y.opened(file)) if self.y is not None else None

            def read(start: int, stop: int) -> tuple[Array, Array]:
                found = self.y.rows(y, start, stop) if self.y and y else np.zeros(stop - start, np.int64)
                return self.x.rows(x, start, stop), as_labels(found, self.targets, self.where, start)

            yield read

    @contextmanager
    def label_reader(self) -> Iterator[Callable[[int, int], Array]]:
        member = self.y or self.x
        with archive(self.files[0]) as file, member.opened(file) as y:
            yield lambda start, stop: as_labels(member.rows(y, start, stop), self.targets, self.where, start)

    @contextmanager
    def weights_of(self, key: int | str) -> Iterator[Callable[[slice], Array]]:
        with archive(self.files[0]) as file:
            if f"{key}.npy" not in file.namelist():
                check_weights(self, key, None)
            found = Member(self.files[0], str(key))
            check_weights(self, key, found.shape)
            with found.opened(file) as stream:
                yield lambda t: found.rows(stream, t.start, t.stop)


@dataclass(frozen=True, kw_only=True)
class Npz(Arrays):
    """A numpy archive; the options name arrays in C order."""

    name: ClassVar[str] = "npz"
    what: ClassVar[str] = "your numpy archive with X, y and perhaps X_test, y_test"
    table: ClassVar[type[Any]] = NpzTable

    def holds(self, path: Path, name: str) -> bool:
        with archive(path) as file:
            return f"{name}.npy" in file.namelist()
