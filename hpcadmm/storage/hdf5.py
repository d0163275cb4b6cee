"""Arrays in HDF5 files: written with a checksum per chunk, read from untrusted files.

A dataset is read only after these checks: reached by hard links, stored in this file (not external, not virtual), of
the expected type and shape, in chunks of a limited size with a checksum.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.model.state import Array
from hpcadmm.storage.durable import Sink, Source

SMALL_CHUNK = 1 << 20  # bytes; tiles are joined up to this size
LARGE_CHUNK = 1 << 22  # bytes; tiles are cut to this size


class CheckpointError(UsageError):
    """A checkpoint that is damaged, foreign or of another job; the message names the file and the reason."""


class Refused(Exception):
    """A reason to refuse the file being read; `naming` turns it into a CheckpointError."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn any error of reading `path` into a CheckpointError that names it."""
    try:
        yield
    except (CheckpointError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: the file is missing") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path}: {reason if isinstance(error, Refused) else f'damaged: {reason}'}") from error


@contextmanager
def writing(path: Path, sizes: dict[str, int]) -> Iterator[h5py.File]:
    """A new file, durable at the end, when `sizes` gets its size. Raises OSError, e.g. for a full disk."""
    with Sink(path) as sink:
        # The HDF5 1.10 format has checksums on all its structures. No cache: chunks are written whole.
        with h5py.File(sink, "w", libver=("v110", "v110"), rdcc_nbytes=0) as file:
            yield file
        sizes[path.name] = sink.finish()


@contextmanager
def reading(path: Path, size: int | None = None) -> Iterator[h5py.File]:
    """An untrusted file, open for reading; size: the bytes it must have. Raises CheckpointError."""
    with naming(path), Source(path) as source:
        if size is not None and source.size != size:
            raise Refused(f"damaged: it has {source.size} bytes, the checkpoint was written with {size}")
        with h5py.File(source, "r", rdcc_nbytes=0) as file:
            yield file


def chunk_shape(shape: tuple[int, ...], itemsize: int, width: int = 1) -> tuple[int, ...]:
    """Chunks of whole tiles of `width` rows: 1, 2, 4, ... tiles for chunks of 1 to 4 MiB.

    >>> chunk_shape((60000, 300), 8, 1024), chunk_shape((60000, 10), 4, 64), chunk_shape((5, 10**6), 8, 64)
    ((1024, 300), (16384, 10), (1, 500000))
    """
    chunk = [width, *shape[1:]]
    while math.prod(chunk) * itemsize * 2 <= SMALL_CHUNK and chunk[0] < shape[0]:
        chunk[0] *= 2
    for axis in range(len(chunk)):
        while math.prod(chunk) * itemsize > LARGE_CHUNK and chunk[axis] > 1:
            chunk[axis] = -(-chunk[axis] // 2)
    return tuple(min(c, n) for c, n in zip(chunk, shape, strict=True))


def stored_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in the file: a scalar has one entry, since chunks need an axis."""
    return shape or (1,)


def write_array(file: h5py.File, name: str, array: Array, width: int = 1) -> None:
    """Write an array of rows, in chunks of whole tiles of `width` rows, each with its checksum."""
    shape = stored_shape(array.shape)
    chunks = chunk_shape(shape, array.itemsize, width) if array.size else None
    file.create_dataset(name, data=array.reshape(shape), chunks=chunks, fletcher32=bool(array.size))


def fill_array(file: h5py.File, name: str, shape: tuple[int, ...], dtype: Any, blocks: Iterable[Array]) -> None:
    """Write an array given as consecutive blocks of rows, in chunks with a checksum each."""
    chunks, start = chunk_shape(shape, np.dtype(dtype).itemsize), 0
    found = file.create_dataset(name, shape, dtype, chunks=chunks, fletcher32=True)
    for block in blocks:
        found[start : start + len(block)] = block
        start += len(block)


def read_array(file: h5py.File, name: str, rows: Array, start: int = 0, total: int | None = None) -> None:
    """Fill `rows` from a dataset, beginning at row `start`; it must have `total` rows (default: as many as `rows`)."""
    shape = stored_shape(rows.shape)
    found = _plain(file, name)
    whole = shape if total is None else (total, *shape[1:])
    if found.shape != whole:
        raise Refused(f"{name} has the shape {found.shape}, expected {whole}")
    kind = found.id.get_type().get_class()
    if kind not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
        raise Refused(f"{name} holds no plain numbers, expected {rows.dtype}")
    if found.dtype != rows.dtype:
        raise Refused(f"{name} holds {found.dtype}, expected {rows.dtype}")
    if not rows.size:
        return
    _checksummed(found, name, LARGE_CHUNK)
    target = rows.reshape(shape) if rows.flags.c_contiguous else np.empty(shape, rows.dtype)
    found.read_direct(target, np.s_[start : start + shape[0]])
    if not rows.flags.c_contiguous:
        rows[...] = target.reshape(rows.shape)


def write_text(file: h5py.File, name: str, text: str) -> None:
    """Write ASCII text as one string of fixed length, with a checksum."""
    data = np.array([text.encode("ascii")])
    file.create_dataset(name, data=data, chunks=(1,), fletcher32=True)


def read_text(file: h5py.File, name: str, limit: int) -> str:
    """Read text written by `write_text`; refuse more than `limit` bytes."""
    found = _plain(file, name)
    kind: Any = found.id.get_type()
    if kind.get_class() != h5py.h5t.STRING or kind.is_variable_str() or found.shape != (1,):
        raise Refused(f"{name} is not one text of fixed length")
    if kind.get_size() > limit:
        raise Refused(f"{name} has {kind.get_size()} bytes, at most {limit} are read")
    _checksummed(found, name, limit)
    return bytes(found[0]).decode("ascii")


def _plain(file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset at a path, reached by hard links and stored in this file."""
    here: Any = h5py.h5g.open(file.id, b"/")
    for part in name.encode().split(b"/"):
        if not isinstance(here, h5py.h5g.GroupID) or not here.links.exists(part):
            raise Refused(f"it holds no {name}")
        if here.links.get_info(part).type != h5py.h5l.TYPE_HARD:
            raise Refused(f"{name} is a link to another place; refused")
        here = h5py.h5o.open(here, part)
    if not isinstance(here, h5py.h5d.DatasetID):
        raise Refused(f"{name} is not a dataset")
    settings = here.get_create_plist()
    if settings.get_external_count():
        raise Refused(f"{name} is stored in another file; refused")
    if settings.get_layout() == h5py.h5d.VIRTUAL:
        raise Refused(f"{name} is a virtual dataset; refused")
    return h5py.Dataset(here)


def _checksummed(found: h5py.Dataset, name: str, limit: int) -> None:
    """Refuse a dataset with filters other than the checksum, with huge chunks, or with missing ones."""
    settings = found.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    if filters != [h5py.h5z.FILTER_FLETCHER32]:
        raise Refused(f"{name} is not stored in chunks with a checksum (filters {filters})")
    if math.prod(settings.get_chunk()) * found.dtype.itemsize > limit:
        raise Refused(f"{name} has chunks of {settings.get_chunk()} entries; refused")
    if found.id.get_storage_size() < found.size * found.dtype.itemsize:
        raise Refused(f"damaged: parts of {name} are missing")
