"""A run goes on when its unchanged data lie elsewhere, have another name or are packed; never with other data."""

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.after.evaluate import evaluate
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.storage.readers import read_job, read_summary
from hpcadmm.training.loop import resume, train
from hpcadmm.training.progress import Progress

JOB = """
name = "moved"
[data]
name = "csv"
{places}
[network]
hidden = [5]
[loss]
name = "cross-entropy"
[solver]
name = "adam"
batch = 16
[stop]
iterations = 3
"""
MORE = "stop.iterations=6"


def make(path: Path, seed: int = 0) -> Path:
    x = np.random.default_rng(seed).standard_normal((90, 4))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, np.column_stack([x, x[:, 0] > 0]), delimiter=",", fmt="%.6g")
    return path


def begin(places: str, out: Path, iterations: int = 3) -> Path:
    train(parse(JOB.format(places=places), [f"stop.iterations={iterations}"]), out, World.alone(), Progress(False))
    return out


def go_on(run: Path, *overrides: str) -> Any:
    return resume(run, [MORE, *overrides], World.alone(), Progress(False))["weights_sha256"]


@pytest.fixture
def whole(tmp_path: Path) -> Any:
    """The weights of an uninterrupted run."""
    run = begin(f'path = "{make(tmp_path / "whole" / "a.csv")}"', tmp_path / "whole" / "run", 6)
    return (read_summary(run) or {})["weights_sha256"]


def pack(source: Path, target: Path) -> Path:
    target.write_bytes(gzip.compress(source.read_bytes()))
    source.unlink()
    return target


def test_another_name_another_folder_and_packed(whole: str, tmp_path: Path) -> None:
    for k, move in enumerate([lambda p: p.rename(tmp_path / "b.csv"), lambda p: pack(p, tmp_path / "c.dat")]):
        path = make(tmp_path / f"{k}" / "a.csv")
        run = begin(f'path = "{path}"', tmp_path / f"run-{k}")
        there = move(path)
        with pytest.raises(UsageError, match=r"data.path: not found: .*a.csv; set data.path to where the file is now"):
            go_on(run)
        assert go_on(run, f"data.path={there}") == whole
        assert parse(read_job(run)).data.path == str(there)
        assert evaluate(run, (), None, None, World.alone(), print)["samples"] == 18


@pytest.mark.parametrize("changes", [["data.path={}"], ["data.train={}/a.csv"]])
def test_an_absolute_train_file(whole: str, changes: Sequence[str], tmp_path: Path) -> None:
    path = make(tmp_path / "old" / "a.csv")
    run = begin(f'train = "{path}"', tmp_path / "run")
    (tmp_path / "new").mkdir()
    path.rename(tmp_path / "new" / "a.csv")
    with pytest.raises(UsageError, match=r"data.train: not found: .*a.csv; set data.train to where the file is now"):
        go_on(run)
    assert go_on(run, *(change.format(tmp_path / "new") for change in changes)) == whole


def test_a_test_file(tmp_path: Path) -> None:
    make(tmp_path / "a.csv"), make(tmp_path / "t.csv", 1)
    run = begin(f'path = "{tmp_path / "a.csv"}"\ntest = "t.csv"', tmp_path / "run")
    (tmp_path / "t.csv").rename(tmp_path / "u.csv")
    assert go_on(run, f"data.test={tmp_path / 'u.csv'}")
    with pytest.raises(UsageError, match="the data are not those the run began with"):
        go_on(run, f"data.test={make(tmp_path / 'v.csv', 2)}")


def test_other_data_are_refused_wherever_they_differ(tmp_path: Path) -> None:
    path = make(tmp_path / "a.csv")
    run = begin(f'path = "{path}"', tmp_path / "run")
    lines = path.read_bytes().splitlines(keepends=True)
    digit = lines[45][-4:-3]
    lines[45] = lines[45][:-4] + (b"1" if digit != b"1" else b"2") + lines[45][-3:]  # same size, in the middle
    path.write_bytes(b"".join(lines))
    with pytest.raises(UsageError, match=r"the data are not those the run began with \(other contents or shapes\)\n"):
        go_on(run)


def test_a_run_of_a_version_without_sparse_samples_says_how_it_resumes(tmp_path: Path) -> None:
    (tmp_path / "a.svm").write_text("".join(f"{k % 2} {k % 30 + 1}:1\n" for k in range(90)))
    job = JOB.replace('"csv"', '"libsvm"').format(places=f'path = "{tmp_path / "a.svm"}"\nsparse = false')
    train(parse(job), tmp_path / "run", World.alone(), Progress(False))
    kept = tmp_path / "run" / "job.toml"
    kept.write_text(kept.read_text().replace("sparse = false\n", ""))
    with pytest.raises(UsageError, match=r"the data are not those .*earlier version.* --set data\.sparse=false"):
        go_on(tmp_path / "run")
    assert go_on(tmp_path / "run", "data.sparse=false")


def test_from_any_folder(whole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "work" / "a.csv")
    monkeypatch.chdir(tmp_path / "work")
    run = begin('path = "a.csv"', tmp_path / "work" / "run").absolute()
    monkeypatch.chdir("/")
    assert parse(read_job(run)).data.path == str(tmp_path / "work" / "a.csv")
    assert evaluate(run, (), None, None, World.alone(), print)["samples"] == 18
    assert go_on(run) == whole


def test_the_folder_of_run_and_data_moves(whole: str, tmp_path: Path) -> None:
    make(tmp_path / "one" / "data" / "a.csv")
    begin(f'path = "{tmp_path}/one/data/a.csv"', tmp_path / "one" / "runs" / "run")
    shutil.move(tmp_path / "one", tmp_path / "two")
    run = tmp_path / "two" / "runs" / "run"
    assert evaluate(run, (), None, None, World.alone(), print)["samples"] == 18
    assert go_on(run) == whole
    shutil.move(tmp_path / "two", tmp_path / "three")
    run = tmp_path / "three" / "runs" / "run"
    for iteration in (3, 6):
        assert evaluate(run, (), None, iteration, World.alone(), print)["samples"] == 18


def test_a_root_of_data_is_not_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "old" / "sub" / "a.csv")
    monkeypatch.setenv("HPCADMM_DATA", str(tmp_path / "old"))
    run = begin('path = "sub/a.csv"', tmp_path / "run")
    assert parse(read_job(run)).data.path == "sub/a.csv"
    (tmp_path / "old").rename(tmp_path / "new")
    monkeypatch.setenv("HPCADMM_DATA", str(tmp_path / "new"))
    assert go_on(run)
