"""Convert a dataset to one HDF5 file: X, y, X_test, y_test with raw values and original labels, block by block."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.choose import first, ordered, pick
from hpcadmm.datasets.fill import check_finite
from hpcadmm.datasets.formats.hdf5 import MIXED, SCHEMA
from hpcadmm.datasets.loading import opened
from hpcadmm.datasets.table import READING, Array, Source, Unweighted, empty_labels
from hpcadmm.datasets.tabular.exchange import Plan, arriving
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.datasets.tabular.table import RawTable
from hpcadmm.datasets.weights import keys, of_rows
from hpcadmm.errors import UsageError

BATCH = 1 << 26  # bytes of rows held at a time
CHUNK = 1 << 18  # bytes of a compressed chunk
Piece = tuple[slice, Array, Array]  # where rows go, their features and labels


def chosen(dataset: Dataset, world: World, seed: int = 0) -> list[Source]:
    """The train and the test part, or the one part unsplit if data.split is not set. Collective."""
    later = ("scale", "standardise", "standardise_targets", "downsample", "positive", "validation", "shards")
    classes = ["weight"] if dataset.weight == "balanced" or isinstance(dataset.weight, dict) else []
    for key in (*later, *classes):
        if getattr(dataset, key) != getattr(type(dataset), key):
            raise UsageError(f"data.{key}: the raw values are written; set this option in the job that reads the file")
    train, test = opened(dataset, seed, None, world)
    with world.together(READING):
        parts = unsplit(dataset, train, test)
        learned = dataset.select(train, test) if isinstance(train.table, RawTable) else None
    if learned is not None:
        dataset.learn(*learned, world)
    return parts


def unsplit(dataset: Dataset, train: Source, test: Source | None) -> list[Source]:
    """The parts that are written."""
    if test is not None or dataset.split is not None:
        return list(dataset.select(train, test))
    train = dataset.of_classes(train) if dataset.classes else train
    return [first(ordered(train, dataset.order, dataset.split_seed), dataset.first, "first")]


def batches(source: Source, world: World) -> Iterator[list[Piece]]:
    """The source's rows on the first rank, nothing on the others. Collective.

    Rows in file order are read in one pass over the file, others in one pass for every BATCH bytes.
    """
    table, n = source.table, len(source.rows)
    if isinstance(source.rows, range):
        for columns, values, labels in checked(source, world):
            ends = [(int(columns[run][0]), int(columns[run][-1]) + 1, run) for run in runs(columns)]
            yield [(slice(start, stop), values[run], labels[run]) for start, stop, run in ends]
        return
    size = max(1, BATCH // (table.features * np.dtype(table.dtype).itemsize))
    for start in range(0, n, size):
        part = Source(table, source.rows[start : start + size])
        count = len(part.rows) * world.first
        out, found = np.empty((count, table.features), table.dtype), empty_labels(table, count)
        for columns, values, labels in checked(part, world):
            out[columns], found[columns] = values, labels
        yield [(slice(start, start + count), out, found)] if world.first else []


def checked(source: Source, world: World) -> Iterator[tuple[Array, Array, Array]]:
    """`arriving` with all columns on the first rank, and only finite values."""
    edges = np.array([0] + [len(source.rows)] * world.size)
    for (arrival,) in arriving(source.table, Plan.of([source], [edges], world), world):
        columns, values, labels = arrival.columns, arrival.features, arrival.labels
        with world.together(READING):
            rows = pick(source.rows, columns)
            check_finite(values, values, source.table, rows)
            if source.table.targets:
                check_finite(labels, labels, source.table, rows, target=True)
        yield columns, values, labels


def runs(columns: Array) -> list[slice]:
    """The stretches of consecutive numbers.

    >>> runs(np.array([4, 5, 9]))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    if not columns.size:
        return []
    cuts = [0, *(np.flatnonzero(np.diff(columns) != 1) + 1).tolist(), columns.size]
    return [slice(a, b) for a, b in pairwise(cuts)]


def cast(block: Array, dtype: Any, where: str) -> Array:
    """The block in another dtype. Raises UsageError if an integer would change or a value overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        out = block.astype(dtype)
    wrong = ~np.isfinite(out) if out.dtype.kind == "f" else out != block
    if wrong.any():
        raise UsageError(f"{where}: {block[wrong].flat[0]} does not fit {np.dtype(dtype)}; choose another --dtype")
    return out


def write_part(file: h5py.File | None, suffix: str, source: Source, how: "Writing", world: World) -> None:
    """Write X and y of one part to the first rank's file. Collective."""
    made: list[h5py.Dataset] = []
    with world.together("writing"), how.blamed():
        if file is not None:
            made = how.datasets(file, suffix, source)
    for pieces in batches(source, world):
        with world.together("writing"), how.blamed():
            for at, values, labels in pieces:
                x, y = made
                x[at] = cast(values, x.dtype, source.table.where)
                y[at] = labels if source.table.targets else cast(labels, np.int32, source.table.where)


def write_weights(file: h5py.File, parts: Mapping[str, Source], key: int | str) -> None:
    """Write `weight` and, if the test part has weights, `weight_test`."""
    sources = list(parts.values())
    for suffix, source, of in zip(parts, sources, keys(key, sources[0].table, sources[-1].table), strict=False):
        with suppress(*[Unweighted] * bool(suffix)):
            file[f"weight{suffix}"] = of_rows(of, source.table, source.rows)


@dataclass(frozen=True)
class Writing:
    """How a file is written. dtype: of X (None: unchanged). classes: the only labels in it (None: all)."""

    out: Path
    dtype: str | None
    compress: bool
    classes: list[int] | None

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Turn an error of the system into a UsageError that names the file."""
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot write {self.out}: {error}") from error

    def datasets(self, file: h5py.File, suffix: str, source: Source) -> list[h5py.Dataset]:
        """Empty X and y with their attributes."""
        table, n = source.table, len(source.rows)
        raw = np.dtype(table.dtype)
        dtype = np.dtype(self.dtype or (np.uint8 if raw.kind == "b" else raw))
        rows = max(1, min(n, CHUNK // (table.features * dtype.itemsize)))
        packed = self.compress and n
        filters = {"chunks": (rows, table.features), "compression": "gzip", "shuffle": True} if packed else {}
        x = file.create_dataset(f"X{suffix}", (n, table.features), dtype, **filters)
        y = file.create_dataset(f"y{suffix}", empty_labels(table, n).shape, "f8" if table.targets else "i4")
        if table.image:
            x.attrs["image"] = table.image
        if table.maximum:
            x.attrs["maximum"] = table.maximum
        if table.values is not None:
            known = sorted(self.classes or table.values)
            y.attrs["labels"] = known
            if table.names:
                named = dict(zip(table.values, table.names, strict=True))
                y.attrs["names"] = json.dumps([named[value] for value in known])
        return [x, y]


def noted(notes: Sequence[str]) -> dict[str, str]:
    """Notes key=text as a map. Raises UsageError.

    >>> noted(["licence=CC BY 4.0"])
    {'licence': 'CC BY 4.0'}
    """
    if wrong := [note for note in notes if "=" not in note]:
        raise UsageError(f"{wrong[0]!r}: write it as key=text")
    return {key: text for key, _, text in (note.partition("=") for note in notes)}


def convert(
    dataset: Dataset,
    out: Path,
    world: World,
    *,
    dtype: str | None,
    compress: bool,
    notes: Mapping[str, str],
    force: bool,
) -> dict[str, tuple[int, int]]:
    """Write the dataset to `out`, whole or not at all; return {part: (samples, features)}. Collective.

    The ranks read; the first one writes. With data.weight, a column or a text file, the arrays `weight` and
    `weight_test` hold the weights of the rows. dtype: of X (default: unchanged). notes: attributes of the file, such as
    source and licence.
    """
    with world.together("writing"):
        if os.path.exists(out) and not force:
            raise UsageError(f"{out} exists; replace it with --force")
    parts = dict(zip(("", "_test"), chosen(dataset, world), strict=False))
    classes = None if dataset.classes is None else parts[""].table.codes(dataset.classes, "classes")
    how = Writing(out, dtype, compress, classes)
    aside = out.with_name(f".{out.name}.{os.getpid()}")
    file: h5py.File | None = None
    with ExitStack() as stack:
        with world.together("writing"), how.blamed():
            if world.first:
                stack.callback(missing_ok, aside)
                file = stack.enter_context(h5py.File(aside, "w", locking=False))
                file.attrs.update(notes)
        with world.together("writing"), how.blamed():
            schema = parts[""].table.named()
            if file is not None and isinstance(schema, Schema):
                text = file.create_dataset(SCHEMA, data=np.bytes_(json.dumps(schema.record()).encode()))
                text.attrs[MIXED] = int(dataset.standardise_targets == "auto")
                file.create_dataset("features", data=np.array([name.encode() for name in schema.names]))
        for suffix, source in parts.items():
            write_part(file, suffix, source, how, world)
        with world.together("writing"), how.blamed():
            if file is not None:
                if isinstance(dataset.weight, int | str):
                    write_weights(file, parts, dataset.weight)
                file.close()
                os.replace(aside, out)
    return {f"X{suffix}": (len(s.rows), s.table.features) for suffix, s in parts.items()}


def missing_ok(path: Path) -> None:
    """Remove a file if it is there."""
    with suppress(OSError):
        path.unlink()
