"""Predictions of a trained network: from a file of features to a file of classes or values."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
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
from hpcadmm.datasets.disk.lookup import check_there
from hpcadmm.datasets.formats.text import Csv
from hpcadmm.datasets.recognise import format_of
from hpcadmm.datasets.unlabelled import load_inputs
from hpcadmm.errors import UsageError
from hpcadmm.job.tables import named
from hpcadmm.job.typed import setting
from hpcadmm.model.losses.base import decide
from hpcadmm.model.state import Array
from hpcadmm.storage.durable import absent, kind, written
from hpcadmm.storage.hdf5 import write_array, write_text, writing

ROWS = 10_000  # rows of text made at a time
ONE = {"scores": "score", "probabilities": "probability", "values": "value"}  # prefix of a csv column name

Columns = dict[str, Array]  # the content of the output: arrays (samples,) or (samples, outputs)


@dataclass(frozen=True)
class Reading:
    """How the input is read. settings: KEY=VALUE options of its format; ignored: the csv column to skip."""

    settings: Sequence[str] = ()
    ignored: str | None = None

    @property
    def column(self) -> str | int | None:
        """The ignored column by name or number."""
        number = self.ignored is not None and self.ignored.lstrip("-").isdecimal()
        return int(self.ignored or "") if number else self.ignored


def predict(
    run: Path, source: Path, out: Path, how: Reading, force: bool, iteration: int | None, world: World, warn: Warn
) -> dict[str, Any]:
    """Write the predictions for the samples in `source` to `out`; returns their number and columns. Collective.

    The first rank does the work. Raises UsageError, on all ranks, for an invalid run, input or output.
    """
    trained = read(run, iteration, world, warn)
    facts: dict[str, Any] = {}
    with world.together("predicting"), threadpool_limits(trained.job.head.threads):
        if world.first:
            write = WRITERS[kind(out, WRITERS)]
            absent(out, force)
            columns = predicted(trained, source, how, warn)
            written(out, lambda aside: write(aside, columns, trained.names))
            facts = {"out": str(out), "samples": len(next(iter(columns.values()))), "holds": list(columns)}
    shared: dict[str, Any] = world.share(facts)
    return shared


def predicted(trained: Trained, source: Path, how: Reading, warn: Warn) -> Columns:
    """The predictions for all samples of a file, in their order."""
    samples = load_inputs(
        source,
        reader(trained, source, how),
        trained.transform,
        World.alone(),
        trained.dtype,
        ones=trained.network.bias,
        columns=trained.columns,
        ignored=how.column,
        warn=warn,
    )
    z = np.empty((trained.network.n[-1], samples.n), trained.dtype, order="F")
    for _, t in samples.tiles:
        z[:, t] = trained.output(samples.x[:, t])
    return interpreted(trained, z)


def reader(trained: Trained, source: Path, how: Reading) -> Dataset:
    """A dataset of the file's format, with the given options and those of the run that the format shares."""
    check_there(source)
    own, name = trained.job.data, format_of(source, type(trained.job.data)).name
    given = dict(map(setting, how.settings))
    if name not in DATASETS:
        if given:
            raise UsageError(f"{source}: the format {name} has no options; remove --set")
        return own
    options: dict[str, Any] = asdict(own) if own.name == name else {"downsample": own.downsample}
    if name == Csv.name != own.name and trained.columns is not None:
        options["target"] = trained.columns.place  # as in the training table
    options = {key: value for key, value in (options | given).items() if value is not None}
    faults: list[str] = []
    dataset: Dataset = named(DATASETS, {"name": name, **options}, "data", faults)
    if faults:
        raise UsageError("\n".join(faults))
    return dataset


def interpreted(trained: Trained, z: Array) -> Columns:
    """Outputs z (n_L, samples) as classes with scores (cross entropy: probabilities), or as regression values."""
    if not trained.classes:
        targets = trained.transform.targets
        return {"values": (targets.undo(z) if targets else z).T}
    classes = decide(z)
    if trained.job.loss.name == "cross-entropy":
        scores = {"probabilities": softmax(z, axis=0).T}
    else:
        scores = {"scores": z.T}
    return {"class": classes, "name": np.array(trained.names)[classes], **scores}


def write_csv(path: Path, columns: Columns, names: Sequence[str]) -> None:
    """Write a header, then a line per sample; numbers keep all their bits."""
    ordered = sorted(columns.items(), key=lambda item: item[1].ndim)  # the single columns first
    head: list[str] = []
    for key, values in ordered:
        outputs = names if len(names) == values.shape[-1] else range(values.shape[-1])
        head += [key] if values.ndim == 1 else [f"{ONE[key]} {name}" for name in outputs]
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(head)
        for start in range(0, len(ordered[0][1]), ROWS):
            block = [values[start : start + ROWS].astype(str) for _, values in ordered]
            out.writerows(np.column_stack(block).tolist())


def write_npz(path: Path, columns: Columns, names: Sequence[str]) -> None:
    """Write the columns as arrays, and the class names, without pickles."""
    np.savez(path, allow_pickle=False, **columns, **({"names": np.array(names)} if names else {}))


def write_h5(path: Path, columns: Columns, names: Sequence[str]) -> None:
    """Write the columns as datasets with checksums, text in UTF-8, and the class names as JSON in `names`."""
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
