"""HDF5 files: arrays, and the schema and names that `convert` adds."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import h5py
import numpy as np

from hpcadmm.datasets.columns import Columns, shown
from hpcadmm.datasets.disk.flat import Flat
from hpcadmm.datasets.disk.hdf5 import dataset, follow, opened_file, required
from hpcadmm.datasets.formats.generic import Arrays, as_labels, check_shapes, check_weights, targets_of
from hpcadmm.datasets.table import Array, Read, Table, step
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.errors import UsageError

SCHEMA = "schema"  # the dataset of text that holds how a table's columns became features
MIXED = "mixed"  # its attribute: was data.standardise_targets "auto"?


def names_of(labels: h5py.Dataset) -> list[str] | None:
    """The class names that `convert` writes as JSON into an attribute."""
    said = labels.attrs.get("names")
    try:
        named = json.loads(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return [str(name) for name in named] if isinstance(named, list) else None


def numbers(found: h5py.Dataset, attribute: str) -> list[float]:
    """An attribute's numbers; empty if there is none."""
    if attribute not in found.attrs:
        return []
    values = np.asarray(found.attrs[attribute])
    return [float(v) for v in values.reshape(-1)] if values.dtype.kind in "iuf" else []


def schema_of(file: h5py.File, path: Path, features: int) -> Schema | None:
    """How the features were made of a table's columns, as `convert` writes it; None if the file does not say."""
    found = follow(file, SCHEMA, path)
    if not isinstance(found, h5py.Dataset) or found.shape != () or found.dtype.kind != "S":
        return None
    try:
        schema = Schema.of(json.loads(bytes(found[()]).decode()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path}: {SCHEMA} was not written by `hpcadmm data convert`: {error!r}") from error
    if schema.features != features:
        raise UsageError(f"{path}: {SCHEMA} describes {schema.features} features, the file has {features}")
    return schema


class Hdf5Table(Table):
    """A dataset of rows, and one of labels (None: no labels, all are 0)."""

    streams = True
    stride = step(1)

    def __init__(self, path: Path, inputs: str, targets: str | None, task: str) -> None:
        self.files, self.inputs, self.outputs = (path,), inputs, targets
        with opened_file(path) as file:
            x, y = self.both(file)
            self.rows, self.dtype = x.shape[0], x.dtype
            self.features = int(np.prod(x.shape[1:]))
            if y is not None:
                self.targets, self.real = targets_of(task, y.shape, y.dtype, str(path))
                self.names = names_of(y)
                self.values = None if self.targets else [int(v) for v in numbers(y, "labels")] or None
            shape = [int(v) for v in numbers(x, "image")] or ([1, *x.shape[1:]] if x.ndim == 3 else [])
            self.image = (shape[0], shape[1], shape[2]) if len(shape) == 3 else None
            of_bytes = 255.0 if self.image and x.dtype == np.uint8 else None
            self.schema = schema_of(file, path, self.features)
            self.mixed = self.schema is not None and bool(sum(numbers(file[SCHEMA], MIXED)))
            self.maximum = next((v for v in numbers(x, "maximum") if v > 0 and np.isfinite(v)), of_bytes)

    def feature(self, index: int) -> str:
        return self.schema.names[index] if self.schema else super().feature(index)

    def named(self) -> Schema | Columns:
        return self.schema or super().named()

    def expect(self, columns: Schema | Columns) -> None:
        """Raise UsageError if the features were made of other columns than those of the training."""
        if self.schema and isinstance(columns, Schema) and self.schema.names != columns.names:
            said = f"{shown(self.schema.names)}; those of the training are {shown(columns.names)}"
            raise UsageError(f"{self.where}: the features differ from those of the training: {said}")

    def both(self, file: h5py.File) -> tuple[h5py.Dataset, h5py.Dataset | None]:
        """The two datasets, checked against each other."""
        x = required(file, self.inputs, self.files[0])
        y = None if self.outputs is None else required(file, self.outputs, self.files[0])
        check_shapes(self.where, self.inputs, x.shape, self.outputs, None if y is None else y.shape)
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

    def flat(self) -> Flat | None:
        path = self.files[0]
        with opened_file(path) as file:
            x, offset = self.both(file)[0], None
            if not (x.chunks or x.is_virtual):
                offset = x.id.get_offset()
            if offset is None or not x.size or offset + x.size * x.dtype.itemsize > path.stat().st_size:
                return None
            found = Flat(path, path.open("rb", buffering=0), offset, (self.rows, self.features), x.dtype)
            ends = (0, self.rows - 1)  # compared, since a block of the user before the file may move the offset
            return found if all(found.read(i, i + 1).tobytes() == x[i].tobytes() for i in ends) else None

    @contextmanager
    def label_reader(self) -> Iterator[Callable[[int, int], Array]]:
        with opened_file(self.files[0]) as file:
            y = required(file, self.outputs or "", self.files[0])
            yield lambda start, stop: as_labels(y[start:stop], self.targets, self.where, start)

    @contextmanager
    def weights_of(self, key: int | str) -> Iterator[Callable[[slice], Array]]:
        with opened_file(self.files[0]) as file:
            if dataset(file, str(key), self.files[0]) is None:
                check_weights(self, key, None)
            found = required(file, str(key), self.files[0])
            check_weights(self, key, found.shape)
            yield found.__getitem__


@dataclass(frozen=True, kw_only=True)
class Hdf5(Arrays):
    """An HDF5 file; the options name datasets.

    standardise_targets: "auto" standardises the targets of a regression if `convert` made the file of a table.
    """

    name: ClassVar[str] = "hdf5"
    what: ClassVar[str] = "your HDF5 file with X, y and perhaps X_test, y_test (what convert writes)"
    table: ClassVar[type[Any]] = Hdf5Table

    standardise_targets: bool | Literal["auto"] = "auto"

    def holds(self, path: Path, name: str) -> bool:
        with opened_file(path) as file:
            return follow(file, name, path) is not None
