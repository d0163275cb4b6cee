"""Samples without labels, for predictions: any file whose rows are like those that a network was trained on."""

from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Dataset, Samples, Transform
from hpcadmm.datasets.choose import dealt
from hpcadmm.datasets.generic import Generic
from hpcadmm.datasets.hdf5 import Hdf5, Hdf5Table
from hpcadmm.datasets.libsvm import Libsvm, LibsvmTable
from hpcadmm.datasets.npz import Npz, NpzTable
from hpcadmm.datasets.recognise import OneFile, format_of
from hpcadmm.datasets.table import Source, Table
from hpcadmm.datasets.text import Csv, TextTable
from hpcadmm.errors import UsageError


def load_inputs(path: Path, like: Dataset, transform: Transform, world: World, dtype: Any, *, ones: bool) -> Samples:
    """This rank's columns of the file, as `Dataset.load` would give them; all labels are 0. Collective.

    like: the dataset of the job, for its options; transform: that of its training. A text file has the columns of
    the features, or one more, which is the target's and left out; HDF5 and npz have them in `inputs` (X).
    """
    features = len(transform.inputs.shift) * like.downsample**2
    with world.together(f"reading {path}"):
        table = table_of(path, like, features)
        if table.features != features:
            raise UsageError(f"{path}: {table.features} features, but the network was trained on {features}")
        table.targets = 0
        samples = like.read(Source.whole(table), None, dealt(table.rows, world), dtype, ones)
    transform.inputs.apply(samples.x[: len(samples.x) - ones])
    samples.labels = np.zeros(samples.x.shape[1], np.int64)
    return samples


def table_of(path: Path, like: Dataset, features: int) -> Table:
    """The file as a table, by its content."""
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    table = opened_table(path, format_of(path), like, features)
    if isinstance(like, Generic) and like.image:
        table.image = (like.image[0], like.image[1], like.image[2])
    return table


def opened_table(path: Path, kind: type[Dataset], like: Dataset, features: int) -> Table:
    """The table of one format."""
    if kind is OneFile:
        return OneFile().table(path)
    inputs = like.inputs if isinstance(like, Hdf5 | Npz) else "X"
    if kind is Hdf5:
        return Hdf5Table(path, inputs, None, "auto")
    if kind is Npz:
        return NpzTable(path, inputs, None, "auto")
    if kind is Libsvm:
        table = LibsvmTable(path, int(not (isinstance(like, Libsvm) and like.zero_based)), classes=False)
        table.features = max(table.features, features)
        return table
    style = like if isinstance(like, Csv) else Csv()
    bare = TextTable(path, style.delimiter, style.header, None, classes=True)
    if bare.columns != features + 1:
        return bare
    return TextTable(path, style.delimiter, style.header, style.target, classes=False)
