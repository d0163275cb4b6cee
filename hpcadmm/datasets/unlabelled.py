"""Samples without labels, for predictions: any file whose rows are like those that a network was trained on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.choose import dealt
from hpcadmm.datasets.formats.generic import Generic
from hpcadmm.datasets.formats.hdf5 import Hdf5, Hdf5Table
from hpcadmm.datasets.formats.header import Columns
from hpcadmm.datasets.formats.libsvm import Libsvm, LibsvmTable
from hpcadmm.datasets.formats.npz import Npz, NpzTable
from hpcadmm.datasets.formats.reasons import check_there
from hpcadmm.datasets.formats.text import Csv, TextTable
from hpcadmm.datasets.loaded import Samples, Transform
from hpcadmm.datasets.public.cifar import Cifar, CifarTable
from hpcadmm.datasets.recognise import OneFile, format_of
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
    """This rank's columns of the file, as `Dataset.load` would give them; all labels are 0. Collective.

    like: the dataset of the job, for its options; transform, columns: those of its training. A text file has the
    columns of the features, by their names or else their places, and perhaps the target's, which is left out;
    ignored: a column of a csv file that is left out. HDF5 and npz have the features in `inputs` (X).
    """
    features = len(transform.inputs.shift) * like.downsample**2
    with world.together(f"reading {path}"):
        table = table_of(path, like, features, columns, ignored)
        if table.features != features:
            raise UsageError(f"{path}: {table.features} features, but the network was trained on {features}")
        table.targets = 0
        samples = like.read(Source.whole(table), None, dealt(table.rows, world), dtype, ones, transform.inputs)
    samples.labels = np.zeros(samples.x.shape[1], np.int64)
    for line in table.warnings:
        warn(line)
    return samples


def table_of(path: Path, like: Dataset, features: int, columns: Columns | None, ignored: int | str | None) -> Table:
    """The file as a table: by its content, or as the job's own format where a text may be of several."""
    check_there(path)
    kind = format_of(path, type(like))
    if kind is Csv:
        table: Table = text_table(path, like if isinstance(like, Csv) else Csv(), features, columns, ignored)
    elif ignored is not None:
        raise UsageError(f"--ignore {ignored}: is for csv; {path} is {kind.name}, whose labels are not looked at")
    else:
        table = opened_table(path, kind, like, features)
    if isinstance(like, Generic) and like.image:
        table.image = (like.image[0], like.image[1], like.image[2])
    return table


def text_table(path: Path, like: Csv, features: int, columns: Columns | None, ignored: int | str | None) -> TextTable:
    """A csv file without its target, or the column that is ignored."""
    table = TextTable(path, None, True, like.style)
    known = columns or Columns([])
    if ignored is not None:
        left_out = table.column(ignored)
        table = TextTable(path, table.first[left_out] if table.header else left_out, False, like.style)
        if table.features != features and not (table.header and known.features):
            raise UsageError(
                f"{path}: {table.features} features besides the column {ignored}, the network takes {features}"
            )
    elif table.columns == features + 1 and not (table.header and known.features):
        place = known.place if isinstance(like.target, str) and not table.header else None
        table = TextTable(path, like.target if place is None else place, False, like.style)
    if columns is not None:
        table.expect(columns)
    return table


def opened_table(path: Path, kind: type[Dataset], like: Dataset, features: int) -> Table:
    """The table of one format that has no names of columns."""
    if issubclass(kind, Cifar):
        return CifarTable([path], kind.head, 0, range(10), None)
    if kind is OneFile:
        return OneFile().table(path, labelled=False)
    inputs = like.inputs if isinstance(like, Hdf5 | Npz) else "X"
    if kind is Hdf5:
        return Hdf5Table(path, inputs, None, "auto")
    if kind is Npz:
        return NpzTable(path, inputs, None, "auto")
    table = LibsvmTable(path, int(not (isinstance(like, Libsvm) and like.zero_based)), classes=False)
    table.features = max(table.features, features)
    return table
