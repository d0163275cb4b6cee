"""A table of mixed columns as loading sees it: rows of the features that a schema makes of the raw columns."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.table import READING, ROUND, Array, Read, Rows, Source, Span, Table, Unweighted, empty_labels
from hpcadmm.datasets.tabular.columns.values import floats
from hpcadmm.datasets.tabular.learn import learn
from hpcadmm.datasets.tabular.options import Asked, position
from hpcadmm.datasets.tabular.raw import Raw, Shard
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.datasets.tabular.target import Target
from hpcadmm.errors import UsageError


class Piece(Shard):
    """Some rows of a shard; a column is unpacked when it is used."""

    def __init__(self, shard: Shard, start: int, stop: int) -> None:
        super().__init__(start, Slices(shard.columns, start - shard.start, stop - start))


@dataclass(frozen=True)
class Slices(Sequence[Any]):
    """The same rows of some columns."""

    columns: Sequence[Any]
    first: int
    rows: int

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, place: Any) -> Any:
        return self.columns[place].slice(self.first, self.rows)


class RawTable(Table):
    """One file. Its features are known once the rows are chosen and `learn` or `use` was called.

    target: None if no labels are wanted: all are 0. index: of the file among those the target was learned from.
    header: does the first of these name its columns?
    """

    apart = False
    mixed = True

    def __init__(self, raw: Raw, target: Target | None, index: int = 0, header: bool = False) -> None:
        self.raw, self.target, self.features = raw, target, 0
        self.rows, self.files = raw.rows, (raw.path,)
        self.facts, self.warnings = raw.facts, raw.warnings
        self.schema: Schema | None = None
        self.every: Array | None = None
        self.weights: Array | None = None
        self.lacking: NDArray[np.int64] = np.empty(0, np.int64)
        if target is not None:
            self.targets, self.names = target.targets, target.labels
            self.values = None if target.labels is None else range(len(target.labels))
            self.lacking = target.lacking[index] if index < len(target.lacking) else self.lacking
            self.at = target.at(raw, header) or []

    def whole(self) -> Source:
        """The rows that have a target."""
        rows: Rows = range(self.rows)
        return Source(self, np.delete(np.arange(self.rows), self.lacking) if self.lacking.size else rows)

    def learn(self, rows: Rows, asked: Asked, world: World, aside: Sequence[int] = ()) -> None:
        """Learn the schema from these rows. aside: columns that are no features. Collective."""
        trained = np.zeros(self.rows, bool)
        trained[slice(rows.start, rows.stop) if isinstance(rows, range) else rows] = True

        def train(shard: Shard) -> NDArray[np.bool_]:
            return trained[shard.start : shard.start + shard.rows]

        self.use(learn(self.raw, train, self.target, asked, world, aside))

    def use(self, schema: Schema) -> None:
        """Encode by this schema, which is one of this file."""
        self.schema, self.features = schema, schema.features
        self.facts = tuple(dict.fromkeys((*self.facts, *schema.facts)))
        self.warnings = tuple(dict.fromkeys((*self.warnings, *schema.warnings)))

    @property
    def known(self) -> Schema:
        """The schema."""
        assert self.schema is not None, "the rows are not chosen yet"
        return self.schema

    def feature(self, index: int) -> str:
        return self.known.names[index]

    def named(self) -> Schema:
        return self.known

    def spans(self, world: World) -> list[Span]:
        """This rank's shards, cut into pieces of at most ROUND bytes."""
        size = max(1, ROUND // (8 * max(self.features, 1)))
        ends = [(shard.start, shard.start + shard.rows) for shard in self.raw.shards]
        return [(lo, min(lo + size, stop)) for start, stop in ends for lo in range(start, stop, size)]

    @contextmanager
    def reader(self) -> Iterator[Read]:
        yield self.reading(self.known)

    def reading(self, schema: Schema) -> Read:
        """Read ranges of rows that lie within one of this rank's shards."""
        starts = [shard.start for shard in self.raw.shards]

        def read(start: int, stop: int) -> tuple[Array, Array]:
            piece = Piece(self.raw.shards[bisect_right(starts, start) - 1], start, stop)
            return schema.encode(piece), self.labels_of(piece)

        return read

    def remarks(self, world: World) -> list[str]:
        return self.known.remarks(world)

    def codes(self, wanted: Sequence[int | str], key: str) -> list[int]:
        assert self.target is not None
        return self.target.codes(wanted, key)

    def labels_of(self, shard: Shard) -> Array:
        """The labels or targets of some rows; 0 if none are wanted."""
        if not self.labelled:
            return empty_labels(self, shard.rows)
        if self.target is None:
            return np.zeros(shard.rows, np.int64)
        return self.target.values(shard, self.at) if self.schema is None else self.schema.labels(shard)

    def gather_labels(self, world: World) -> None:
        with world.together(READING):
            own = [self.labels_of(shard) for shard in self.raw.shards]
        self.every = self.gathered(own, empty_labels(self, self.rows), world)

    def gathered(self, own: Sequence[Array], out: Array, world: World) -> Array:
        """Write the values of all ranks' shards to `out`, for all rows. Collective."""
        flat = np.concatenate([*own, out[:0]])
        starts = world.gather([[shard.start, shard.rows] for shard in self.raw.shards])
        for places, data in zip(starts, world.gather_bytes(flat.reshape(-1).view(np.uint8)), strict=True):
            values, at = data.view(flat.dtype).reshape(-1, *flat.shape[1:]), 0
            for start, rows in places:
                out[start : start + rows] = values[at : at + rows]
                at += rows
        return out

    def weigh(self, key: object, world: World) -> list[int]:
        """Let every rank know the weights of all rows if `key` (data.weight) is a column, whose number is returned.

        Collective.
        """
        if not isinstance(key, int) and (key == "balanced" or key not in self.raw.names):
            return []
        with world.together(READING):
            at = position(self.raw, key, "weight")
            if self.raw.kinds[at] != "number":
                raise UsageError(f"data.weight = {key!r}: {self.where}: this column holds no numbers")
            own = [floats(shard.columns[at]) for shard in self.raw.shards]
        self.weights = self.gathered(own, np.empty(self.rows), world)
        return [at]

    @contextmanager
    def weights_of(self, key: int | str) -> Iterator[Callable[[slice], Array]]:
        if self.weights is None:
            raise Unweighted(f"data.weight = {key!r}: {self.where}: the columns are {shown(self.raw.names)}")
        yield self.weights.__getitem__

    def spot(self, row: int, key: int | str) -> str:
        return self.raw.place(row, position(self.raw, key, "weight"))

    def labels(self, rows: Span | None = None) -> Iterator[Array]:
        assert self.every is not None, "gather_labels comes first"
        return super().labels(rows)

    def views(self, most: int) -> list["RawTable"]:
        """The table cut by its columns: views of about `most` features, two at least; the first one has the labels."""
        ends, sizes = [0], [0]
        for k, column in enumerate(self.known.columns):
            sizes[-1] += len(column.features)
            if sizes[-1] >= max(most, 2):
                ends.append(k + 1)
                sizes.append(0)
        if sizes[-1] < 2 and len(ends) > 1:
            ends.pop()
        return [self.view(slice(a, b)) for a, b in pairwise([*ends, len(self.known.columns)]) if a < b]

    def view(self, columns: slice) -> "RawTable":
        """The same rows with the features of some of the columns, and with the labels if the first is one of them."""
        part, whole = copy(self), self.known
        if columns.start:
            part.targets, part.labelled = 0, False
        part.schema = replace(whole, columns=whole.columns[columns], at=list(whole.at)[columns])
        part.features = part.schema.features
        return part

    def release(self) -> None:
        """Forget the values of the columns that this view encodes; no other reads them."""
        for shard in self.raw.shards:
            shard.forget(self.known.at)
