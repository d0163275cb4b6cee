"""What a trained network says of new samples: a file of features in, a file of classes or values out."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.fill import empty_labels, gather
from hpcadmm.datasets.hdf5 import Hdf5, Hdf5Table
from hpcadmm.datasets.libsvm import Libsvm, LibsvmTable
from hpcadmm.datasets.npz import Npz, NpzTable
from hpcadmm.datasets.recognise import recognised, typed
from hpcadmm.datasets.table import Table, step
from hpcadmm.datasets.text import Csv, TextTable
from hpcadmm.errors import UsageError
from hpcadmm.model.losses.base import decide
from hpcadmm.model.state import Array
from hpcadmm.outfile import absent, kind, written
from hpcadmm.storage.hdf5 import write_array, write_text, writing
from hpcadmm.tables import named
from hpcadmm.trained import Trained, Warn, read

ROWS = 10_000  # rows of text made at a time
ONE = {"scores": "score", "probabilities": "probability", "values": "value"}  # the name of one column of a csv
OWN = ("delimiter", "header", "inputs", "zero_based", "image")  # options of the run's data that hold for INPUT too


@dataclass(frozen=True)
class Reading:
    """How INPUT is read: `kind` a dataset's name if not by its content; `settings` KEY=VALUE; `ignored` a csv column."""

    kind: str | None = None
    settings: Sequence[str] = ()
    ignored: str | None = None


Columns = dict[str, Array]  # what OUT holds: (samples,) or (samples, outputs) each


def predict(
    run: Path, source: Path, out: Path, how: Reading, force: bool, iteration: int | None, world: World, warn: Warn
) -> dict[str, Any]:
    """Write what the run's network says of the samples in `source` to `out`; returns how many, and what is in it.

    The first rank does the work. Raises UsageError, on all ranks, where run, input or output will not do.
    """
    trained = read(run, iteration, world, warn)
    said: dict[str, Any] = {}
    with world.together("predicting"), threadpool_limits(trained.job.head.threads):
        if world.first:
            write = WRITERS[kind(out, WRITERS)]
            absent(out, force)
            columns = predicted(trained, opened(trained, source, how))
            written(out, lambda aside: write(aside, columns, trained.names))
            said = {"out": str(out), "samples": len(next(iter(columns.values()))), "holds": list(columns)}
    shared: dict[str, Any] = world.share(said)
    return shared


def opened(trained: Trained, source: Path, how: Reading) -> Table:
    """The file as a table without labels, checked against the network."""
    if not source.is_file():
        raise UsageError(f"{source}: no such file")
    cls, options = recognised(str(source), how.kind, DATASETS)
    own = asdict(trained.job.data) if trained.job.data.name == cls.name else {}
    options |= {key: own[key] for key in OWN if own.get(key) is not None} | dict(map(typed, how.settings))
    faults: list[str] = []
    dataset = named(DATASETS, {"name": cls.name, **options}, "data", faults)
    if faults:
        raise UsageError("\n".join(faults))
    if how.ignored is not None and not isinstance(dataset, Csv):
        raise UsageError(f"--ignore {how.ignored}: is for csv; of {cls.name} the labels are never looked at")
    table: Table = dataset.described(unlabelled(dataset, source, how.ignored, trained.features)).table
    factor(trained, table)
    return table


def unlabelled(dataset: Any, source: Path, ignored: str | None, features: int) -> Table:
    """The table of features that the dataset's options describe."""
    if isinstance(dataset, Npz):
        return NpzTable(source, dataset.inputs, None, "auto")
    if isinstance(dataset, Hdf5):
        return Hdf5Table(source, dataset.inputs, None, "auto")
    if isinstance(dataset, Csv):
        column = None if ignored is None else int(ignored) if ignored.lstrip("-").isdigit() else ignored
        return TextTable(source, dataset.delimiter, dataset.header, column, classes=False)
    if isinstance(dataset, Libsvm):
        table = LibsvmTable(source, int(not dataset.zero_based), classes=False)
        table.features = max(table.features, dataset.features or features)
        return table
    raise UsageError(f"{source}: is {dataset.name}; predict reads npz, csv, hdf5 and libsvm: hpcadmm data convert")


def factor(trained: Trained, table: Table) -> int:
    """By how much the table's images are averaged; UsageError where its features are not the network's."""
    wanted, averaged = trained.features, trained.job.data.downsample
    if table.features == wanted:
        return 1
    if averaged > 1 and table.features == wanted * averaged**2:
        return averaged
    hints = ""
    if isinstance(table, TextTable) and table.features == wanted + 1:
        hints = "; if one is a label, say which: --ignore COLUMN (a name, or a number from 0; -1 is the last)"
    raise UsageError(f"{table.where}: {table.features} features, the network takes {wanted}{hints}")


def predicted(trained: Trained, table: Table) -> Columns:
    """The network's answers for all rows of a table, in their order."""
    z = np.empty((trained.network.n[-1], table.rows), trained.dtype, order="F")
    by, size = factor(trained, table), step(table.features)
    with table.reader() as reader:
        for start in range(0, table.rows, size):
            rows = range(start, min(start + size, table.rows))
            x = trained.inputs(len(rows))
            gather(table, reader, rows, x.T[:, : trained.features], empty_labels(table, len(rows)), by)
            trained.transform.inputs.apply(x[: trained.features])
            z[:, rows.start : rows.stop] = trained.output(x)
    return meant(trained, z)


def meant(trained: Trained, z: Array) -> Columns:
    """What outputs z (n_L, samples) mean: classes with their scores (cross entropy: probabilities), or values."""
    if not trained.classes:
        targets = trained.transform.targets
        return {"values": (targets.undo(z) if targets else z).T}
    classes = decide(z)
    scores = {"scores": z.T}
    if trained.job.loss.name == "cross-entropy":
        scores = {"probabilities": softmax(z, axis=0).T}
    return {"class": classes, "name": np.array(trained.names)[classes], **scores}


def write_csv(path: Path, columns: Columns, names: Sequence[str]) -> None:
    """A header, then a line a sample; numbers to their last bit."""
    single = {key: values for key, values in columns.items() if values.ndim == 1}
    several = {key: values for key, values in columns.items() if values.ndim > 1}
    heads = [f"{ONE[key]} {name}" for key, values in several.items() for name in called(values.shape[1], names)]
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*single, *heads])
        for block in blocks(columns):
            out.writerows(np.column_stack([block[key].astype(str) for key in (*single, *several)]).tolist())


def called(count: int, names: Sequence[str]) -> Sequence[str]:
    """The names of so many outputs: the classes', or numbers."""
    return names if len(names) == count else [str(i) for i in range(count)]


def blocks(columns: Columns) -> Iterator[Columns]:
    """The columns in pieces of so many rows that their text is small."""
    for start in range(0, len(next(iter(columns.values()))), ROWS):
        yield {key: values[start : start + ROWS] for key, values in columns.items()}


def write_npz(path: Path, columns: Columns, names: Sequence[str]) -> None:
    """The columns as arrays, and the classes' names; no pickle."""
    np.savez(path, allow_pickle=False, **columns, **({"names": np.array(names)} if names else {}))


def write_h5(path: Path, columns: Columns, names: Sequence[str]) -> None:
    """The columns as datasets with checksums, names in UTF-8; the classes' names as JSON in `names`."""
    with writing(path, {}) as file:
        for key, values in columns.items():
            text = values.dtype.kind == "U"
            write_array(file, key, np.char.encode(values, "utf-8") if text else np.ascontiguousarray(values))
        write_text(file, "names", json.dumps(list(names)))


WRITERS: Mapping[str, Callable[[Path, Columns, Sequence[str]], None]] = {
    ".csv": write_csv,
    ".npz": write_npz,
    ".h5": write_h5,
}
