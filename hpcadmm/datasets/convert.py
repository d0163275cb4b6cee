"""Convert a dataset to one HDF5 file: X, y, X_test, y_test with raw values and original labels, block by block."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.choose import first, ordered, subset
from hpcadmm.datasets.fill import empty_labels, gather
from hpcadmm.datasets.table import Array, Source
from hpcadmm.errors import UsageError

BATCH = 1 << 26  # bytes of rows held at a time
CHUNK = 1 << 18  # bytes of a compressed chunk


def chosen(dataset: Dataset, seed: int = 0) -> list[Source]:
    """The train and the test part, or the one part unsplit if data.split is not set."""
    later = ("scale", "standardise", "standardise_targets", "downsample", "positive", "validation", "weight")
    for key in later:
        if getattr(dataset, key) != getattr(type(dataset), key):
            raise UsageError(f"data.{key}: the raw values are written; set this option in the job that reads the file")
    train, test = dataset.sources(seed)
    if test is not None or dataset.split is not None:
        return list(dataset.select(train, test))
    train = subset(train, dataset.classes) if dataset.classes else train
    return [first(ordered(train, dataset.order, dataset.split_seed), dataset.first, "first")]


def batches(source: Source) -> Iterator[tuple[slice, Array, Array]]:
    """The source's rows in order: where they go, features, labels. Rows in file order are read in one pass."""
    table = source.table
    size = max(1, BATCH // (table.features * np.dtype(table.dtype).itemsize))
    ordered = isinstance(source.rows, range)
    starts = range(0, len(source.rows), size)
    for group in [starts] if ordered else [[start] for start in starts]:
        with table.reader() as read:
            for start in group:
                rows = source.rows[start : start + size]
                out, labels = np.empty((len(rows), table.features), table.dtype), empty_labels(table, len(rows))
                gather(table, read, rows, out, labels)
                yield slice(start, start + len(rows)), out, labels


def cast(block: Array, dtype: Any, where: str) -> Array:
    """The block in another dtype. Raises UsageError if an integer would change or a value overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        out = block.astype(dtype)
    wrong = ~np.isfinite(out) if out.dtype.kind == "f" else out != block
    if wrong.any():
        raise UsageError(f"{where}: {block[wrong].flat[0]} does not fit {np.dtype(dtype)}; choose another --dtype")
    return out


def write_part(
    file: h5py.File, suffix: str, source: Source, dtype: Any, compress: bool, classes: list[int] | None
) -> None:
    """Write X and y of one part. classes: the only labels in it (None: all)."""
    table, n = source.table, len(source.rows)
    rows = max(1, min(n, CHUNK // (table.features * np.dtype(dtype).itemsize)))
    packed = {"chunks": (rows, table.features), "compression": "gzip", "shuffle": True} if compress and n else {}
    x = file.create_dataset(f"X{suffix}", (n, table.features), dtype, **packed)
    y = file.create_dataset(f"y{suffix}", empty_labels(table, n).shape, "f8" if table.targets else "i4")
    for at, values, labels in batches(source):
        x[at] = cast(values, dtype, table.where)
        y[at] = labels if table.targets else cast(labels, np.int32, table.where)
    if table.image:
        x.attrs["image"] = table.image
    if table.maximum:
        x.attrs["maximum"] = table.maximum
    if table.values is not None:
        known = sorted(classes or table.values)
        y.attrs["labels"] = known
        if table.names:
            named = dict(zip(table.values, table.names, strict=True))
            y.attrs["names"] = json.dumps([named[value] for value in known])


def noted(notes: Sequence[str]) -> dict[str, str]:
    """Notes key=text as a map. Raises UsageError.

    >>> noted(["licence=CC BY 4.0"])
    {'licence': 'CC BY 4.0'}
    """
    if wrong := [note for note in notes if "=" not in note]:
        raise UsageError(f"{wrong[0]!r}: write it as key=text")
    return {key: text for key, _, text in (note.partition("=") for note in notes)}


def convert(
    dataset: Dataset, out: Path, *, dtype: str | None, compress: bool, notes: Mapping[str, str], force: bool
) -> dict[str, tuple[int, int]]:
    """Write the dataset to `out`, whole or not at all; return {part: (samples, features)}.

    dtype: of X (default: unchanged). notes: attributes of the file, such as source and licence.
    """
    if os.path.exists(out) and not force:
        raise UsageError(f"{out} exists; replace it with --force")
    parts = dict(zip(("", "_test"), chosen(dataset), strict=False))
    aside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with h5py.File(aside, "w", locking=False) as file:
            file.attrs.update(notes)
            for suffix, source in parts.items():
                raw = np.dtype(source.table.dtype)
                kept = dtype or (np.uint8 if raw.kind == "b" else raw)
                write_part(file, suffix, source, kept, compress, dataset.classes)
        os.replace(aside, out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error}") from error
    finally:
        with suppress(OSError):
            aside.unlink()
    return {f"X{suffix}": (len(s.rows), s.table.features) for suffix, s in parts.items()}
