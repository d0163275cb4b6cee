"""Tables that are read as they are asked for: the same features, faults and warnings as of tables that are kept."""

import gzip
import weakref
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.given.forward import Forward
from hpcadmm.datasets.given.recognise import format_of
from hpcadmm.datasets.given.unlabelled import load_inputs
from hpcadmm.datasets.tabular import columnar
from hpcadmm.datasets.tabular.raw import Again, Raw, Shard
from hpcadmm.datasets.tabular.reading import blocks
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks

N = 400
NOTE = "# by hand\n"


def text(colour: str = "red", size: str = "0.5", note: str = NOTE) -> str:
    """A table with comments, a blank line, and fields of two lines; row 301 has this colour and size."""
    random = np.random.default_rng(0)
    colours, sizes = random.choice(["red", '"bl\nue"', '"a,b"', ""], N), random.standard_normal((N, 2)).round(3)
    lines = [f"{a},{b},{c},{i % 2}\n" for i, (a, (b, c)) in enumerate(zip(colours, sizes.tolist(), strict=True))]
    lines[300] = f"{colour},1.5,{size},1\n"
    lines[77] += note + "\n" * bool(note)
    return note + "colour,height,size,label\n" + "".join(lines)


def columnar_files(folder: Path, table: pa.Table) -> None:
    pa.parquet.write_table(table, folder / "a.parquet", row_group_size=150)
    with pa.ipc.new_file(str(folder / "a.arrow"), table.schema) as file:
        file.write_table(table, max_chunksize=70)


def text_files(folder: Path, said: str) -> None:
    (folder / "a.csv").write_text(said)
    (folder / "a.csv.gz").write_bytes(gzip.compress(said.encode()))
    (folder / "wide.csv").write_bytes(said.encode("utf-16"))


def files(folder: Path) -> list[Path]:
    """The same table in several formats."""
    text_files(folder, text())
    options = pa.csv.ParseOptions(newlines_in_values=True)
    columnar_files(folder, pa.csv.read_csv(pa.BufferReader(text(note="").encode()), parse_options=options))
    return [folder / name for name in ("a.csv", "a.csv.gz", "wide.csv", "a.parquet", "a.arrow")]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks of text for each rank, several pieces of a row group."""
    monkeypatch.setattr(blocks, "BLOCK", 700)
    monkeypatch.setattr(blocks, "LEAST", 1)
    monkeypatch.setattr(columnar, "stretch", lambda names: 31)


def read(path: Path, world: World, kept: bool) -> Raw:
    made: Any = format_of(path)()
    found: Raw = made.read(path, world, {}, kept=kept)
    return found


def rows(shards: list[Shard]) -> list[list[Any]]:
    return [list(row) for s in shards for row in zip(*(column.to_pylist() for column in s.columns), strict=True)]


def test_reading_again_gives_the_rows_that_would_be_kept_from_any_row_on(tmp_path: Path) -> None:
    for path in files(tmp_path):
        whole = rows(read(path, World.alone(), kept=True).shards)
        for raw in on_ranks(3, lambda world: read(path, world, kept=False)):  # noqa: B023
            assert raw.again is not None
            assert not raw.shards
            assert raw.rows == len(whole) == N
            for row in (0, 1, 69, 70, 151, N - 1):
                shards = list(raw.again.shards(row))
                assert shards[0].start <= row < shards[0].start + shards[0].rows, path
                assert all(a.start + a.rows == b.start for a, b in pairwise(shards))
                assert rows(shards) == whole[shards[0].start :], path


def inputs(path: Path, loaded: Any, ranks: int, **how: Any) -> tuple[np.ndarray, list[str]]:
    """The features of all ranks, and the warnings."""
    said: list[str] = []

    def one(world: World) -> np.ndarray:
        warn = said.append if world.first else lambda line: None
        known = {"columns": loaded.columns, "warn": warn, **how}
        return load_inputs(path, loaded.dataset, loaded.transform, world, np.float64, ones=True, **known).x

    return np.concatenate(on_ranks(ranks, one), axis=1), said


def trained(folder: Path) -> Any:
    """A training on all rows of the table, in their order."""
    path = folder / "train.csv"
    path.write_text(text())
    dataset = DATASETS["csv"](train=str(path), test=str(path), target="label", order="file")
    return dataset.load(0, World.alone(), np.float64, ones=True)


def test_features_are_those_of_the_training_at_any_number_of_ranks(tmp_path: Path) -> None:
    loaded = trained(tmp_path)
    for path in files(tmp_path):
        for ranks in (1, 3):
            np.testing.assert_array_equal(inputs(path, loaded, ranks)[0], loaded.train.x, err_msg=str(path))


def test_values_beyond_the_training_are_counted_once(tmp_path: Path) -> None:
    loaded, said = trained(tmp_path), text(colour="green")
    (tmp_path / "a.csv").write_text(said.replace("a,b", "c"))
    told = [inputs(tmp_path / "a.csv", loaded, ranks)[1] for ranks in (1, 2, 3)]
    assert told[0] == told[1] == told[2]
    assert f"column colour: {said.count('a,b') + 1} values unknown" in "".join(told[0])


def test_the_first_row_with_a_fault_is_named_at_any_number_of_ranks(tmp_path: Path) -> None:
    """Also if a column before it has a fault some rows later."""
    loaded = trained(tmp_path)
    height, size = (["1.5"] * good + ["x"] * (N - good) for good in (259, 250))
    columnar_files(tmp_path, pa.table({"colour": ["red"] * N, "height": height, "size": size}))
    (tmp_path / "a.csv").write_text(text(size="big"))
    line = text(size="big").partition("big")[0].count("\n") + 1
    for ranks in (1, 2, 3):
        for name, where in (("a.parquet", "row 251"), ("a.arrow", "row 251"), ("a.csv", f"line {line}")):
            with pytest.raises(UsageError, match=f"{name}: {where}, column 3 .size.: "):
                inputs(tmp_path / name, loaded, ranks)


def test_a_column_that_is_ignored(tmp_path: Path) -> None:
    loaded, said = trained(tmp_path), text(note="").replace("bl\nue", "red")
    (tmp_path / "a.csv").write_text(said)
    (tmp_path / "id.csv").write_text("".join(f"{i or 'id'},{line}\n" for i, line in enumerate(said.splitlines())))
    found = inputs(tmp_path / "id.csv", loaded, 2, ignored="id")
    np.testing.assert_array_equal(found[0], inputs(tmp_path / "a.csv", loaded, 1)[0])


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.arrow"])
def test_a_file_that_changes_while_it_is_read(name: str, tmp_path: Path) -> None:
    files(tmp_path)
    raw = read(tmp_path / name, World.alone(), kept=False)
    text_files(tmp_path, text()[:5000])
    columnar_files(tmp_path, pa.table({"colour": ["red"] * 390, "height": [1.5] * 390, "size": 390 * [1.0]}))
    assert raw.again is not None
    with pytest.raises(UsageError, match=f"{name}: the file has changed while it was read"):
        list(raw.again.shards(0))


def test_two_shards_at_most_are_held(tmp_path: Path) -> None:
    loaded, made = trained(tmp_path), list[weakref.ref[Shard]]()
    raw = read(tmp_path / "train.csv", World.alone(), kept=False)

    class Seen(Again):
        def shards(self, row: int) -> Iterator[Shard]:
            for shard in super().shards(row):
                made.append(weakref.ref(shard))
                yield shard

    assert raw.again is not None
    table = Forward(replace(raw, again=Seen(raw.path, raw.again.rows, raw.again.read)), None)
    table.use(loaded.columns.matched(table.raw))
    with table.reader() as one:
        for lo in range(0, N, 37):
            one(lo, min(lo + 37, N))
            assert sum(ref() is not None for ref in made) <= 2
    assert len(made) > 9
