"""Each rank reads a share of a table once and sends its rows to the ranks that own them, in bounded rounds."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets.table import READING, Array, Rows, Source, Span, Table, empty_labels
from hpcadmm.model.tiles import Tiles

STRETCH = 1 << 18  # rows that are placed at a time
Index = NDArray[Any]  # whole numbers


@dataclass(frozen=True)
class Route:
    """Where the rows of one part go: row rows[p] of the table becomes column p, which lies on one rank, or with
    `copies` on each block of layers of a grid.

    places: the column of each row of the table, -1 if the part does not have it; None if `rows` is a range.
    edges: the first column of each rank of a block, and n. rank: this one in its block.
    """

    rows: Rows
    places: Index | None
    edges: Index
    rank: int
    copies: int = 1

    @classmethod
    def of(cls, source: Source, edges: Index, rank: int, ranks: int = 0) -> "Route":
        """rank: of all `ranks` (0: as many as there are edges), block after block."""
        rows, places = source.rows, None
        if not isinstance(rows, range):
            places = np.full(source.table.rows, -1, np.int32 if source.table.rows < 2**31 else np.int64)
            for lo in range(0, len(rows), STRETCH):
                some = rows[lo : lo + STRETCH]
                places[some] = np.arange(lo, lo + len(some))
        owners = len(edges) - 1
        return cls(rows, places, edges, rank % owners, max(ranks // owners, 1))

    def columns(self, span: Span) -> tuple[Index, Index]:
        """The rows within the span that the part has, increasing, and their columns."""
        if isinstance(self.rows, range):
            rows = np.arange(max(span[0], self.rows.start), min(span[1], self.rows.stop))
            return rows, rows - self.rows.start
        assert self.places is not None
        columns = self.places[slice(*span)]
        kept = np.flatnonzero(columns >= 0)
        return kept + span[0], columns[kept]

    def sorted(self, span: Span) -> tuple[Index, Index]:
        """The rows within the span, sorted by the rank that gets them, and how many each gets."""
        rows, columns = self.columns(span)
        owners = np.searchsorted(self.edges, columns, "right") - 1
        rows, counts = rows[np.argsort(owners, kind="stable")], np.bincount(owners, minlength=len(self.edges) - 1)
        return np.tile(rows, self.copies), np.tile(counts, self.copies)

    def expected(self, spans: Sequence[Span]) -> tuple[list[int], Index]:
        """How many rows of each span are this rank's, and their columns."""
        lo, hi = self.edges[self.rank : self.rank + 2]
        found = [columns[(columns >= lo) & (columns < hi)] for columns in (self.columns(span)[1] for span in spans)]
        return [part.size for part in found], np.concatenate(found)


@dataclass(frozen=True)
class Arrival:
    """Some of this rank's columns of one part, counted over all ranks, with their raw features and labels."""

    columns: Index
    features: Array
    labels: Array


def edges_of(tiles: Tiles) -> Index:
    """The first column of each rank, and n."""
    return np.array([*(tiles.of(tiles.size, rank).lo for rank in range(tiles.size)), tiles.n])


@dataclass(frozen=True)
class Turn:
    """What this rank does for one part in one round. rows: to send, sorted by receiver, `counts` to each rank.

    columns: that arrive, `expected` from each rank.
    """

    rows: Index
    counts: Index
    columns: Index
    expected: list[int]


@dataclass(frozen=True)
class Plan:
    """Which rows of a table this rank sends and receives, for all rounds. turns: of each round, one for each part."""

    reads: bool
    turns: list[list[Turn]]

    @classmethod
    def of(cls, sources: Sequence[Source], edges: Sequence[Index], world: World) -> "Plan":
        """For parts of one table. edges: of each part, the first column of each rank, and n. Collective."""
        table = sources[0].table
        small = np.int32 if table.rows < 2**31 else np.int64
        mine = table.spans(world)
        every = world.gather(mine)
        turns = []
        with world.together(READING), memory.spared("the rows"):
            routes = [Route.of(*one, world.rank, world.size) for one in zip(sources, edges, strict=True)]
            for k in range(max(map(len, every))):
                now = [spans[k] if k < len(spans) else (0, 0) for spans in every]
                turns.append([cls.turn(route, now, world.rank, small) for route in routes])
        return cls(bool(mine), turns)

    @staticmethod
    def turn(route: Route, spans: Sequence[Span], rank: int, small: Any) -> Turn:
        """One round of a part, held in small whole numbers."""
        rows, counts = route.sorted(spans[rank])
        expected, columns = route.expected(spans)
        return Turn(rows.astype(small), counts, columns.astype(small), expected)


def arriving(table: Table, plan: Plan, world: World) -> Iterator[list[Arrival]]:
    """Parts of one table, round by round: what arrives of each part. Collective; raises UsageError on all ranks.

    A rank reads and sends at most ROUND bytes in a round.
    """
    with ExitStack() as stack:
        with world.together(READING), memory.spared("the rows"):
            read = stack.enter_context(table.reader()) if plan.reads else None
        for turns in plan.turns:
            with world.together(READING), memory.spared("the rows"):
                sending = packed(table, read, [turn.rows for turn in turns])
            yield [exchanged(turn, *sent, world) for turn, sent in zip(turns, sending, strict=True)]


def packed(table: Table, read: Any, wanted: Sequence[Index]) -> list[tuple[Array, Array]]:
    """The features and labels of the rows of each part, read at once."""
    features, labels = np.empty((0, table.features), table.dtype), empty_labels(table, 0)
    some = [rows for rows in wanted if rows.size]
    if not some:
        return [(features, labels)] * len(wanted)
    start, stop = int(min(map(np.min, some))), int(max(map(np.max, some))) + 1
    raw, found = read(start, stop)
    typed = [(raw[rows - start], found[rows - start]) for rows in wanted]
    return [(np.ascontiguousarray(x, features.dtype), np.ascontiguousarray(y, labels.dtype)) for x, y in typed]


def exchanged(turn: Turn, features: Array, labels: Array, world: World) -> Arrival:
    """Send the rows of a turn; what arrives. Collective."""
    arrived = world.exchange(features, turn.counts, turn.expected)
    return Arrival(turn.columns, arrived, world.exchange(labels, turn.counts, turn.expected))
