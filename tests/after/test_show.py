"""show: rows of runs in every state."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hpcadmm.after.show import show, shown
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.storage.run import Run as RunFolder

Run = Callable[[str], Path]


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run("digits"), tmp_path / "copy"))


def state(folder: Path) -> str:
    (row,) = show([folder])
    assert isinstance(row["state"], str)
    return row["state"]


def summary(folder: Path, **changes: Any) -> None:
    """Change summary.json."""
    path = folder / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_finished_run(run: Run) -> None:
    (row,) = show([run("digits")])
    said = json.loads((run("digits") / "summary.json").read_text())
    assert (row["name"], row["solver"], row["network"], row["data"]) == ("digits", "taylor", "20 relu", "digits")
    assert (row["state"], row["iterations"], row["ranks"], row["stop_reason"]) == ("finished", 6, 1, "6 iterations")
    for key in ("seconds", "test_accuracy", "train_accuracy", "objective", "weights_sha256"):
        assert row[key] == said[key]


def test_the_states_of_a_run(copy: Path) -> None:
    assert state(copy) == "finished"
    summary(copy, state="interrupted", stop_reason="SIGTERM in iteration 6")
    assert state(copy) == "interrupted"
    summary(copy, state="diverged", stop_reason="diverged: NaN or infinity in iteration 6", objective=float("nan"))
    assert state(copy) == "diverged"
    assert show([copy])[0]["objective"] is None
    summary(copy, iterations=4)
    assert state(copy) == "killed"
    assert show([copy])[0]["iterations"] == 6
    (copy / "summary.json").unlink()
    assert state(copy) == "killed"
    (copy / "metrics.jsonl").write_text("")
    (row,) = show([copy])
    assert (row["iterations"], row["checkpoint"]) == (6, 6), "those of the last checkpoint"
    assert row["seconds"] > 0
    console = Console(width=200)
    with console.capture() as said:
        console.print(shown([row], 200))
    assert "last checkpoint: iteration 6" in said.get()
    for path in (copy / "checkpoints").glob("*/checkpoint.h5"):
        path.write_bytes(b"")
    assert show([copy])[0]["iterations"] == 0


def test_a_run_in_use(copy: Path) -> None:
    before = (copy / "lock").read_bytes()
    with RunFolder.reopen(World.alone(), copy, {}):
        assert state(copy) == "running"
        assert show([copy])[0]["stop_reason"] is None
    assert state(copy) == "finished"
    assert (copy / "lock").read_bytes() == before
    dead = {"host": socket.gethostname(), "pid": 2**22 - 1, "born": "1", "since": "2026-01-01T00:00:00Z"}
    for host, expected in ((socket.gethostname(), "killed"), ("elsewhere", "killed")):
        (copy / "lock").write_text(json.dumps(dead | {"host": host}))
        assert state(copy) == expected
    (copy / "lock").write_text("")
    (copy / "lock.owner").write_text(json.dumps(dead | {"host": "elsewhere"}))
    assert state(copy) == "running"


def test_what_is_no_run(run: Run, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(run("digits"), tmp_path / "damaged"))
    for text in ("[[", "name = 1", '[network]\nhidden = 5\nactivation = "relu"'):
        (damaged / "job.toml").write_text(text)
        with pytest.raises(UsageError, match="not a resolved job"):
            show([damaged])
    for folder, why in ((tmp_path, "is not a run folder"), (tmp_path / "none", "there is no run folder")):
        with pytest.raises(UsageError, match=why):
            show([folder])
        rows = show([run("digits"), folder])
        assert [row["state"] for row in rows] == ["finished", "not a run"]
        assert why in rows[1]["error"]


def test_by_default_all_of_results_runs(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert show([]) == []
    shutil.copytree(run("digits"), "results/runs/b")
    Path("results/runs/a").mkdir()
    assert [(row["run"], row["state"]) for row in show([])] == [
        ("results/runs/a", "not a run"),
        ("results/runs/b", "finished"),
    ]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_table_fits_its_width(run: Run, tmp_path: Path, width: int) -> None:
    console = Console(width=width, record=True, file=(tmp_path / "out").open("w"))
    console.print(shown(show([run("digits"), run("regression"), tmp_path]), width))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    assert "finished" in text
    assert "not a run" in " ".join(text.split())
    if width == 200:
        for word in ("taylor", "20 relu", "75.56 %", "6 iterations", show([run("digits")])[0]["weights_sha256"][:12]):
            assert word in text
