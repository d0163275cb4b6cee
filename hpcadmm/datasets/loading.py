"""From a dataset's options to one rank's columns: choose the rows, read them, transform in float64, cast."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets import digest, scaling
from hpcadmm.datasets.choose import dealt
from hpcadmm.datasets.fill import width
from hpcadmm.datasets.formats.header import Columns
from hpcadmm.datasets.formats.lookup import places
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.loaded import Loaded, Samples, Transform
from hpcadmm.datasets.scaling import Kind
from hpcadmm.datasets.table import Source, Table, brought
from hpcadmm.datasets.transform import Affine, narrowed
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import Tiles

if TYPE_CHECKING:
    from hpcadmm.datasets.base import Dataset

CURE = 'use more ranks on more nodes, precision = "float32", or fewer samples by data.first'


@dataclass
class Loading:
    """What is to be read: both parts with their tiles on this rank, into x of this dtype."""

    dataset: "Dataset"
    world: World
    dtype: Any
    ones: bool
    sources: tuple[Source, Source]
    tiles: tuple[Tiles, Tiles]
    labelling: Labelling | None
    features: int

    @property
    def table(self) -> Table:
        """That of the train part."""
        return self.sources[0].table

    def part(self, index: int, dtype: Any, inputs: Affine | None) -> Samples:
        """The train (0) or the test (1) part, its features transformed, or raw; collective."""
        with self.world.together("reading the data"), memory.spared("the samples"):
            source, tiles = self.sources[index], self.tiles[index]
            return self.dataset.read(source, self.labelling, tiles, dtype, self.ones, inputs)

    def held(self, known: Affine | None) -> Any:
        """The dtype in which the train part is held until its transform is known: float64 unless a cast is exact."""
        exact = np.can_cast(self.table.dtype, self.dtype, "safe") and self.dataset.downsample == 1
        return self.dtype if known is not None or exact else np.float64

    def check_memory(self, held: Any) -> None:
        """Raise UsageError if the samples do not fit the memory of a node; collective."""
        train, test = (t.hi - t.lo for t in self.tiles)
        sizes = train * np.dtype(held).itemsize, test * np.dtype(self.dtype).itemsize
        memory.check(self.world, {"samples": (self.features + self.ones) * sum(sizes) + 8 * (train + test)}, CURE)

    def train(self, kind: Kind | None, known: Affine | None) -> tuple[Samples, Affine, Kind]:
        """The train part, its transform and which scaling that is; collective."""
        held = self.held(known)
        self.check_memory(held)
        train, inputs = self.part(0, held, known), known
        raw = train.x[: self.features]
        if kind is None:
            kind = "standard" if scaling.dense(raw, self.world) else "none"
            inputs = inputs or scaling.known(kind, self.table, self.features)
        if inputs is None:
            inputs = scaling.measured(kind, train, self.features, self.world)
            inputs.apply(raw)
        train.x = narrowed(train.x, self.dtype)
        return train, inputs, kind


def load(
    dataset: "Dataset",
    seed: int,
    world: World,
    dtype: Any,
    ones: bool,
    tile: int,
    parts: int,
    transform: Transform | None,
    columns: Columns | None,
) -> Loaded:
    """What `Dataset.load` says; collective."""
    sources = chosen(dataset, seed, columns, world)
    tiles = (dealt(len(sources[0].rows), world, tile, parts), dealt(len(sources[1].rows), world, tile))
    table = sources[0].table
    with world.together("reading the data"), memory.spared("the labels"):
        features = width(table, dataset.downsample)
        if transform:
            check_width(transform, table, features)
        tables = list(dict.fromkeys(s.table for s in sources))
        labelling = dataset.labelling(tables)
    loading = Loading(dataset, world, dtype, ones, sources, tiles, labelling, features)
    kind = scaling.kind_of(dataset, table)
    known = transform.inputs if transform else scaling.known(kind, table, features)
    train, inputs, kind = loading.train("none" if transform else kind, known)
    test = loading.part(1, dtype, inputs)
    targets = transform.targets if transform else scaling.of_targets(dataset, train, table, world)
    if targets is not None:
        for part in (train, test):
            targets.apply(np.atleast_2d(part.labels))
    names = labelling.names if labelling else None
    done = Loaded(train, test, features, len(names or ()), names, Transform(inputs, targets), dataset, table.real)
    done.columns = table.named()
    done.facts, done.warnings = ([line for t in tables for line in getattr(t, key)] for key in ("facts", "warnings"))
    return done if transform else recorded(done, kind, sources, seed, world)


def chosen(dataset: "Dataset", seed: int, columns: Columns | None, world: World) -> tuple[Source, Source]:
    """Both parts, their headers checked and their rows chosen; collective."""
    with world.together("reading the data"), memory.spared("the rows"):
        train, test = brought(dataset.sources(seed), columns)
    rows = train.table.rows if test is None or dataset.validation or dataset.order != "file" else 0
    memory.check(world, {"row numbers": 16.0 * rows}, CURE)
    with world.together("reading the data"), memory.spared("the rows"):
        return dataset.select(train, test)


def check_width(transform: Transform, table: Table, features: int) -> None:
    """Raise UsageError if the transform of a network is one of other features."""
    if len(transform.inputs.shift) != features:
        raise UsageError(f"{table.where}: {features} features, the network takes {len(transform.inputs.shift)}")


def recorded(loaded: Loaded, kind: Kind, sources: Sequence[Source], seed: int, world: World) -> Loaded:
    """With what a run keeps of its data: settled options, digests, warnings; collective."""
    given, table = loaded.dataset, sources[0].table
    loaded.dataset = scaling.settled(anchored(given, table.files), kind)
    parts = (loaded.train, loaded.test)
    loaded.digest = digest.contents(parts, world) if table.files else digest.drawn(loaded.dataset, seed)
    loaded.former = digest.former(given, seed, sources)
    loaded.warnings += scaling.remarks(kind, loaded.train, table, loaded.features, world)
    return loaded


def anchored(dataset: "Dataset", files: Sequence[Path]) -> "Dataset":
    """With an absolute `path`, if the files were found from the working folder and not from $HPCADMM_DATA or the cache.

    So the job of a run finds them from any folder.
    """
    if dataset.path is None or not files:
        return dataset
    place = places(dataset.path, dataset.name)[0]
    inside = any(place in (file, *file.parents) for file in files)
    return replace(dataset, path=str(place)) if inside else dataset
