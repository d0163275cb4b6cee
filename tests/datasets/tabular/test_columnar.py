"""Parquet and Arrow files: the types of their columns, and files that are none."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.given.recognise import format_of
from hpcadmm.datasets.tabular.columnar import read_columnar
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks

N = 40
DAY = dt.datetime(2024, 2, 29, 12)
COLUMNS = {
    "int8": pa.array([None, *range(1, N)], pa.int8()),
    "uint64": pa.array(range(N), pa.uint64()),
    "half": pa.array(np.arange(N, dtype=np.float16)),
    "nan": pa.array([float("nan"), *map(float, range(1, N))]),
    "bool": pa.array([True, None] * (N // 2)),
    "decimal": pa.array([Decimal("1.25")] * N, pa.decimal128(9, 2)),
    "string": pa.array([" a", "", "b", None] * (N // 4)),
    "large": pa.array(["x", "?"] * (N // 2), pa.large_string()),
    "dictionary": pa.array(["u", None] * (N // 2)).dictionary_encode(),
    "codes": pa.array([3, None] * (N // 2)).dictionary_encode(),
    "date32": pa.array([dt.date(1970, 1, 2)] * N, pa.date32()),
    "date64": pa.array([dt.date(1970, 1, 2)] * N, pa.date64()),
    "stamp": pa.array([DAY] * N, pa.timestamp("ns")),
    "zone": pa.array([DAY.replace(tzinfo=dt.UTC)] * N, pa.timestamp("ms", "Europe/Berlin")),
    "null": pa.nulls(N),
}
WANTED = {
    "int8": [None, 1, 2],
    "uint64": [0, 1, 2],
    "half": [0, 1, 2],
    "nan": [None, 1, 2],
    "bool": [1, None, 1],
    "decimal": [1.25] * 3,
    "string": ["a", None, "b"],
    "large": ["x", None, "x"],
    "dictionary": ["u", None, "u"],
    "codes": [3, None, 3],
    "date32": [1] * 3,
    "date64": [1] * 3,
    "stamp": [19782.5] * 3,
    "zone": [19782.5] * 3,
    "null": [None] * 3,
}


def written(folder: Path, form: str, table: pa.Table, rows: int = 7) -> Path:
    path = folder / f"a.{form}"
    if form == "parquet":
        pq.write_table(table, path, row_group_size=rows)
    else:
        with pa.ipc.new_file(str(path), table.schema) as file:
            file.write_table(table, max_chunksize=rows)
    return path


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_types_become_numbers_texts_and_dates(form: str, tmp_path: Path) -> None:
    columns = {k: v for k, v in COLUMNS.items() if (form, k) != ("parquet", "date64")}
    path = written(tmp_path, form, pa.table(columns))
    raw = read_columnar(path, form, ["?"], World.alone())
    for name, kind, column in zip(raw.names, raw.kinds, raw.shards[0].columns, strict=True):
        assert column.to_pylist()[:3] == WANTED[name], name
        assert (kind == "text") == (name in ("string", "large", "dictionary"))
        assert pa.types.is_dictionary(column.type) == (kind == "text")
    raws = on_ranks(3, lambda world: read_columnar(path, form, ["?"], world))
    assert [(s.start, s.rows) for raw in raws for s in raw.shards] == [(s.start, s.rows) for s in raw.shards]
    assert all(raw.shards for raw in raws)
    assert raw.rows == sum(s.rows for s in raw.shards) == N


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_number_that_marks_a_missing_value(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, pa.table({"a": [-999.0, 1.0], "b": ["-999", "x"]}))
    raw = read_columnar(path, form, ["-999"], World.alone())
    assert [column.to_pylist() for column in raw.shards[0].columns] == [[None, 1.0], [None, "x"]]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_what_is_refused(form: str, tmp_path: Path) -> None:
    def refused(table: pa.Table, said: str) -> None:
        with pytest.raises(UsageError, match=said):
            read_columnar(written(tmp_path, form, table), form, [], World.alone())

    refused(pa.table({"a": [1], "b c": [[1, 2]]}), r"column b c holds list<.*>: no number, text or date")
    refused(pa.table({"a": [1], "s": [{"x": 1}]}), "column s holds struct")
    refused(pa.table([[1], [2]], names=["a", "a"]), "has the column 'a' twice")
    refused(pa.table({"a": pa.array([], pa.int8())}), "1 columns and no rows")


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_damage_is_one_message_on_all_ranks(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form, pa.table({"a": np.arange(1e4), "y": np.arange(10_000) % 2}), 1000)
    good = path.read_bytes()
    assert format_of(path).name == form
    for bad in (good[: len(good) // 2], good[:4] + bytes(len(good) - 4), good[:-9] + b"\xff" * 9):
        path.write_bytes(bad)
        dataset = DATASETS[form](path=str(path))
        for size in (1, 3):
            with pytest.raises(UsageError, match=rf"a.{form}: is not an? \w+ file, or is damaged"):
                on_ranks(size, lambda world, dataset=dataset: dataset.load(0, world, np.float32, ones=True))
