"""HDF5 files, opened with distrust: hard links only, no foreign bytes, no absurd shapes."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import h5py
import numpy as np

from hpcadmm.datasets.formats.generic import Generic, as_labels, targets_of
from hpcadmm.datasets.formats.heaps import check_heaps
from hpcadmm.datasets.formats.reasons import reason
from hpcadmm.datasets.table import Array, Read, Source, Table, step
from hpcadmm.errors import UsageError

INFLATION = 2000  # deflate packs zeros about 1000 to 1
LARGEST_CHUNK = 1 << 30  # bytes
DEPTH = 4  # virtual datasets of virtual datasets


BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)  # what h5py raises for damaged files


@contextmanager
def opened_file(path: Path) -> Iterator[h5py.File]:
    """The file for reading, which needs no lock; UsageError where HDF5 cannot, or another program writes to it."""
    try:
        check_idle(path)
        check_heaps(path)
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno:
            raise UsageError(f"{path}: {reason(error)}") from error
        if "already open for" in str(error):  # the mark of a writer in the file's own header
            cure = "a program writes to it, or was killed while it did; wait, or clear the mark: h5clear -s FILE"
            raise UsageError(f"{path}: in use: {cure}") from error
        raise UsageError(f"{path}: no HDF5 file, or a damaged one: {error}") from error


def check_idle(path: Path) -> None:
    """Raise BlockingIOError if a program holds the file for writing; a file system without locks cannot tell."""
    asked = os.environ.get("HDF5_USE_FILE_LOCKING", "").upper()
    with path.open("rb") as file:
        if asked in ("FALSE", "0"):
            return
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return


def follow(file: h5py.File, name: str, path: Path) -> Any:
    """The object `name`, by hard links only; None if there is none."""
    here: Any = file
    for part in name.strip("/").split("/"):
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise UsageError(f"{path}: {name} is a soft or external link, which is not followed; copy the data in")
        here = here[part]
    return here


def dataset(file: h5py.File, name: str, path: Path, depth: int = DEPTH) -> h5py.Dataset | None:
    """A checked dataset of numbers whose bytes all lie in this file; None if there is none of that name."""
    found = follow(file, name, path)
    if found is None:
        return None
    if not isinstance(found, h5py.Dataset):
        raise UsageError(f"{path}: {name} is a group; name a dataset in it")
    if found.dtype.kind not in "iufb" or found.dtype.itemsize > 8:
        raise UsageError(f"{path}: {name} holds {found.dtype}, must be integers or floats of at most 8 bytes")
    if found.external:
        raise UsageError(f"{path}: {name} keeps its bytes in other files, which is not followed; copy the data in")
    if found.is_virtual:
        check_virtual(file, found, name, path, depth)
    else:
        check_size(found, name, path)
    return found


def required(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """A checked dataset that must be there."""
    found = dataset(file, name, path)
    if found is None or not found.shape:
        held = ", ".join(list(file)[:20]) or "nothing"
        raise UsageError(f"{path}: no dataset {name!r}; the file has {held}; set data.inputs and data.targets")
    return found


def check_virtual(file: h5py.File, found: h5py.Dataset, name: str, path: Path, depth: int) -> None:
    """Allow virtual sources in the same file only."""
    for source in found.virtual_sources():
        if source.file_name != "." or not depth or dataset(file, source.dset_name, path, depth - 1) is None:
            raise UsageError(f"{path}: {name} is a virtual view of other files, which is not followed")
    if found.size * found.dtype.itemsize > INFLATION * path.stat().st_size + (1 << 20):
        raise UsageError(f"{path}: {name} claims the shape {found.shape}, far more than the file holds")


def check_size(found: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse a shape that the file's bytes cannot fill."""
    claimed = found.size * found.dtype.itemsize
    stored = found.id.get_storage_size()
    if claimed > INFLATION * stored + (1 << 16) or stored > path.stat().st_size:
        raise UsageError(f"{path}: {name} claims the shape {found.shape}, but holds {stored} bytes; refused")
    if found.chunks and np.prod(found.chunks, dtype=object) * found.dtype.itemsize > LARGEST_CHUNK:
        raise UsageError(f"{path}: {name} has chunks {found.chunks} above {LARGEST_CHUNK} bytes; rechunk it")


def names_of(labels: h5py.Dataset) -> list[str] | None:
    """The class names that `convert` keeps as JSON in an attribute."""
    said = labels.attrs.get("names")
    try:
        named = json.loads(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return [str(name) for name in named] if isinstance(named, list) else None


def numbers(found: h5py.Dataset, attribute: str) -> list[float]:
    """An attribute of numbers as a list, empty if there is none."""
    if attribute not in found.attrs:
        return []
    values = np.asarray(found.attrs[attribute])
    return [float(v) for v in values.reshape(-1)] if values.dtype.kind in "iuf" else []


class Hdf5Table(Table):
    """A dataset of rows and one of labels (none if None: all labels are then 0) in a file."""

    def __init__(self, path: Path, inputs: str, targets: str | None, task: str) -> None:
        self.files, self.inputs, self.outputs = (path,), inputs, targets
        with opened_file(path) as file:
            x, y = self.both(file)
            self.rows, self.dtype = x.shape[0], x.dtype
            self.features = int(np.prod(x.shape[1:]))
            if y is not None:
                self.targets, self.real = targets_of(task, y.shape, y.dtype, str(path))
            self.names = None if y is None else names_of(y)
            self.values = None if y is None or self.targets else [int(v) for v in numbers(y, "labels")] or None
            shape = [int(v) for v in numbers(x, "image")] or ([1, *x.shape[1:]] if x.ndim == 3 else [])
            self.image = (shape[0], shape[1], shape[2]) if len(shape) == 3 else None
            bytes_of_image = 255.0 if self.image and x.dtype == np.uint8 else None
            self.maximum = next((v for v in numbers(x, "maximum") if v > 0 and np.isfinite(v)), bytes_of_image)

    def both(self, file: h5py.File) -> tuple[h5py.Dataset, h5py.Dataset | None]:
        """The two datasets, checked against each other."""
        path = self.files[0]
        x = required(file, self.inputs, path)
        y = None if self.outputs is None else required(file, self.outputs, path)
        if x.ndim < 2 or 0 in x.shape or (y is not None and y.shape[0] != x.shape[0]):
            shapes = f"{self.inputs} is {x.shape}" + (f", {self.outputs} {y.shape}" if y is not None else "")
            raise UsageError(f"{path}: {shapes}; must be (n, features) and (n,)")
        return x, y

    @contextmanager
    def reader(self) -> Iterator[Read]:
        with opened_file(self.files[0]) as file:
            x, y = self.both(file)

            def read(start: int, stop: int) -> tuple[Array, Array]:
                found = np.zeros(stop - start, np.int64) if y is None else y[start:stop]
                values = x[start:stop].reshape(stop - start, self.features)
                return values, as_labels(found, self.targets, self.where, start)

            yield read

    def labels(self) -> Iterator[Array]:
        with opened_file(self.files[0]) as file:
            y = required(file, self.outputs or "", self.files[0])
            for start in range(0, self.rows, step(1)):
                yield as_labels(y[start : start + step(1)], self.targets, self.where, start)


@dataclass(frozen=True, kw_only=True)
class Hdf5(Generic):
    """inputs, targets: the datasets (samples, features) and (samples,) or (samples, targets);

    test_inputs, test_targets: the test part's in the same file, if they are there and `test` names no file.
    task: "auto" takes whole numbers and booleans for classes.
    """

    name: ClassVar[str] = "hdf5"
    what: ClassVar[str] = "your HDF5 file with X, y and perhaps X_test, y_test (what convert writes)"
    expects: ClassVar[tuple[str, ...]] = ("data.path or data.train",)

    inputs: str = "X"
    targets: str = "y"
    test_inputs: str = "X_test"
    test_targets: str = "y_test"
    task: Literal["auto", "classification", "regression"] = "auto"

    def sources(self, seed: int) -> tuple[Source, Source | None]:
        train = self.trained()
        test = self.tested(train)
        part = self.described(Hdf5Table(train, self.inputs, self.targets, self.task))
        if test is not None:
            return part, self.described(Hdf5Table(test, self.inputs, self.targets, self.task))
        with opened_file(train) as file:
            if follow(file, self.test_inputs, train) is None:
                return part, None
        return part, self.described(Hdf5Table(train, self.test_inputs, self.test_targets, self.task))
