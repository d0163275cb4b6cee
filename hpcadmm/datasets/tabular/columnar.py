"""Parquet and Arrow (Feather) files as a Raw: row groups, or record batches, dealt to the ranks."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcadmm.comm import memory
from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.disk.stream import blamed
from hpcadmm.datasets.table import READING, ROUND
from hpcadmm.datasets.tabular.columns.values import as_number
from hpcadmm.datasets.tabular.raw import Again, Kind, Raw, Shard
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import block

if TYPE_CHECKING:
    import pyarrow

BUFFER = 1 << 16  # bytes of each column that are read at a time
DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Parts:
    """An open file: its schema and its number of parts. rows: (k) -> how many part k has.

    read: (k, rows) -> part k in tables of at most `rows` rows.
    """

    schema: "pyarrow.Schema"
    count: int
    rows: Callable[[int], int]
    read: Callable[[int, int], Iterable[Any]]


def parquet(path: Path) -> Parts:
    """The row groups of a Parquet file."""
    from pyarrow.parquet import ParquetFile

    file = ParquetFile(path)

    def count(k: int) -> int:
        return int(file.metadata.row_group(k).num_rows)

    def read(k: int, rows: int) -> Iterable[Any]:
        if count(k) <= rows:
            return [file.read_row_group(k, use_threads=False)]
        lean = ParquetFile(path, metadata=file.metadata, buffer_size=BUFFER, pre_buffer=False)
        return map(table_of, lean.iter_batches(rows, [k], use_threads=False))

    return Parts(file.schema_arrow, file.num_row_groups, count, read)


def arrow(path: Path) -> Parts:
    """The record batches of an Arrow file."""
    import pyarrow as pa

    file = pa.ipc.open_file(pa.OSFile(str(path)))

    def count(k: int) -> int:
        return int(file.get_batch(k).num_rows)

    def read(k: int, rows: int) -> Iterable[Any]:
        part = file.get_batch(k)
        return (table_of(part.slice(lo, rows)) for lo in range(0, part.num_rows, rows))

    return Parts(file.schema, file.num_record_batches, count, read)


def table_of(batch: Any) -> Any:
    """A record batch as a table."""
    import pyarrow as pa

    return pa.Table.from_batches([batch])


FORMATS: dict[str, tuple[str, Callable[[Path], Parts]]] = {
    "parquet": ("a Parquet file", parquet),
    "arrow": ("an Arrow file", arrow),
}


def read_columnar(
    path: Path, form: str, missing: Sequence[str], world: World, most: int | None = None, kept: bool = True
) -> Raw:
    """Read a file; each rank reads a contiguous share of its parts. Collective.

    missing: further texts, and numbers as text, that mark a missing value. most: bytes of columns that a rank holds in
    memory; the others go to a scratch file. kept: keep the values; if not, `Raw.again` reads them.
    """
    from hpcadmm.datasets.tabular.reading.spill import Spill

    what, opened = FORMATS[form]
    with world.together(READING), memory.spared("the table"), blamed(path, what):
        parts = opened(path)
        names = list(parts.schema.names)
        check_names(names, path)
        kinds = [kind_of(field, path) for field in parts.schema]
        rows = sys.maxsize if most is None else stretch(names)
        spill, mine = Spill(most), range(*block(parts.count, world.size, world.rank))
        pieces = (part for k in mine for part in parts.read(k, rows)) if kept else ()
        own = [Shard(0, spill.keep(columns_of(part, missing, path))) for part in pieces]
        spill.release()
        counts = [shard.rows for shard in own] if kept else [parts.rows(k) for k in mine]
    sizes = world.gather(counts)
    before, total = sum(map(sum, sizes[: world.rank])), sum(map(sum, sizes))
    if total <= 0:
        raise UsageError(f"{path}: {len(names)} columns and no rows")
    starts = accumulate(sizes[world.rank], initial=before)
    shards = [replace(shard, start=start) for start, shard in zip(starts, own, strict=False) if shard.rows]
    facts = (f"{path}: {what}, {total} rows x {len(names)} columns in {parts.count} parts",)

    def place(row: int, column: int) -> str:
        return f"{path}: row {row + 1}, column {column + 1} ({shown([names[column]])})"

    again = None if kept else Again(path, [*chain(*sizes)], partial(again_from, path, form, missing))
    return Raw(path, names, True, kinds, total, shards, place, facts, again=again)


def stretch(names: Sequence[str]) -> int:
    """Rows of these columns that are read at a time where memory is short."""
    return max(1, ROUND // (8 * len(names)))


def again_from(path: Path, form: str, missing: Sequence[str], first: int) -> Iterator[tuple[int, list[Any]]]:
    """The columns of the parts from part `first` on, in pieces, each with the number of its part."""
    what, opened = FORMATS[form]
    with memory.spared("the table"), blamed(path, what):
        parts = opened(path)
        rows = stretch(parts.schema.names)
        for k in range(first, parts.count):
            for part in parts.read(k, rows):
                yield k, columns_of(part, missing, path)


def check_names(names: Sequence[str], path: Path) -> None:
    """Raise UsageError if there are no columns, or two of one name."""
    if not names:
        raise UsageError(f"{path}: has no columns")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(f"{path}: has the column {twice[0]!r} twice; rename one")


def kind_of(field: "pyarrow.Field", path: Path) -> Kind:
    """What a column of this type is read as. Raises UsageError for one that is no number, text or date."""
    from pyarrow import types

    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind):
        return "number"
    if types.is_date(kind) or types.is_timestamp(kind):
        return "date"
    if types.is_null(kind):
        return "number"
    if not texts(kind):
        cure = "leave it out when the file is written, or give each of its values a column"
        raise UsageError(f"{path}: column {shown([field.name])} holds {field.type}: no number, text or date; {cure}")
    return "text"


def texts(kind: Any) -> bool:
    """Is it a type of text?"""
    from pyarrow import types

    return any(is_one(kind) for is_one in (types.is_string, types.is_large_string, types.is_string_view))


def columns_of(part: "pyarrow.Table", missing: Sequence[str], path: Path) -> "list[pyarrow.Array]":
    """The columns of a part as those of a Shard."""
    return [one_array(column, kind_of(field, path), missing) for field, column in zip(part.schema, part, strict=True)]


def one_array(column: "pyarrow.ChunkedArray", kind: Kind, missing: Sequence[str]) -> "pyarrow.Array":
    """One column as a Shard holds it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    whole = column.combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    if kind == "text":
        plain = pc.utf8_trim_whitespace(whole.cast(pa.string()))
        gone = pc.is_in(plain, pa.array(["", *missing]))
        return pc.if_else(gone, pa.scalar(None, pa.string()), plain).dictionary_encode()
    if kind == "date":
        micro = pc.cast(pc.cast(whole, pa.timestamp("us"), safe=False), pa.int64())
        return pc.divide(pc.cast(micro, pa.float64(), safe=False), DAY)
    numbers = pc.cast(whole, pa.float64(), safe=False)
    marks = [value for value in map(as_number, missing) if value is not None]
    gone = pc.or_(pc.is_nan(numbers), pc.is_in(numbers, pa.array(marks, pa.float64())))
    return pc.if_else(gone, pa.scalar(None, pa.float64()), numbers)
