"""Read a text table once over all ranks: each byte by one rank, parsed there by Arrow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from hpcadmm.comm.world import World
from hpcadmm.datasets.disk.stream import opened
from hpcadmm.datasets.tabular.dialect import Dialect, Layout
from hpcadmm.datasets.tabular.raw import Again, Kind, Raw, Shard
from hpcadmm.datasets.tabular.reading.again import Blocks
from hpcadmm.datasets.tabular.reading.blocks import Block, Cutter, Misplaced, deal, share, streamed
from hpcadmm.datasets.tabular.reading.faults import Fault, first_fault
from hpcadmm.datasets.tabular.reading.places import Places
from hpcadmm.datasets.tabular.sniff.layout import layout_of
from hpcadmm.datasets.tabular.sniff.sample import sampled
from hpcadmm.errors import UsageError

NONE: Mapping[str, Kind] = {}


def read_text(
    path: Path,
    asked: Dialect,
    world: World,
    kinds: Mapping[str, Kind] = NONE,
    most: int | None = None,
    kept: bool = True,
) -> Raw:
    """The columns of a text table; collective.

    A column is "number" if nearly all of its sampled fields are numbers or missing (another one is an error), and
    "text" if most are not, or if it holds codes (`fields.Shares`). kinds: by name, or by number from 1, what the user
    says instead. most: bytes of columns that a rank holds in memory; the others go to a scratch file. kept: keep the
    values; if not, `Raw.again` reads them. Raises UsageError on all ranks.
    """
    return Reading(path, asked, world, kinds, most, kept).raw()


@dataclass
class Parsed:
    """One block, read. lines, rows, size: how many lines, rows and bytes it has."""

    number: int
    lines: int
    rows: int
    size: int
    columns: Sequence[Any]


class Reading:
    """One file being read by all ranks."""

    def __init__(
        self, path: Path, asked: Dialect, world: World, kinds: Mapping[str, Kind], most: int | None, kept: bool
    ) -> None:
        self.path, self.world, self.kept = path, world, kept
        self.parsed: list[Parsed] = []
        self.fault: tuple[int, Fault] | None = None
        self.failure: Exception | None = None
        record: Any = None
        self.top = b""  # the first bytes, on the first rank
        with world.together(f"reading {path}"):
            if world.first:
                with sampled(path) as sample:
                    found = layout_of(sample, asked, kinds)
                self.top, record = sample.top, [asdict(found), sample.packed, sample.whole]
        record, self.packed, self.whole = world.share(record)
        self.layout = Layout.of(record)
        from hpcadmm.datasets.tabular.reading.parse import Parser  # pyarrow, only where a table is read
        from hpcadmm.datasets.tabular.reading.spill import Spill

        self.parser, self.most, self.spill = Parser(self.layout), most, Spill(most)

    def raw(self) -> Raw:
        """Read the file; collective."""
        if self.packed or self.layout.wide or not self.shared():
            self.parsed, self.fault, self.spill = [], None, type(self.spill)(self.most)
            self.dealt()
        self.parser.release()
        self.spill.release()
        return self.gathered()

    def shared(self) -> bool:
        """Each rank reads its range of the file; False if one of them does not begin with a record."""
        misplaced = False
        with self.world.together(f"reading {self.path}"):
            try:
                for block in share(self.path, self.layout, self.top, self.world):
                    self.take(block)
                    if self.failure:
                        raise self.failure
                    if self.fault:
                        break
            except Misplaced:
                misplaced = True
        told = self.world.gather([misplaced, self.fault is not None])
        return not next((wrong for wrong, fault in told if wrong or fault), False)

    def dealt(self) -> None:
        """The first rank reads the file and deals its blocks."""
        failure = deal(self.blocks(), self.world, self.take)
        with self.world.together(f"reading {self.path}"):
            if isinstance(failure, UnicodeError):
                said = f"is not {self.layout.encoding} text throughout ({failure}); set data.encoding"
                raise UsageError(f"{self.path}: {said}") from failure
            if failure or self.failure:
                raise failure or self.failure  # type: ignore[misc]

    def blocks(self) -> Iterator[Block]:
        """All blocks of the file."""
        cutter = Cutter(self.layout)
        if self.whole:
            yield from cutter.blocks(streamed(None, self.layout, self.top), 0, 1, last=True)
            return
        with opened(self.path) as file:
            yield from cutter.blocks(streamed(file, self.layout, b""), 0, 1, last=True)

    def take(self, block: Block) -> None:
        """Parse a block, or keep its first fault, after which nothing is parsed."""
        if self.fault or self.failure:
            return
        from hpcadmm.datasets.tabular.reading.packed import Columns
        from hpcadmm.datasets.tabular.reading.parse import Refused

        try:
            if block.open or block.stray:
                raise Refused("a quote that is not closed where its field ends")
            columns = self.parser.columns(block.data)
            ends = block.data.count(self.layout.end.encode())
            lines = ends + (not block.data.endswith(self.layout.end.encode()))
            held = self.spill.keep(columns, Columns) if self.kept else ()
            self.parsed.append(Parsed(block.number, lines, len(columns[0]), len(block.data), held))
        except Refused as refused:
            self.fault = block.number, first_fault(block, self.layout, str(refused))
        except Exception as error:  # noqa: BLE001 (the ranks fail together, when all blocks are dealt)
            self.failure = error

    def gathered(self) -> Raw:
        """What all ranks have read; collective. Raises the first fault of the file."""
        mine = [[one.number, one.lines, one.rows, one.size] for one in self.parsed]
        fault = None if self.fault is None else [self.fault[0], asdict(self.fault[1])]
        told = self.world.gather([mine, fault])
        blocks = sorted(block for some, _ in told for block in some)
        numbers, lines, rows, sizes = ([block[k] for block in blocks] for k in range(4))
        places = Places(self.path, self.layout, lines, rows)
        if faults := [one for _, one in told if one]:
            number, record = min(faults, key=lambda one: one[0])
            before = sum(count for other, count in zip(numbers, lines, strict=True) if other < number)
            raise UsageError(places.said(before, Fault(**record)))
        starts = dict(zip(numbers, accumulate(rows, initial=0), strict=False))
        one, seeks = self.layout, not (self.packed or self.layout.wide)
        return Raw(
            path=self.path,
            names=list(one.names),
            header=one.header,
            kinds=list(one.kinds),
            rows=sum(rows),
            shards=[Shard(starts[parsed.number], parsed.columns) for parsed in self.parsed if self.kept],
            place=places,
            facts=one.facts,
            warnings=one.warnings,
            again=None if self.kept else Again(self.path, rows, Blocks(self.path, one, seeks, sizes)),
        )
