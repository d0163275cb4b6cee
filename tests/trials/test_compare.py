"""`hpcadmm compare` end to end: real runs, kept short."""

import csv
import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from hpcadmm.storage.run import read_job, read_metrics, read_summary
from tests.conftest import mpiexec
from tests.helpers.made import DLADMM, GADMM, TAYLOR, write

pytestmark = pytest.mark.mpi  # they start runs
FILES = {"table.csv", "summary.csv", "summary.md", "figure.png", "plan.json", "jobs", "runs", "children", "lock"}


def table(out, name="table.csv"):
    with open(out / name, newline="") as file:
        return {next(iter(line.values())): line for line in csv.DictReader(file)}


def fingerprint(folder: Path) -> dict[str, tuple[int, str]]:
    """When each file of a folder was written, and what is in it."""
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def jobs(tmp_path):
    """Three solvers on the same data."""
    return [write(tmp_path, text, name) for text, name in ((TAYLOR, "taylor"), (DLADMM, "dl"), (GADMM, "chain"))]


def test_three_solvers_and_two_seeds_on_two_ranks(inside, hpcadmm, jobs, tmp_path):
    arguments = ("compare", *jobs, "--ranks", 2, "--repeat", 2, "--target", 0.5, "--out", "out")
    done = hpcadmm(*arguments, timeout=240).check()
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == FILES
    rows = table(out)
    assert list(rows) == ["taylor-0", "dl-0", "chain-0", "taylor-1", "dl-1", "chain-1"]
    started = [json.loads((out / "children" / f"{name}.json").read_text())[0]["started"] for name in rows]
    assert started == sorted(started)
    for name, line in rows.items():
        folder = out / "runs" / name
        summary, last = read_summary(folder), read_metrics(folder)[-1]
        assert (line["state"], line["ranks"], line["seed"]) == ("finished", "2", name[-1])
        assert f"seed = {name[-1]}\n" in read_job(folder)
        assert line["weights_sha256"] == summary["weights_sha256"]
        assert float(line["final"]) == last["test_accuracy"]
        assert (int(line["bytes"]), float(line["synchronisations"])) == (last["bytes"], last["messages"] / 2)
        assert (folder / "environment.json").is_file()
        assert float(line["load_before"]) >= 0
    for label in ("taylor", "dl"):
        assert rows[f"{label}-0"]["weights_sha256"] != rows[f"{label}-1"]["weights_sha256"]
    assert (out / "summary.md").read_text() in done.stdout
    assert table(out, "summary.csv")["taylor"]["finished"] == "2"

    before = fingerprint(out / "runs")
    inside(*arguments).check()
    assert fingerprint(out / "runs") == before


def test_what_is_missing_is_run_and_nothing_else(inside, tmp_path):
    job = write(tmp_path)
    arguments = ("compare", job, "--out", "out", "--repeat")
    inside(*arguments, 2).check()
    out = tmp_path / "out"
    hashes = {name: line["weights_sha256"] for name, line in table(out).items()}
    shutil.rmtree(out / "runs/small-1")
    kept = fingerprint(out / "runs/small-0")
    inside(*arguments, 3).check()
    assert fingerprint(out / "runs/small-0") == kept
    assert list(table(out)) == ["small-0", "small-1", "small-2"]
    assert hashes == {name: table(out)[name]["weights_sha256"] for name in hashes}
    assert table(out, "summary.csv")["small"]["runs"] == "3"


def test_an_interrupted_and_a_killed_run_end_as_if_they_had_not_been(inside, tmp_path):
    job = write(tmp_path)
    arguments = ("compare", job, "--set", "save.every=2", "--repeat", 3, "--out", "out")
    inside(*arguments).check()
    out = tmp_path / "out"
    whole = {name: line["weights_sha256"] for name, line in table(out).items()}
    for name, kept in (("small-0", True), ("small-1", False)):
        run = out / "runs" / name
        (run / "summary.json").unlink()
        points = sorted((run / "checkpoints").iterdir())
        for point in points[1:] if kept else points:
            shutil.rmtree(point)
    inside(*arguments).check()
    assert {name: line["weights_sha256"] for name, line in table(out).items()} == whole
    commands = [json.loads((out / f"children/small-{k}.json").read_text()) for k in range(3)]
    assert [len(sessions) for sessions in commands] == [2, 2, 1]
    assert [sessions[-1]["command"][4] for sessions in commands] == ["resume", "train", "train"]
    assert [row["iteration"] for row in read_metrics(out / "runs/small-0")] == [2, 4, 6]


def test_a_run_that_fails_is_a_row_and_the_others_go_on(inside, tmp_path):
    good = write(tmp_path)
    bad = f"{good}:name=bad:data.first=3000"
    wild = write(tmp_path, DLADMM.replace('"dladmm"', '"dladmm"\nrho = 1e-300\nnu = 1e-300'), "wild")
    done = inside("compare", bad, wild, good, "--target", 0.2, "--out", "out")
    assert done.returncode == 1
    rows = table(tmp_path / "out")
    assert [line["state"] for line in rows.values()] == ["failed", "diverged", "finished"]
    assert rows["bad-0"]["message"].startswith("data.first = 3000: ")
    assert "1437 samples" in rows["bad-0"]["message"]
    assert "diverged: " in rows["wild-0"]["message"]
    assert rows["bad-0"]["final"] == ""
    summary = table(tmp_path / "out", "summary.csv")
    assert [(line["finished"], line["reached"]) for line in summary.values()] == [("0", "0"), ("0", "0"), ("1", "1")]
    assert "| bad-0  | failed   | data.first = 3000" in (tmp_path / "out/summary.md").read_text()
    assert "Traceback" not in done.output

    kept = fingerprint(tmp_path / "out/runs")
    assert inside("compare", bad, wild, good, "--out", "out").returncode == 1
    assert fingerprint(tmp_path / "out/runs") == kept
    tries = {name: len(json.loads((tmp_path / f"out/children/{name}.json").read_text())) for name in rows}
    assert tries == {"bad-0": 2, "wild-0": 1, "small-0": 1}


def test_hostile_names_stay_in_the_folder(inside, tmp_path):
    (tmp_path / "a b; touch x").mkdir()
    text = TAYLOR.replace('"{name}"', '"{name}"', 1)
    path = write(tmp_path / "a b; touch x", text, '../../$(touch y)|`|\\"\\\\', "-job")
    inside("compare", "--out", "a b; touch x/-out", "--", path).check()
    out = tmp_path / "a b; touch x/-out"
    assert {path.name for path in out.iterdir()} == FILES
    assert {path.name for path in tmp_path.iterdir()} == {"a b; touch x"}
    assert {path.name for path in (tmp_path / "a b; touch x").iterdir()} == {"-job.toml", "-out"}
    assert [path.name for path in (out / "runs").iterdir()] == ["touch-y-0"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "solver.gama=1"], "solver.gama: unknown key"),
        (["small.toml:name=b:solver.gama=1"], "small.toml: the job file:\n  solver.gama: unknown key"),
        (["--set", "stop.iterations=0"], "stop.iterations = 0: must be greater than or equal to 1"),
        (["--set", "nonsense"], "write --set table.key=value"),
        (["--target", "97"], "a test accuracy is a fraction"),
        (["--target", "0"], "a test accuracy is a fraction"),
        (["--launcher", "no-such-program -x"], "there is no such program"),
        (["--launcher", ""], "there is no such program"),
        (["--ranks", "0"], "--ranks"),
        (["small.toml"], "small.toml and small.toml have the same name, small"),
        (["none.toml"], "cannot read the job file none.toml"),
    ],
)
def test_what_is_refused_before_the_first_run(inside, tmp_path, arguments, words):
    write(tmp_path)
    done = inside("compare", "small.toml", *arguments, "--out", "out")
    assert (done.returncode, done.output.count("Error:")) == (2, 1)
    assert words in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_another_job_in_the_folder_is_refused(inside, tmp_path):
    write(tmp_path)
    inside("compare", "small.toml", "--out", "out").check()
    kept = fingerprint(tmp_path / "out")
    kept.pop(str(tmp_path / "out/lock"))
    done = inside("compare", "small.toml", "--set", "solver.gamma=3.5", "--out", "out")
    assert done.returncode == 2
    assert "small-0: solver.gamma is 10.0 there and 3.5 here" in done.output
    assert kept.items() <= fingerprint(tmp_path / "out").items()


def test_not_under_a_launcher(hpcadmm, tmp_path):
    write(tmp_path)
    done = hpcadmm("compare", "small.toml", "--out", "out", n=2)
    assert (done.returncode, done.output.count("Error:")) == (2, 1)
    assert "starts the ranks itself" in done.output
    assert not (tmp_path / "out").exists()


# A launcher whose ranks run the command line, and send a signal to the process that started the launcher.
LAUNCHER = """
import os, signal, sys
if "STARTED_BY" not in os.environ:
    os.environ["STARTED_BY"] = str(os.getppid())
    os.execv({mpiexec!r}, [{mpiexec!r}, "-n", sys.argv[2], sys.executable, __file__, *sys.argv[6:]])
from hpcadmm.cli import main
from hpcadmm.comm.ending import current_phase
from hpcadmm.solvers import SOLVERS

step, done = SOLVERS["taylor"].step, [0]

def patched(self, s, p, world):
    step(self, s, p, world)
    done[0] += current_phase().startswith("iteration")  # not in the rehearsal
    if done[0] == 5 and world.first:
        os.kill(int(os.environ["STARTED_BY"]), signal.{name})

SOLVERS["taylor"].step = patched
sys.exit(main())
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_a_signal_ends_the_run_after_a_checkpoint_and_the_command_goes_on(hpcadmm, tmp_path, name):
    (tmp_path / "launcher.py").write_text(LAUNCHER.format(mpiexec=mpiexec(), name=name))
    write(tmp_path, TAYLOR.replace("iterations = 6", "iterations = 300000").replace("every = 2", "every = 1"))
    arguments = ["compare", "small.toml", "--ranks", 2, "--out", "out", "--repeat", 2]
    done = hpcadmm(*arguments, "--launcher", f"{sys.executable} launcher.py")
    assert done.returncode == 75, done.output
    assert f"{name}: the same command continues: out" in done.output
    out = tmp_path / "out"
    assert [line["state"] for line in table(out).values()] == ["interrupted", "absent"]
    there = read_summary(out / "runs/small-0")
    assert there["iterations"] >= 5
    assert there["ranks"] == 2
    points = [path.name for path in (out / "runs/small-0/checkpoints").iterdir()]
    assert points == [f"iteration-{there['iterations']:010d}"]
