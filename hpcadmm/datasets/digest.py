"""What a run saves about its data, and their digest, which a resumed run compares with that of its first session."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets import scaling
from hpcadmm.datasets.disk.lookup import places
from hpcadmm.datasets.loaded import Loaded, Samples
from hpcadmm.datasets.table import READING, Source
from hpcadmm.datasets.transform import Kind
from hpcadmm.model import inputs

if TYPE_CHECKING:
    from hpcadmm.datasets.base import Dataset

# Options and defaults that version 0.1.0 did not have; `former` leaves them out.
LATER = (
    ("order", "file"),
    ("columns", None),
    ("validation", None),
    ("shards", None),
    ("comment", None),
    ("memory", None),
    ("sparse", "auto"),
    ("weight", None),
)


def contents(parts: Sequence[Samples], world: World) -> str:
    """sha256 of the shapes, features, labels and weights of the parts as the solver sees them; collective.

    Tiles are hashed where they lie, so any number of ranks gives the same digest. Names, places, packing and times of
    the files do not matter.
    """
    whole = hashlib.sha256()
    for part in parts:
        marks = np.zeros((part.tiles.count, 4))
        for tile, t in part.tiles:
            hashed = hashlib.sha256()
            for array in inputs.contents(part.x, t):
                hashed.update(array.data)
            hashed.update(np.ascontiguousarray(part.labels.T[t]).data)
            if part.weight is not None:
                hashed.update(part.weight[t].data)
            marks[tile] = np.frombuffer(hashed.digest()[:16], "<u4")  # integers, exact in a sum over ranks
        world.sum_flat(marks.reshape(-1))
        whole.update(json.dumps([part.n, len(part.x), str(part.x.dtype), part.labels.ndim]).encode())
        whole.update(marks.astype("<u4").tobytes())
    return whole.hexdigest()


def drawn(dataset: "Dataset", seed: int) -> str:
    """The digest of data that are drawn: of the options that are not defaults, and the seed."""
    options = {f.name: getattr(dataset, f.name) for f in fields(dataset)}
    told = {key: value for key, value in options.items() if value != getattr(type(dataset), key, None)}
    return hashlib.sha256(json.dumps([dataset.name, told, seed], sort_keys=True).encode()).hexdigest()


def former(dataset: "Dataset", seed: int, sources: Sequence[Source]) -> str:
    """The digest in checkpoints of version 0.1.0: of the options, the counts, and the names and ends of the files."""
    options = {key: value for key, value in asdict(dataset).items() if key != "path" and (key, value) not in LATER}
    files: list[Any] = [[fingerprint(file) for file in s.table.files if file.exists()] for s in sources]
    counts = [[len(s.rows), s.table.rows, s.table.features] for s in sources]
    told = json.dumps([dataset.name, options, counts, files, None if any(files) else seed], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def fingerprint(path: Path) -> list[object]:
    """A file's name, size, and hash of its first and last 4 kB."""
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = file.read(4096)
        file.seek(max(0, size - 4096))
        ends += file.read(4096)
    return [path.name, size, hashlib.sha256(ends).hexdigest()]


def recorded(loaded: Loaded, kind: Kind, sources: Sequence[Source], seed: int, world: World) -> Loaded:
    """Add what a run saves about its data: the options without "auto", digests, warnings; collective."""
    given, table = loaded.dataset, sources[0].table
    loaded.dataset = scaling.settled(anchored(given, table.files), kind, table)
    parts = (loaded.train, loaded.test)
    loaded.digest = drawn(loaded.dataset, seed) if table.made else contents(parts, world)
    with world.together(READING):
        loaded.former = former(given, seed, sources)
    loaded.warnings += scaling.remarks(kind, loaded.train, table, loaded.features, world)
    return loaded


def anchored(dataset: "Dataset", files: Sequence[Path]) -> "Dataset":
    """With `path` made absolute if the files were found relative to the working folder, so that a run finds them from
    any folder."""
    if dataset.path is None or not files:
        return dataset
    place = places(dataset.path, dataset.name)[0]
    inside = any(place in (file, *file.parents) for file in files)
    return replace(dataset, path=str(place)) if inside else dataset
