"""The run folder: made once, owned by one job, readable at any time."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.storage import run as run_module
from hpcadmm.storage.run import Run, read_job, read_metrics, read_summary

JOB = 'name = "job"\nseed = 1\n'


@pytest.fixture
def world() -> World:
    return World.alone()


@pytest.fixture
def folder(tmp_path: Path, world: World) -> Path:
    """The folder of a run with rows for the iterations 1 to 5 that has ended."""
    with Run.create(world, tmp_path / "run", "job", JOB, {"start": 1}) as run:
        for iteration in range(1, 6):
            run.metric({"iteration": iteration, "objective": 1 / iteration})
    return tmp_path / "run"


def test_a_new_run_has_its_job_environment_and_checkpoints(tmp_path: Path, world: World) -> None:
    with Run.create(world, tmp_path / "a" / "run", "job", JOB, {"ranks": 1}) as run:
        assert run.folder == tmp_path / "a" / "run"
        assert read_job(run.folder) == JOB
        assert run.checkpoints.is_dir()
        assert json.loads((run.folder / "environment.json").read_text()) == {"ranks": 1, "folder": str(run.folder)}
        assert read_metrics(run.folder) == []
        assert read_summary(run.folder) is None


def test_the_default_name_has_the_job_and_the_time_and_is_new(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_module.time, "gmtime", lambda: (2026, 11, 21, 4, 5, 6, 5, 325, 0))
    names = []
    for name in ("digits-taylor", "digits-taylor", "../a b/", ""):
        with Run.create(world, None, name, JOB, {}) as run:
            names.append(str(run.folder))
    assert names == [
        "results/runs/digits-taylor-20261121T040506",
        "results/runs/digits-taylor-20261121T040506-2",
        "results/runs/a-b-20261121T040506",
        "results/runs/run-20261121T040506",
    ]


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path: Path, world: World) -> None:
    Run.create(world, tmp_path, "job", JOB, {}).close()
    with pytest.raises(UsageError, match=r"is not empty: choose another --out, or continue with `hpcadmm resume"):
        Run.create(world, tmp_path, "job", JOB, {})
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        Run.create(world, other, "job", JOB, {})
    assert os.listdir(other) == ["letter"]


def test_a_run_in_use_is_refused(folder: Path, world: World) -> None:
    with Run.reopen(world, folder, {}):
        for take in (lambda: Run.reopen(world, folder, {}), lambda: Run.create(world, folder, "job", JOB, {})):
            with pytest.raises(UsageError, match=f"is in use by process {os.getpid()} on"):
                take()
    Run.reopen(world, folder, {}).close()


def test_what_cannot_be_made_is_a_usage_error_and_holds_no_lock(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot make the run folder .*Not a directory"):
        Run.create(world, tmp_path / "file" / "run", "job", JOB, {})
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(UsageError, match=r"cannot make the run folder .*: No space left on device"):
            Run.create(world, tmp_path / "run", "job", JOB, {})
    Run.create(world, tmp_path / "run", "job", JOB, {}).close()  # what had not begun is no run


def test_metrics_are_flushed_and_without_nan(folder: Path, world: World) -> None:
    with Run.reopen(world, folder, {}) as run:
        run.metric({"iteration": np.int64(6), "objective": np.float32("nan"), "by": [float("inf"), {"a": -np.inf}]})
        assert read_metrics(folder)[-1] == {"iteration": 6, "objective": None, "by": [None, {"a": None}]}
        assert "NaN" not in (folder / "metrics.jsonl").read_text()


def test_a_torn_last_line_is_left_out_and_cut(folder: Path, world: World) -> None:
    with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"iteration": 6, "obj')
    assert [row["iteration"] for row in read_metrics(folder)] == [1, 2, 3, 4, 5]
    with Run.reopen(world, folder, {}) as run:
        run.cut_metrics(5, {})
        run.metric({"iteration": 6})
    assert [row["iteration"] for row in read_metrics(folder)] == [1, 2, 3, 4, 5, 6]


def test_rows_past_the_checkpoint_are_cut(folder: Path, world: World) -> None:
    before = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    with Run.reopen(world, folder, {}) as run:
        run.metric({"iteration": 6})
        run.cut_metrics(3, {})
        assert (folder / "metrics.jsonl").read_text() == "".join(before[:3])
        run.metric({"iteration": 4})
    assert [row["iteration"] for row in read_metrics(folder)] == [1, 2, 3, 4]


@pytest.mark.parametrize("bad", ["nonsense", "[1]", '{"iteration": ', "\x00\x00"])
def test_a_damaged_line_is_named_by_the_reader_and_cut_on_resume(bad: str, folder: Path, world: World) -> None:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    (folder / "metrics.jsonl").write_text("\n".join([*lines[:2], bad, *lines[2:]]) + "\n")
    with pytest.raises(UsageError, match=r"metrics.jsonl: line 3 is damaged"):
        read_metrics(folder)
    with Run.reopen(world, folder, {}) as run:
        run.cut_metrics(9, {})
    assert len(read_metrics(folder)) == 5


def test_the_log_has_the_time_on_every_line(folder: Path, world: World) -> None:
    with Run.reopen(world, folder, {}) as run:
        run.log("one\ntwo")
        run.log("")
        text = (folder / "log.txt").read_text()
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (one|two|)\n){3}", text)


def test_the_summary_is_replaced(folder: Path, world: World) -> None:
    with Run.reopen(world, folder, {}) as run:
        run.summary({"iterations": 1})
        run.summary({"iterations": np.int32(2), "accuracy": float("nan")})
    assert read_summary(folder) == {"iterations": 2, "accuracy": None}
    assert not list(folder.glob("*.partial"))


def test_reopening_keeps_the_earlier_environments_and_may_change_the_job(folder: Path, world: World) -> None:
    Run.reopen(world, folder, {"start": 2}).close()
    Run.reopen(world, folder, {"start": 3}, job_toml="seed = 2\n").close()
    told = json.loads((folder / "environment.json").read_text())
    there = {"folder": str(folder)}
    assert told == {"start": 3, **there, "earlier": [{"start": 1, **there}, {"start": 2, **there}]}
    assert read_job(folder) == "seed = 2\n"
    (folder / "environment.json").write_text("[damaged")
    Run.reopen(world, folder, {"start": 4}).close()
    assert json.loads((folder / "environment.json").read_text()) == {"start": 4, **there}


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, world: World) -> None:
    readers = [read_job, read_summary, read_metrics, lambda folder: Run.reopen(world, folder, {})]
    for reader in readers:
        with pytest.raises(UsageError, match="there is no run folder"):
            reader(tmp_path / "absent")
        with pytest.raises(UsageError, match=r"is not a run folder: it has no job\.toml"):
            reader(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_summary_is_named(text: str, folder: Path) -> None:
    (folder / "summary.json").write_text(text)
    with pytest.raises(UsageError, match=r"summary\.json is damaged"):
        read_summary(folder)


def test_a_file_system_without_locks_is_noted(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(38, "Function not implemented")))
    with Run.create(world, tmp_path, "job", JOB, {}):
        assert "this file system has no locks" in (tmp_path / "log.txt").read_text()


def test_only_the_first_rank_writes_and_all_are_refused(mpirun: Callable, tmp_path: Path) -> None:
    code = """
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.storage.environment import environment
from hpcadmm.storage.run import Run, read_metrics
world = World()
facts = environment(world, 1, {"library": "x"})
assert [r for host in facts["hosts"] for r in host["ranks"]] == list(range(world.size)), facts
with Run.create(world, None, "job", "seed = 1", facts) as run:
    run.metric({"iteration": 1})
    run.metric({"iteration": 2})
    run.log("hello")
    run.summary({"iterations": 2})
    run.cut_metrics(1, {})
    assert len(read_metrics(run.folder)) == 1
    for take in (lambda: Run.reopen(world, run.folder, {}), lambda: Run.create(world, run.folder, "job", "", {})):
        try:
            take()
        except UsageError as error:
            print("refused:", error)
"""
    done = mpirun(3, code).check()
    assert done.stdout.count("is in use by process") == 2 * done.n
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    assert read_metrics(folder) == [{"iteration": 1}]
    assert (folder / "log.txt").read_text().count("hello") == 1


def test_a_rank_that_does_not_see_the_folder_is_told(mpirun: Callable, tmp_path: Path) -> None:
    code = """
import os
from pathlib import Path
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.storage.run import Run
world = World()
os.makedirs(f"node{world.rank}", exist_ok=True)
os.chdir(f"node{world.rank}")
for _ in range(2):
    try:
        Run.create(world, Path("run"), "job", "", {})
    except UsageError as error:
        print(error)
"""
    done = mpirun(2, code).check()
    assert done.stdout.count("rank 1 on") == done.n
    assert "does not see the run folder run; put it on a file system that all nodes share" in done.stdout
    assert done.stdout.count("is not empty") == done.n  # the lock was released
