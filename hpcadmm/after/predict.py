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

from hpcadmm.after.trained import Trained, Warn, read
from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.formats.reasons import check_there
from hpcadmm.datasets.formats.text import Csv
from hpcadmm.datasets.recognise import format_of
from hpcadmm.datasets.unlabelled import load_inputs
from hpcadmm.errors import UsageError
from hpcadmm.job.tables import named
from hpcadmm.job.typed import setting
from hpcadmm.model.losses.base import decide
from hpcadmm.model.state import Array
from hpcadmm.storage.hdf5 import write_array, write_text, writing
from hpcadmm.storage.outfile import absent, kind, written

ROWS = 10_000  # rows of text made at a time
ONE = {"scores": "score", "probabilities": "probability", "values": "value"}  # the name of one column of a csv

Columns = dict[str, Array]  # what OUT holds: (samples,) or (samples, outputs) each


@dataclass(frozen=True)
class Reading:
    """How INPUT is read. settings: KEY=VALUE, options of its format; ignored: the csv column that is no feature."""

    settings: Sequence[str] = ()
    ignored: str | None = None


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
            columns = predicted(trained, source, how, warn)
            written(out, lambda aside: write(aside, columns, trained.names))
            said = {"out": str(out), "samples": len(next(iter(columns.values()))), "holds": list(columns)}
    shared: dict[str, Any] = world.share(said)
    return shared


def predicted(trained: Trained, source: Path, how: Reading, warn: Warn) -> Columns:
    """The network's answers for all samples of a file, in their order."""
    like, ones = reader(trained, source, how), trained.network.bias
    named = how.ignored is None or not how.ignored.lstrip("-").isdecimal()
    ignored = how.ignored if named else int(how.ignored or "")
    samples = load_inputs(
        source,
        like,
        trained.transform,
        World.alone(),
        trained.dtype,
        ones=ones,
        columns=trained.columns,
        ignored=ignored,
        warn=warn,
    )
    z = np.empty((trained.network.n[-1], samples.n), trained.dtype, order="F")
    for _, t in samples.tiles:
        z[:, t] = trained.output(samples.x[:, t])
    return meant(trained, z)


def reader(trained: Trained, source: Path, how: Reading) -> Dataset:
    """A dataset of the file's format with the options that hold for it: the run's, where they are of that format."""
    check_there(source)
    own, name = trained.job.data, format_of(source, type(trained.job.data)).name
    given = dict(map(setting, how.settings))
    if name not in DATASETS:
        if given:
            raise UsageError(f"{source}: is {name}, which takes no options")
        return own
    options: dict[str, Any] = asdict(own) if own.name == name else {"downsample": own.downsample}
    if name == Csv.name != own.name and trained.columns is not None:
        options["target"] = trained.columns.place  # as in the table of the training, if it was one
    options = {key: value for key, value in (options | given).items() if value is not None}
    faults: list[str] = []
    dataset: Dataset = named(DATASETS, {"name": name, **options}, "data", faults)
    if faults:
        raise UsageError("\n".join(faults))
    return dataset


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
