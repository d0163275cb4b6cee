"""Write columns to a Parquet file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Columns = Mapping[str, NDArray]


def write(path: Path, empty: Columns, blocks: Iterable[Columns]) -> None:
    """Write blocks of one-dimensional columns, each a row group. empty: the columns of no rows, for their types."""
    with pq.ParquetWriter(path, table(empty).schema) as out:
        for block in blocks:
            out.write_table(table(block))


def table(columns: Columns) -> pa.Table:
    """The columns as an Arrow table; text as strings."""
    return pa.table(
        {
            name: pa.array(values.tolist() if values.dtype.kind == "U" else values, kind(values))
            for name, values in columns.items()
        }
    )


def kind(values: NDArray) -> pa.DataType:
    """The Arrow type of a column."""
    return pa.string() if values.dtype.kind == "U" else pa.from_numpy_dtype(values.dtype)
