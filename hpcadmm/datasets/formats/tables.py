"""Tables of mixed columns: text, Parquet and Arrow files."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import Columns, shown
from hpcadmm.datasets.formats.generic import Generic
from hpcadmm.datasets.table import READING, Parts, Source
from hpcadmm.datasets.tabular.columnar import read_columnar
from hpcadmm.datasets.tabular.dialect import Dialect
from hpcadmm.datasets.tabular.options import Asked
from hpcadmm.datasets.tabular.raw import Kind, Raw
from hpcadmm.datasets.tabular.schema import Schema, unknown_labels
from hpcadmm.datasets.tabular.table import RawTable
from hpcadmm.datasets.tabular.target import lacking, target_of
from hpcadmm.datasets.tabular.text import read_text
from hpcadmm.errors import UsageError

WORDS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "blank": " "}


@dataclass(frozen=True, kw_only=True)
class Tabular(Asked, Generic, ABC):
    """What all tables of mixed columns share.

    standardise_targets: "auto" standardises the targets of a regression, unless scale = "max".
    """

    plain: ClassVar[bool] = True
    expects: ClassVar[tuple[str, ...]] = ("data.path or data.train",)

    standardise_targets: bool | Literal["auto"] = "auto"

    @abstractmethod
    def read(self, path: Path, world: World, kinds: Mapping[str, Kind], *, kept: bool = True) -> Raw:
        """One file. kinds: what columns are read as, by name. kept: are the values kept? Collective."""

    def sources(
        self, seed: int, world: World, classes: bool | None = None, columns: Schema | Columns | None = None
    ) -> Parts:
        with world.together(READING):
            train = self.trained()
            test = self.tested(train)
        raws = self.files([path for path in (train, test) if path is not None], columns, world)
        if isinstance(columns, Schema) and columns.target is not None:
            tables = [encoded(raw, columns, world) for raw in raws]
        else:
            tables = targeted(raws, self.like(columns, raws[0]), classes, world)
        return tables[0].whole(), tables[1].whole() if test is not None else None

    def files(self, paths: list[Path], columns: Schema | Columns | None, world: World) -> list[Raw]:
        """The train and the test file; what the first one's columns are, those of the other are, too. Collective."""
        kinds = {**self.kinds, **(columns.kinds if isinstance(columns, Schema) else {})}
        raws: list[Raw] = []
        for path in paths:
            raws.append(self.read(path, world, kinds))
            kinds = dict(zip(raws[0].names, raws[0].kinds, strict=True)) | kinds
        return raws

    def like(self, columns: Schema | Columns | None, raw: Raw) -> Asked:
        """The options, with the target of a training of an earlier version."""
        if not isinstance(columns, Columns) or isinstance(self.target, str):
            return self
        if columns.target is not None and raw.header:
            return replace(self, target=columns.target)
        return self if columns.place is None else replace(self, target=columns.place)

    def learn(self, train: Source, test: Source, world: World, columns: Schema | Columns | None = None) -> None:
        first, other = train.table, test.table
        assert isinstance(first, RawTable)
        assert isinstance(other, RawTable)
        with world.together(READING):
            for table in {first, other}:
                if table.schema is None and columns is not None:
                    table.use(as_trained(table, columns))
        aside = first.weigh(self.weight, world)
        if other is not first:
            other.weigh(self.weight, world)
        if first.schema is None:
            first.learn(train.rows, self, world, aside)
        with world.together(READING):
            if other.schema is None:
                other.use(first.known.matched(other.raw))
            for table in {first, other}:
                self.described(table)


def targeted(raws: list[Raw], asked: Asked, classes: bool | None, world: World) -> list[RawTable]:
    """The files of a training, with their target. Collective."""
    target = target_of(raws[0], raws[1:], asked, classes, world)
    tables = [RawTable(raw, target, index, raws[0].header) for index, raw in enumerate(raws)]
    tables[0].facts += target.facts
    tables[0].warnings += target.warnings
    return tables


def encoded(raw: Raw, schema: Schema, world: World) -> RawTable:
    """A file encoded by the schema of a training, which must know its labels. Collective."""
    with world.together(READING):
        own = schema.matched(raw)
        if own.target is None or own.target_at is None:
            names = ", ".join(own.target.names) if own.target else "of the training"
            raise UsageError(f"{raw.path}: the target {names} is missing")
        gaps = lacking(raw, own.target_at)
    unknown_labels(own, raw, world)
    gone = np.concatenate([part.view(np.int64) for part in world.gather_bytes(gaps.view(np.uint8))])
    table = RawTable(raw, replace(own.target, lacking=[gone]), 0, schema.header)
    table.use(own)
    return table


def as_trained(table: RawTable, columns: Schema | Columns) -> Schema:
    """The features of a training, with the places and the target of this table. Those of runs of earlier versions were
    numbers."""
    assert table.target is not None
    if isinstance(columns, Columns):
        place = table.target.places[0] if columns.place is None else columns.place
        features = len(columns.features) or len(table.raw.names) - 1
        columns = Schema.plain(Columns(columns.features, columns.target, place), features)
    own = replace(columns, target=table.target).matched(table.raw)
    if twice := sorted(set(own.at) & set(table.at)):
        names = shown([table.raw.names[place] for place in twice])
        raise UsageError(f"{table.raw.path}: the target {names} is a feature of the training; name another data.target")
    placed = [replace(column, place=place) for column, place in zip(own.columns, own.at, strict=True)]
    return replace(own, columns=placed, header=table.raw.header, width=len(table.raw.names), target_at=table.at)


@dataclass(frozen=True, kw_only=True)
class Csv(Tabular):
    """A table in text. What is not set is found in the file, and said.

    header: does the first line name the columns? Columns of files with a header are matched by name.
    delimiter: one character, or "tab", "space", "comma", "semicolon"; a space stands for any run of blanks.
    quote: around fields: a double or a single quote; "": none.
    comment: beginning of lines to skip; "": none.
    encoding: such as "utf-8" or "cp1252".
    decimal: "." or ",".
    """

    name: ClassVar[str] = "csv"
    what: ClassVar[str] = "your table in text (.csv, .tsv; plain or packed)"

    header: bool | None = None
    delimiter: str | None = None
    quote: str | None = None
    comment: str | None = None
    encoding: str | None = None
    decimal: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", WORDS.get(self.delimiter, self.delimiter))
        _ = self.dialect  # refuses what no table can have

    @property
    def dialect(self) -> Dialect:
        """How its files are written."""
        given = (self.delimiter, self.quote, self.header, self.comment, self.encoding, self.decimal)
        return Dialect(*given, tuple(self.missing))

    def read(self, path: Path, world: World, kinds: Mapping[str, Kind], *, kept: bool = True) -> Raw:
        return read_text(path, self.dialect, world, kinds, self.held, kept)


@dataclass(frozen=True, kw_only=True)
class Parquet(Tabular):
    """A Parquet file; ranks read its row groups."""

    name: ClassVar[str] = "parquet"
    what: ClassVar[str] = "your Parquet file"

    def read(self, path: Path, world: World, kinds: Mapping[str, Kind], *, kept: bool = True) -> Raw:
        return read_columnar(path, "parquet", self.missing, world, self.held, kept)


@dataclass(frozen=True, kw_only=True)
class Arrow(Tabular):
    """An Arrow or Feather file; ranks read its record batches."""

    name: ClassVar[str] = "arrow"
    what: ClassVar[str] = "your Arrow or Feather file"

    def read(self, path: Path, world: World, kinds: Mapping[str, Kind], *, kept: bool = True) -> Raw:
        return read_columnar(path, "arrow", self.missing, world, self.held, kept)
