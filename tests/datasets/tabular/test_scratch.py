"""Samples that exceed data.memory, of files that cannot be streamed: from a scratch file, with the bits in memory."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.lean.streamed import Streamed
from hpcadmm.datasets.tabular import columnar
from hpcadmm.datasets.tabular.reading.spill import Spilled
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training import loop
from hpcadmm.training.progress import Progress
from tests.datasets.test_streamed import JOB, trained, whole
from tests.helpers.samples import MAKERS

SMALL = 1500  # bytes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For scratch files."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return tmp_path


def load(name: str, world: World, options: dict[str, Any], dtype: Any = np.float32) -> Any:
    return DATASETS[name](**options).load(0, world, dtype, ones=True)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("csv", {"order": "shuffled"}),
        ("parquet", {"order": "labels", "standardise": True}),
        ("arrow", {"validation": 0.3, "classes": [2, 0]}),
        ("npz", {"standardise": True}),
        ("libsvm", {"sparse": False, "scale": "unit"}),
        ("mnist", {"downsample": 2}),
        ("california", {}),
    ],
)
def test_samples_from_a_scratch_file_are_those_in_memory(name: str, more: dict[str, Any], folder: Path) -> None:
    given = {"path": str(folder), **MAKERS[name](folder, False), **more}
    memory = load(name, World.alone(), given)
    for ranks in (1, 2):
        found = on_ranks(ranks, lambda world: load(name, world, given | {"memory": SMALL}))
        assert all(isinstance(one.train.x, Streamed) for one in found)
        assert {one.digest for one in found} == {memory.digest}
        assert all(one.transform.record() == memory.transform.record() for one in found)
        assert all("kept in scratch files of" in " ".join(one.facts) for one in found)
        for part in ("train", "test"):
            x = np.concatenate([whole(getattr(one, part).x) for one in found], axis=1)
            np.testing.assert_array_equal(x, getattr(memory, part).x)
    assert not list((folder / "scratch").iterdir())


def table(folder: Path) -> str:
    """Numbers with gaps, text and three classes, in one row group."""
    random = np.random.default_rng(1)
    x = random.standard_normal((600, 4))
    columns = {name: pa.array(values, mask=random.random(600) < 0.1) for name, values in zip("abcd", x.T, strict=True)}
    columns["town"] = pa.array(random.choice(["Rome", "Oslo", "Bonn"], 600).tolist())
    columns["label"] = pa.array((x[:, 0] > 0).astype(int) + (x[:, 1] > 1))
    pq.write_table(pa.table(columns), folder / "a.pq")
    return str(folder / "a.pq")


def test_columns_that_exceed_the_memory_go_to_the_disk_piece_by_piece(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columnar, "ROUND", 8 * 6 * 100)  # 100 rows
    path = Path(table(folder))
    whole, cut = (columnar.read_columnar(path, "parquet", [], World.alone(), most) for most in (None, 10_000))
    assert [shard.start for shard in cut.shards] == [0, 100, 200, 300, 400, 500]
    assert [isinstance(shard.columns, Spilled) for shard in cut.shards] == [False, False, True, True, True, True]
    for place in range(6):
        values = [value for shard in cut.shards for value in shard.columns[place].to_pylist()]
        assert values == whole.shards[0].columns[place].to_pylist()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_training_on_parquet_is_that_in_memory(solver: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "ROUND", 8 * 6 * 100)
    more = table(folder), solver, World.alone(), "data.name=parquet"
    memory = trained(*more)
    for ranks in (1, 2):
        found = on_ranks(ranks, lambda w: trained(*more[:2], w, more[3], f"data.memory={SMALL}"))
        assert {digest for digest, _ in found} == {memory[0]}
        assert found[0][1] == memory[1]


def test_a_run_goes_on_with_other_memory(folder: Path) -> None:
    text = JOB.format(path=table(folder), solver="adam").replace('"hdf5"', '"parquet"')
    small = f"data.memory={SMALL}"

    def begun(name: str, iterations: int, *more: str) -> Any:
        job = parse(text, ["solver.batch=100", f"stop.iterations={iterations}", *more])
        return loop.train(job, folder / name, World.alone(), Progress(False))["weights_sha256"]

    def gone_on(name: str, *more: str) -> Any:
        given = ["stop.iterations=4", *more]
        return loop.resume(folder / name, given, World.alone(), Progress(False))["weights_sha256"]

    memory = begun("memory", 4)
    begun("one", 2, small)
    begun("other", 2)
    assert gone_on("one", "data.memory=1 GB") == gone_on("other", small) == memory


def test_a_value_is_named_by_its_row_in_the_file(folder: Path) -> None:
    x = np.ones((300, 4))
    x[:, 1] = np.arange(300)
    x[250, 2] = 1e300
    np.savez(folder / "a.npz", X=x, y=np.arange(300) % 2)
    with pytest.raises(UsageError, match=r"row 251, column 3 \(counted from 1\): 1e\+300 is too large for float32"):
        load("npz", World.alone(), {"path": str(folder / "a.npz"), "memory": 100, "scale": "none"})


def test_a_full_disk_ends_all_ranks_with_one_message(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    given = {"path": str(folder), **MAKERS["parquet"](folder, False), "memory": SMALL}

    def said(world: World) -> str:
        with pytest.raises(UsageError) as caught:
            load("parquet", world, given)
        return str(caught.value)

    monkeypatch.setattr(os, "posix_fallocate", fill)
    texts = on_ranks(2, said)
    assert len(set(texts)) == 1
    assert texts[0].endswith("scratch: No space left on device; set TMPDIR to a folder on a disk with more room")
