"""The data that a trained network is evaluated on: its own, or other data converted to its features."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, time
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.after.trained import Trained
from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.disk.lookup import expanded, there
from hpcadmm.datasets.given.recognise import recognised
from hpcadmm.datasets.loaded import Loaded, Transform
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError
from hpcadmm.job.tables import named, toml_file
from hpcadmm.job.typed import Raw, name_of, options, settled

MEANING = ("downsample", "classes", "positive")  # options that define features and classes: other data keep them
SCALING = ("scale", "standardise", "standardise_targets")  # never kept: all data are scaled like the training data
RAW = Affine.identity(1)  # targets in the data's own units


@dataclass(frozen=True)
class Choice:
    """A dataset. whole: all its samples are test samples, since it is other data without a test part."""

    dataset: Dataset
    whole: bool


def choose(trained: Trained, overrides: Sequence[str], world: World) -> Choice:
    """The run's own data, or the data that the overrides describe, read by the first rank. Collective.

    An override is KEY=VALUE for a key of the run's [data] table (KEY= unsets it), the path of a data file, the name
    of a dataset, or the path of a .toml file with a [data] table. With another name only the options MEANING are kept.
    """
    given = shared(overrides, world)
    table = merged({"name": trained.job.data.name, **asdict(trained.job.data)}, given)
    names = {f.name for f in fields(DATASETS[table["name"]])} if table.get("name") in DATASETS else set()
    if "features" in names and table.get("downsample", 1) == 1:
        table.setdefault("features", trained.features)  # a sparse file may lack the last ones
    faults: list[str] = []
    dataset = named(DATASETS, table, "data", faults)
    if faults:
        raise UsageError("--data:\n  " + "\n  ".join(faults))
    whole = False
    if {"name", "path", "train"} & given.keys() and not {"split", "test"} & given.keys():
        with world.together("reading the data"):
            whole = not dataset.has_test()
    return Choice(dataset, whole)


def shared(overrides: Sequence[str], world: World) -> dict[str, Any]:
    """The keys that the overrides set, on all ranks. Collective."""
    items: list[list[Any]] = []
    with world.together("reading --data"):
        if world.first:
            pairs = [item for text in overrides for item in described(text).items()]
            items = [[key, value, isinstance(value, Raw)] for key, value in pairs]
    return {key: Raw(value) if raw else value for key, value, raw in world.share(items)}


def described(text: str) -> dict[str, Any]:
    """The keys of [data] that one override sets."""
    path = expanded(text)
    if path.suffix == ".toml" and there(path):
        return table_of(path)
    if "=" in text and not there(path):
        ((key, value),) = options([text]).items()
        return {key: (name_of(value) if key == "name" else settled(Dataset, key, value)) if value else None}
    cls, found = recognised(text, None, DATASETS)
    if cls.name not in DATASETS:
        raise UsageError(f"--data {text}: one of several files; give the dataset and its folder, or convert it")
    return {"name": cls.name, **found}


def table_of(path: Path) -> dict[str, Any]:
    """The [data] table of a job file, or the whole file if it has no such table."""
    tables = toml_file(path, f"--data {path}", f"--data {path}")
    table = tables.get("data", tables)
    if not isinstance(table, dict):
        raise UsageError(f"--data {path}: data must be a table, [data]")
    for key, value in table.items():
        if isinstance(value, date | time):
            raise UsageError(f'--data {path}: {key} = {value}: must be text in quotes, "{value}", not a date or a time')
    return table


def merged(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The run's table updated with the given keys. Options of files that are no longer used are dropped.

    >>> merged({"name": "csv", "path": "a.csv", "classes": [1, 2]}, {"name": "hdf5", "path": "b.h5"})
    {'classes': [1, 2], 'name': 'hdf5', 'path': 'b.h5'}
    """
    kept = own
    if given.get("name", own["name"]) != own["name"]:
        kept = {key: value for key, value in own.items() if key in MEANING}
    elif "path" in given and there(expanded(str(given["path"]))):
        kept = {key: value for key, value in own.items() if key not in ("train", "test")}
    if {"path", "train", "test"} & given.keys():  # no samples of other files are held out or dealt
        kept = {key: value for key, value in kept.items() if key not in ("validation", "shards")}
    return {key: value for key, value in (kept | given).items() if value is not None and key not in SCALING}


def load(trained: Trained, choice: Choice, world: World) -> Loaded:
    """This rank's samples, with features scaled as in the training and labels as the network's classes. Collective.

    Targets of a regression stay in the data's own units.
    """
    scaled = Transform(trained.transform.inputs, RAW)
    loaded = choice.dataset.load(
        trained.job.head.seed,
        world,
        trained.dtype,
        ones=trained.network.bias,
        transform=scaled,
        columns=trained.columns,
        classes=trained.classes > 0,
    )
    if bool(loaded.classes) != bool(trained.classes):
        given, known = ("classes" if classes else "real targets" for classes in (loaded.classes, trained.classes))
        raise UsageError(f"{choice.dataset.name}: has {given}, but the network was trained on {known}")
    codes = np.array(matched(loaded.names or [], trained.names), np.int64)
    for part in (loaded.train, loaded.test):
        targets, outputs = len(np.atleast_2d(part.labels)), trained.network.n[-1]
        if trained.classes:
            part.labels = codes[part.labels]
        elif targets != outputs:
            raise UsageError(f"the data have {targets} target(s), but the network has {outputs} output(s)")
    return loaded


def by_place(names: Sequence[str], known: Sequence[str]) -> bool:
    """Whether there are as many names as known ones, but none in common."""
    return bool(known) and len(names) == len(known) and not set(names) & set(known)


def matched(names: Sequence[str], known: Sequence[str]) -> list[int]:
    """The network's class for each class of the data: by name, or by position if no name is shared.

    >>> matched(["7", "3"], ["3", "5", "7"]), matched(["cat", "dog"], ["0", "1"])
    ([2, 0], [0, 1])
    """
    if by_place(names, known):
        return list(range(len(known)))
    if strange := [name for name in names if name not in known]:
        raise UsageError(
            f"the data have {len(names)} classes and the network knows {len(known)}, but not "
            f"{', '.join(strange[:10])}; choose and order the classes with --data classes=[...]"
        )
    return [known.index(name) for name in names]
