"""A table in memory, of pandas, polars or pyarrow, or a dict of columns, as the raw columns of a file."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.columnar import check_names, columns_of, kind_of
from hpcadmm.datasets.tabular.raw import Raw, Shard
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import block

WHERE = Path("X")  # for messages


def is_frame(X: Any) -> bool:
    """Is it a table whose columns have names?"""
    return isinstance(X, Mapping) or hasattr(X, "__arrow_c_stream__") or (hasattr(X, "iloc") and hasattr(X, "columns"))


@dataclass(frozen=True)
class Rows:
    """table: this rank's rows, or all, as a pyarrow.Table. first: the number of the first row, None if every rank holds
    all; rows: of all ranks."""

    table: Any
    first: int | None
    rows: int

    def raw(self, missing: Sequence[str], world: World) -> Raw:
        """The columns; rows that all ranks hold are dealt to them."""
        names = list(self.table.column_names)
        check_names(names, WHERE)
        lo, hi = block(self.rows, world.size, world.rank) if self.first is None else (0, len(self.table))
        start, part = lo if self.first is None else self.first, self.table.slice(lo, hi - lo)
        shards = [Shard(start, columns_of(part, missing, WHERE))] if len(part) else []

        def place(row: int, column: int) -> str:
            return f"{WHERE}: row {row + 1}, column {column + 1} ({shown([names[column]])})"

        return Raw(WHERE, names, True, [kind_of(f, WHERE) for f in self.table.schema], self.rows, shards, place)


def rows_of(X: Any, more: Mapping[str, Any], world: World | None = None) -> Rows:
    """The rows of all ranks: those of one rank if all give the same, else each rank's own. more: further columns.
    Raises UsageError, on all ranks, for what is no table. Collective."""
    world = world or World.without_mpi()
    with world.together("taking the table"):
        table = arrow(X, more)
    if world.size == 1 or len(set(world.gather(digest(table)))) == 1:
        return Rows(table, None, len(table))
    table, sizes = alike(table, world), world.gather(len(table))
    return Rows(table, sum(sizes[: world.rank]), sum(sizes))


def alike(table: Any, world: World) -> Any:
    """This rank's rows; where it has none, with the columns of the others. Raises UsageError, on all ranks, if these
    differ. Collective."""
    import pyarrow as pa

    schema = table.schema.remove_metadata()
    sent = world.gather_bytes(np.frombuffer(schema.serialize() if len(table) else b"", np.uint8))
    schemas = {rank: pa.ipc.read_schema(pa.py_buffer(one.tobytes())) for rank, one in enumerate(sent) if one.size}
    if not schemas:
        raise UsageError("X has no rows")
    first, known = next(iter(schemas.items()))
    if strange := [rank for rank, one in schemas.items() if not one.equals(known)]:
        said = (
            f"rank {rank} {shown([f'{one.name}: {one.type}' for one in schemas[rank]])}" for rank in (first, strange[0])
        )
        raise UsageError(f"the ranks give different tables: {'; '.join(said)}; give all the same, or each its own rows")
    return table if len(table) else known.empty_table()


def arrow(X: Any, more: Mapping[str, Any]) -> Any:
    """A table with further columns as a pyarrow.Table. Raises UsageError."""
    import pyarrow as pa

    try:
        table = pa.Table.from_pandas(X, preserve_index=False) if hasattr(X, "iloc") else pa.table(X)
        for name, column in more.items():
            if name in table.column_names:
                raise UsageError(f"X has a column {name!r}, which is also the name of y or of the weights; rename it")
            table = table.append_column(name, pa.array(np.asarray(column)))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UsageError(f"X is no table of numbers, text and dates with a label for each row: {error}") from None
    return table


def digest(table: Any) -> str:
    """Of the contents."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()
