"""Samples without labels, to predict from: any file whose rows match those of the training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.choose import dealt
from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.disk.lookup import check_there
from hpcadmm.datasets.fill import filled
from hpcadmm.datasets.formats.generic import Arrays, Generic
from hpcadmm.datasets.formats.libsvm import Libsvm, LibsvmTable
from hpcadmm.datasets.formats.text import Csv, TextTable
from hpcadmm.datasets.loaded import Samples, Transform
from hpcadmm.datasets.public.cifar import Cifar, CifarTable
from hpcadmm.datasets.recognise import OneFile, format_of, image_table
from hpcadmm.datasets.table import Source, Table
from hpcadmm.errors import UsageError


def load_inputs(
    path: Path,
    like: Dataset,
    transform: Transform,
    world: World,
    dtype: Any,
    *,
    ones: bool,
    columns: Columns | None = None,
    ignored: int | str | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> Samples:
    """This rank's columns of the file, as `Dataset.load` returns them; all labels are 0. Collective.

    like: the dataset of the job, for its options. transform, columns: those of the training.
    A text file has the columns of the features, matched by name or else by position; the target's column, if there is
    one, is left out. ignored: a column of a csv file to leave out. HDF5 and npz files hold the features in `inputs`
    (X).
    """
    with world.together(f"reading {path}"):
        table = table_for(path, like, transform, columns, ignored)
        tiles = dealt(table.rows, world)
        samples = filled(Source.whole(table), None, tiles, dtype, ones, like.downsample, transform.inputs)
    samples.labels = np.zeros(samples.x.shape[1], np.int64)
    for line in table.warnings:
        warn(line)
    return samples


def table_for(
    path: Path, like: Dataset, transform: Transform, columns: Columns | None, ignored: int | str | None = None
) -> Table:
    """The file as a table of the features of the training; see `load_inputs`."""
    features = len(transform.inputs.shift) * like.downsample**2
    table = table_of(path, like, features, columns, ignored)
    if table.features != features:
        raise UsageError(f"{path}: {table.features} features, but the network was trained on {features}")
    table.targets = 0
    return table


def table_of(path: Path, like: Dataset, features: int, columns: Columns | None, ignored: int | str | None) -> Table:
    """The file as a table, by its content; text that fits several formats is read as the job's own."""
    check_there(path)
    kind = format_of(path, type(like))
    if kind is Csv:
        table: Table = text_table(path, like if isinstance(like, Csv) else Csv(), features, columns, ignored)
    elif ignored is not None:
        raise UsageError(f"--ignore {ignored}: is for csv; {path} is {kind.name}, whose labels are never read")
    else:
        table = opened_table(path, kind, like, features)
    if isinstance(like, Generic) and like.image:
        table.image = (like.image[0], like.image[1], like.image[2])
    return table


def text_table(path: Path, like: Csv, features: int, columns: Columns | None, ignored: int | str | None) -> TextTable:
    """A csv file without its target, or without the ignored column."""
    table = TextTable(path, None, True, like.style)
    known = columns or Columns([])
    by_name = bool(table.header and known.features)
    if ignored is not None:
        left_out = table.column(ignored)
        table = TextTable(path, table.first[left_out] if table.header else left_out, False, like.style)
        if table.features != features and not by_name:
            said = f"{table.features} features without the column {ignored}"
            raise UsageError(f"{path}: {said}, but the network was trained on {features}")
    elif table.columns == features + 1 and not by_name:
        place = known.place if isinstance(like.target, str) and not table.header else None
        table = TextTable(path, like.target if place is None else place, False, like.style)
    if columns is not None:
        table.expect(columns)
    return table


def opened_table(path: Path, kind: type[Dataset], like: Dataset, features: int) -> Table:
    """The table of a format without column names."""
    if issubclass(kind, Cifar):
        return CifarTable([path], kind.head, 0, range(10), None)
    if kind is OneFile:
        return image_table(path, labelled=False)
    if issubclass(kind, Arrays):
        table: Table = kind.table(path, like.inputs if isinstance(like, Arrays) else "X", None, "auto")
        return table
    sparse = LibsvmTable(path, int(not (isinstance(like, Libsvm) and like.zero_based)), classes=False)
    sparse.features = max(sparse.features, features)
    return sparse
