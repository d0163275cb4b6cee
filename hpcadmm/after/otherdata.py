"""The data that a trained network is tried on: its own, or others that are brought to the features it knows."""

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
from hpcadmm.datasets.formats.lookup import expanded
from hpcadmm.datasets.formats.reasons import there
from hpcadmm.datasets.loaded import Loaded, Samples, Transform
from hpcadmm.datasets.recognise import recognised
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError
from hpcadmm.job.tables import named, toml_file
from hpcadmm.job.typed import Raw, name_of, setting, settled

MEANING = ("downsample", "classes", "positive")  # options that other data keep: what features and classes mean
SCALING = ("scale", "standardise", "standardise_targets")  # all data are scaled as the training's
RAW = Affine.identity(1)  # as it is in the files


@dataclass(frozen=True)
class Choice:
    """A dataset; whole: all of it is for testing, since it is other data without a test part of its own."""

    dataset: Dataset
    whole: bool


def choose(trained: Trained, overrides: Sequence[str], world: World) -> Choice:
    """The run's own data, or those that the overrides describe, the first rank reading for all. Collective.

    An override is KEY=VALUE for a key of the run's [data] table (KEY= unsets it), the path of a data file, the name
    of a dataset, or the path of a .toml file whose table [data] is taken. Another name keeps only MEANING.
    """
    told: list[list[Any]] = []
    with world.together("reading --data"):
        if world.first:
            items = [item for text in overrides for item in described(text).items()]
            told = [[key, value, isinstance(value, Raw)] for key, value in items]
    given = {key: Raw(value) if raw else value for key, value, raw in world.share(told)}
    own = {"name": trained.job.data.name, **asdict(trained.job.data)}
    table = merged(own, given)
    names = {f.name for f in fields(DATASETS[table["name"]])} if table.get("name") in DATASETS else set()
    if "features" in names and table.get("downsample", 1) == 1:
        table.setdefault("features", trained.features)  # a sparse file may not use the last ones
    faults: list[str] = []
    dataset = named(DATASETS, table, "data", faults)
    if faults:
        raise UsageError("--data:\n  " + "\n  ".join(faults))
    other = {"name", "path", "train"} & given.keys()
    whole = False
    if other and not {"split", "test"} & given.keys():
        with world.together("reading the data"):
            whole = dataset.sources(trained.job.head.seed)[1] is None
    return Choice(dataset, whole)


def described(text: str) -> dict[str, Any]:
    """The keys of [data] that one override sets."""
    path = expanded(text)
    if path.suffix == ".toml" and there(path):
        return table_of(path)
    if "=" in text and not there(path):
        key, value = setting(text.removeprefix("data."))
        return {key: (name_of(value) if key == "name" else settled(Dataset, key, value)) if value else None}
    cls, options = recognised(text, None, DATASETS)
    if cls.name not in DATASETS:
        raise UsageError(f"--data {text}: is one of several files; name the dataset and its folder, or convert it")
    return {"name": cls.name, **options}


def table_of(path: Path) -> dict[str, Any]:
    """The table [data] of a job file, or the whole file if it has no such table."""
    tables = toml_file(path, f"--data {path}", f"--data {path}")
    table = tables.get("data", tables)
    if not isinstance(table, dict):
        raise UsageError(f"--data {path}: data must be a table, [data]")
    for key, value in table.items():
        if isinstance(value, date | time):
            raise UsageError(f'--data {path}: {key} = {value}: must be text in quotes, "{value}", not a date or a time')
    return table


def merged(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The run's table with what was given; options that belong to the files left behind are dropped.

    >>> merged({"name": "csv", "path": "a.csv", "classes": [1, 2]}, {"name": "hdf5", "path": "b.h5"})
    {'classes': [1, 2], 'name': 'hdf5', 'path': 'b.h5'}
    """
    kept = own
    if given.get("name", own["name"]) != own["name"]:
        kept = {key: value for key, value in own.items() if key in MEANING}
    elif "path" in given and there(expanded(str(given["path"]))):
        kept = {key: value for key, value in own.items() if key not in ("train", "test")}
    if {"path", "train", "test"} & given.keys():  # other files: none of their samples is held out
        kept = {key: value for key, value in kept.items() if key != "validation"}
    return {key: value for key, value in (kept | given).items() if value is not None and key not in SCALING}


def load(trained: Trained, choice: Choice, world: World) -> Loaded:
    """This rank's columns, features as the network was trained on, labels its classes; collective.

    The targets of a regression are left in the data's own units.
    """
    ones = trained.network.bias
    scaled, columns = Transform(trained.transform.inputs, RAW), trained.columns
    seed = trained.job.head.seed
    loaded = choice.dataset.load(seed, world, trained.dtype, ones=ones, transform=scaled, columns=columns)
    if bool(loaded.classes) != bool(trained.classes):
        kinds = ["real targets", "classes"]
        given, known = kinds[bool(loaded.classes)], kinds[bool(trained.classes)]
        raise UsageError(f"{choice.dataset.name}: has {given}, the network was trained on {known}")
    codes = np.array(matched(loaded.names or [], trained.names), np.int64)
    for part in (loaded.train, loaded.test):
        if trained.classes:
            part.labels = codes[part.labels]
        else:
            check_targets(part, trained)
    return loaded


def check_targets(part: Samples, trained: Trained) -> None:
    """Raise UsageError if the samples have another number of targets than the network has outputs."""
    targets = len(np.atleast_2d(part.labels))
    if targets != trained.network.n[-1]:
        raise UsageError(f"the data have {targets} target(s), the network has {trained.network.n[-1]} output(s)")


def by_place(names: Sequence[str], known: Sequence[str]) -> bool:
    """Are there as many names as known ones, and none the same?"""
    return bool(known) and len(names) == len(known) and not set(names) & set(known)


def matched(names: Sequence[str], known: Sequence[str]) -> list[int]:
    """The network's class of each class of the data: by name, or by place if no name is shared and all have one.

    >>> matched(["7", "3"], ["3", "5", "7"]), matched(["cat", "dog"], ["0", "1"])
    ([2, 0], [0, 1])
    """
    if by_place(names, known):
        return list(range(len(known)))
    if strange := [name for name in names if name not in known]:
        raise UsageError(
            f"the data have {len(names)} classes, the network knows {len(known)}, and not {', '.join(strange[:10])}; "
            "choose and order them with --data classes=[...]"
        )
    return [known.index(name) for name in names]
