"""Samples without labels, to predict from: any file whose rows match those of the training."""

from collections.abc import Callable
from dataclasses import replace
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
from hpcadmm.datasets.formats.tables import Tabular
from hpcadmm.datasets.given.forward import Forward
from hpcadmm.datasets.given.recognise import OneFile, format_of, image_table
from hpcadmm.datasets.loaded import Samples, Transform
from hpcadmm.datasets.public.cifar import Cifar, CifarTable
from hpcadmm.datasets.table import Source, Table
from hpcadmm.datasets.tabular.options import position
from hpcadmm.datasets.tabular.raw import Raw
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.errors import UsageError


def load_inputs(
    path: Path,
    like: Dataset,
    transform: Transform,
    world: World,
    dtype: Any,
    *,
    ones: bool,
    columns: Schema | Columns | None = None,
    ignored: int | str | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> Samples:
    """This rank's columns of the file, as `Dataset.load` returns them; all labels are 0. Collective.

    like: the dataset of the job, for its options. transform, columns: those of the training.
    A table has the columns of the training, found by name or else by position; the target's column, if there is one,
    is left out. ignored: a column of a table to leave out. HDF5 and npz files hold the features in `inputs` (X).
    """
    table = table_for(path, like, transform, columns, ignored, world)
    how = like.downsample, transform.inputs
    (samples,) = filled([Source.whole(table)], None, [dealt(table.rows, world)], dtype, ones, *how, world=world)
    samples.labels = np.zeros(samples.x.shape[1], np.int64)
    for line in (*table.warnings, *table.remarks(world)):
        warn(line)
    return samples


def table_for(
    path: Path,
    like: Dataset,
    transform: Transform,
    columns: Schema | Columns | None,
    ignored: int | str | None,
    world: World,
) -> Table:
    """The file as a table of the features of the training; see `load_inputs`. Collective."""
    features = len(transform.inputs.shift) * like.downsample**2
    with world.together(f"reading {path}"):
        check_there(path)
        kind = format_of(path, type(like))
    if issubclass(kind, Tabular):
        table: Table = raw_table(path, kind, like, columns, features, ignored, world)
    else:
        with world.together(f"reading {path}"):
            if ignored is not None:
                raise UsageError(f"--ignore {ignored}: is for tables; {path} is {kind.name}: its labels are never read")
            table = opened_table(path, kind, like, features)
    with world.together(f"reading {path}"):
        if isinstance(like, Generic) and like.image:
            table.image = (like.image[0], like.image[1], like.image[2])
        if table.features != features:
            raise UsageError(f"{path}: {table.features} features, but the network was trained on {features}")
    table.targets = 0
    return table


def raw_table(
    path: Path,
    kind: type[Tabular],
    like: Dataset,
    columns: Schema | Columns | None,
    features: int,
    ignored: int | str | None,
    world: World,
) -> Forward:
    """A table without its target, or without the ignored column; its values are not kept. Collective."""
    own = like if isinstance(like, kind) else kind(missing=like.missing) if isinstance(like, Tabular) else kind()
    kinds = columns.kinds if isinstance(columns, Schema) else {}
    raw = own.read(path, world, {**own.kinds, **kinds}, kept=False)
    with world.together(f"reading {path}"):
        dropped = None if ignored is None else position(raw, ignored, "ignore")
        seen = [k for k in range(len(raw.names)) if k != dropped]
        part = replace(raw, names=[raw.names[k] for k in seen], kinds=[raw.kinds[k] for k in seen])
        schema = columns if isinstance(columns, Schema) else plain(columns or Columns([]), part, own, features)
        found = schema.matched(part)
        table = Forward(raw, None)
        table.use(replace(found, at=[seen[k] for k in found.at], now=raw.kinds))
    return table


def plain(columns: Columns, raw: Raw, own: Tabular, features: int) -> Schema:
    """The schema of a run of an earlier version, or of one that was trained on arrays."""
    if columns.place is None and len(raw.names) == features + 1:
        columns = replace(columns, place=position(raw, own.targets[0], "target"))
    return Schema.plain(columns, features)


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
