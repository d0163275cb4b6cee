"""From a dataset's options to one rank's columns: choose the rows, read them, transform in float64, cast."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets import digest, scaling, weights
from hpcadmm.datasets.choose import dealt
from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.fill import check_range, filled, width
from hpcadmm.datasets.labels import Labelling
from hpcadmm.datasets.lean import scratch, sparse, streamed
from hpcadmm.datasets.lean.keeping import ANY, Keeping
from hpcadmm.datasets.lean.piecewise import Pieces, large
from hpcadmm.datasets.lean.window import Window, window_for
from hpcadmm.datasets.loaded import Loaded, Samples, Transform
from hpcadmm.datasets.table import READING, Parts, Source, Table
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.datasets.transform import Affine, Kind, fitted, narrowed
from hpcadmm.errors import UsageError
from hpcadmm.model.inputs import Inputs
from hpcadmm.model.tiles import Tiles

if TYPE_CHECKING:
    from hpcadmm.datasets.base import Dataset

CURE = 'use more ranks on more nodes, precision = "float32", or fewer samples (data.first)'


def load(
    dataset: "Dataset",
    seed: int,
    world: World,
    dtype: Any,
    *,
    ones: bool,
    tile: tuple[int, int] = (64, 1024),
    parts: int = 0,
    transform: Transform | None = None,
    columns: Schema | Columns | None = None,
    keeping: Keeping = ANY,
    training: bool = False,
    classes: bool | None = None,
) -> Loaded:
    """Read this rank's columns; collective.

    world: all ranks. On a grid of layers x samples they read the files together, each byte once, and the ranks of a
    chain get the same columns.
    seed: of the job, for data that are drawn. dtype: of x, float32 or float64; transforms are computed in float64 from
    the raw values and cast afterwards. ones: add a last row of ones to x. tile: the limits of its width.
    parts: cut the train part into this many even parts instead.
    transform: apply this one instead of the train part's own.
    columns: those of a training, matched by name (None: unknown).
    keeping: whether x may stay in the file if it takes more than data.memory.
    training: compute the digest, and the transform of the targets unless given; always true without `transform`.
    classes: the loss needs classes (True) or real targets (False); None: either.
    Raises UsageError, on all ranks, for invalid options, files or values, and for too little memory.
    """
    training = training or transform is None
    if training and isinstance(columns, Schema):
        columns = replace(columns, target=None)  # the labels may be others
    sources = chosen(dataset, seed, columns, world, classes)
    train, test = (len(source.rows) for source in sources)
    tiles = dealt(train, world.samples, tile, parts), dealt(test, world.samples, tile)
    table = sources[0].table
    with world.together(READING), memory.spared("the labels"):
        features = width(table, dataset.downsample)
        if transform and len(transform.inputs.shift) != features:
            known = len(transform.inputs.shift)
            raise UsageError(f"{table.where}: {features} features, but the network was trained on {known}")
    with memory.spared("the labels"):
        labelling = dataset.labelling(list(dict.fromkeys(s.table for s in sources)), world)
    column = (features + ones) * np.dtype(dtype).itemsize
    kind = scaling.kind_of(dataset, table) or ("none" if transform else None)
    known_inputs = transform.inputs if transform else scaling.known(kind, table, features)
    stays = sparse.wanted(dataset, table, kind, transform.inputs if transform else None, keeping)
    most = None if stays else dataset.memory
    window = window_for(most, tiles, column, keeping, world)
    held = window, stays, cure(table, keeping)
    loading = Loading(dataset, world, dtype, ones, sources, tiles, labelling, features, *held)
    return _read(loading, kind, known_inputs, transform, training, seed)


def _read(
    loading: "Loading", kind: Any, known: Affine | None, transform: Transform | None, training: bool, seed: int
) -> Loaded:
    """Both parts, read and transformed, with their weights, and what a run keeps of the data. Collective."""
    dataset, world, sources, labelling = loading.dataset, loading.world, loading.sources, loading.labelling
    table, tables = sources[0].table, list(dict.fromkeys(s.table for s in sources))
    (train, test), inputs, kind = loading.both(kind, known)
    targets = transform.targets if transform else None
    if training and (targets is None or len(targets.shift) != table.targets):
        targets = scaling.of_targets(dataset, train, table, world.samples)
    if targets is not None:
        for part in (train, test):
            targets.apply(np.atleast_2d(part.labels))
    names = labelling.names if labelling else None
    done = Loaded(
        train, test, loading.features, len(names or ()), names, Transform(inputs, targets), dataset, table.real
    )
    done.columns = table.named()
    done.facts, done.warnings = ([line for t in tables for line in getattr(t, key)] for key in ("facts", "warnings"))
    if loading.spools:
        done.facts.append(scratch.said(sources, loading.features, dataset.downsample))
    done.facts += weights.weigh(dataset.weight, (train, test), sources, names, world.samples, training=training)
    done.warnings += [line for table in tables for line in table.remarks(world)]
    return digest.recorded(done, kind, sources, seed, world.samples) if training else done


def cure(table: Table, keeping: Keeping) -> str:
    """What helps where samples do not fit."""
    if keeping.streams and (table.streams or not table.sparse):
        return f'{CURE}, or data.memory = "2 GB", which leaves them on the disk'
    if table.sparse and not keeping.sparse:
        return f"{CURE}, or a solver that keeps them sparse: {', '.join(keeping.keeping())}"
    return CURE


def opened(dataset: "Dataset", seed: int, columns: Any, world: World, classes: bool | None = None) -> Parts:
    """Both parts of the files, with all labels where they choose rows or stay in memory; collective."""
    train, test = dataset.sources(seed, world, classes, columns)
    chosen = dataset.classes is not None or dataset.order == "labels" or dataset.shards is not None
    for table in dict.fromkeys(part.table for part in (train, test) if part is not None):
        if chosen or (dataset.memory is not None and table.streams):
            table.gather_labels(world)
    return train, test


def chosen(
    dataset: "Dataset", seed: int, columns: Schema | Columns | None, world: World, classes: bool | None = None
) -> tuple[Source, Source]:
    """Both parts, their headers checked and their rows chosen; collective."""
    train, test = opened(dataset, seed, columns, world, classes)
    moved = test is None or dataset.validation or dataset.shards or dataset.order != "file"
    rows = train.table.rows if moved else 0
    memory.check(world, {"row numbers": 16.0 * rows}, CURE)
    with world.together(READING), memory.spared("the rows"):
        train, test = dataset.select(train, test)
    dataset.learn(train, test, world, columns)
    return train, test


@dataclass
class Loading:
    """The train and the test part to read, with their tiles on this rank, into x of this dtype."""

    dataset: "Dataset"
    world: World
    dtype: Any
    ones: bool
    sources: tuple[Source, Source]
    tiles: tuple[Tiles, Tiles]
    labelling: Labelling | None
    features: int
    window: Window | None = None
    sparse: bool = False
    cure: str = CURE
    spooled: scratch.Kept | None = None

    def parts(self, dtype: Any, inputs: Affine | None) -> list[Samples]:
        """Both parts in memory, their features transformed, or raw; collective."""
        how = self.dataset.downsample, inputs
        return filled(self.sources, self.labelling, self.tiles, dtype, self.ones, *how, world=self.world)

    def part(self, index: int, dtype: Any, inputs: Affine | None) -> Samples:
        """The train (0) or the test (1) part, streamed or sparse; collective."""
        source, labelling, tiles = self.sources[index], self.labelling, self.tiles[index]
        if self.window is None:
            return sparse.samples(source, labelling, tiles, dtype, self.ones, inputs, self.world)
        if self.spools and self.spooled is None:
            own = self.sources, self.labelling, self.tiles, self.window, self.dataset.downsample
            self.spooled = scratch.Kept.of(*own, self.world)
        with self.world.together(READING), memory.spared("the samples"):
            if self.spooled:
                return self.spooled.streamed(index, dtype, self.ones, inputs)
            how = dtype, self.ones, self.dataset.downsample, inputs
            return streamed.samples(source, labelling, tiles, self.window, *how)

    @property
    def spools(self) -> bool:
        """Do the samples go to scratch files?"""
        return self.window is not None and not all(source.table.streams for source in self.sources)

    def both(self, kind: Kind | None, known: Affine | None) -> tuple[list[Samples], Affine, Kind]:
        """Both parts, the transform of the features and the kind of scaling; collective.

        Until the transform is known, the parts are held in float64, unless a cast to the final type is exact.
        """
        table = self.sources[0].table
        exact = np.can_cast(table.dtype, self.dtype, "safe") and self.dataset.downsample == 1
        held = self.dtype if known is not None or exact else np.float64
        self.check_memory(held)
        dense, inputs = self.window is None and not self.sparse, known
        whole = dense and kind is not None and self.dataset.downsample == 1
        if whole and kind is not None and large(self.sources, self.features, self.world):
            pieces = self.sources, self.labelling, self.tiles, self.dtype, self.ones, self.features, self.world
            return *Pieces(*pieces).read(kind, known), kind
        parts = self.parts(held, known) if dense else [self.part(0, held, known)]
        raw = parts[0].x[: self.features]
        if kind is None:
            nonzero, size = self.world.samples.sum(np.array([nonzeros(raw), raw.size]))[0]
            kind = "standard" if nonzero > (1 - scaling.SPARSE) * size else "none"
            inputs = inputs or scaling.known(kind, table, self.features)
            if self.sparse and inputs is None:
                raise UsageError(sparse.SHIFTED)
        if inputs is None:
            inputs = fitted(kind, raw, self.tiles[0], self.world.samples)
        if not dense:
            return [self.kept(parts[0], inputs, known), self.part(1, self.dtype, inputs)], inputs, kind
        if known is None:
            del raw
            self.finish(parts, inputs)
        return parts, inputs, kind

    def kept(self, train: Samples, inputs: Affine, known: Affine | None) -> Samples:
        """The streamed or sparse train part, transformed. Collective."""
        if known is None and self.window is not None:
            train.x = streamed.transformed(train.x, inputs, self.dtype, self.world)
        elif known is None:
            train.x = sparse.transformed(train.x, inputs, self.dtype)
        return train

    def finish(self, parts: Sequence[Samples], inputs: Affine) -> None:
        """Transform raw features in memory and cast them, in place. Collective."""
        with self.world.together(READING):
            for part, source in zip(parts, self.sources, strict=True):
                inputs.apply(part.x[: self.features])
                check_range(part.x[: self.features], self.dtype, source, part.tiles)
        for part in parts:
            part.x = narrowed(part.x, self.dtype)

    def check_memory(self, held: Any) -> None:
        """Raise UsageError if the samples do not fit the memory of a node; collective."""
        samples = sum(t.hi - t.lo for t in self.tiles)
        x: float = (self.features + self.ones) * samples * np.dtype(held).itemsize
        if self.window is not None:
            x = self.window.size
        if self.sparse:
            x = sum(sparse.share(source, t) for source, t in zip(self.sources, self.tiles, strict=True))
        memory.check(self.world, {"samples": x + 8.0 * samples}, self.cure)


def nonzeros(x: Any) -> int:
    """The entries of x that are not 0."""
    return x.nonzeros if isinstance(x, Inputs) else int(np.count_nonzero(x))
