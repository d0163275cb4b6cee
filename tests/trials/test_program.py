"""Other programs as runs of `compare` and `tune`: how they are started, their samples, and what tables say of them."""

import csv
import json
import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.experiments.samples import write_samples
from hpcadmm.job.job import parse
from hpcadmm.trials.compare import Options, compare
from hpcadmm.trials.tune import Options as Tuning
from hpcadmm.trials.tune import tune
from tests.conftest import ROOT
from tests.helpers.made import TAYLOR, write

RIVAL = f"{sys.executable} {ROOT / 'tests/helpers/fake_rival.py'}"
PROGRAM = TAYLOR.replace('"taylor"', '"program"\ncommand = "$FAKE_RIVAL"\nmethod = "guess"')


@pytest.fixture
def out(tmp_path, monkeypatch):
    """Where the experiments go; the program can be found, and samples are written by this process."""
    monkeypatch.setenv("FAKE_RIVAL", RIVAL)

    def written(argv):
        job, folder = map(Path, argv[-2:])
        return write_samples(parse(job.read_text()), folder)

    monkeypatch.setattr("hpcadmm.experiments.rival.child", written)
    return tmp_path / "out"


def table(path):
    with open(path, newline="") as file:
        return {next(iter(line.values())): line for line in csv.DictReader(file)}


def test_a_program_runs_beside_a_solver_and_is_in_the_same_tables(hpcadmm, out, monkeypatch, tmp_path):
    jobs = write(tmp_path), write(tmp_path, PROGRAM, "fake")
    targets = ("--target", 0.05, "--target", 0.9999)
    hpcadmm("compare", *jobs, *targets, "--ranks", 2, "--out", out, timeout=240).check()
    runs, jobs = table(out / "table.csv"), table(out / "summary.csv")
    assert list(runs) == ["small-0", "fake-0"]
    fake = runs["fake-0"]
    assert (fake["state"], fake["solver"], fake["ranks"], fake["program"]) == ("finished", "guess", "1", "fake 2")
    assert fake["kernels"] == "<f8 (300, 64)"
    assert (float(fake["target_0.05_seconds"]), fake["target_0.05_synchronisations"]) == (1.0, "2.0")
    assert fake["target_0.9999_seconds"] == ""
    assert float(fake["final"]) == np.mean(np.load(out / "samples/y_test.npy") == 0)
    assert [line["target_0.9999_reached"] for line in jobs.values()] == ["0", "0"]
    text = (out / "summary.md").read_text()
    assert "whose synchronisations are its steps: fake (fake 2)" in text
    assert text.index("To 5 % on the test part") < text.index("To 99.99 % on the test part")
    assert "several versions" not in text
    (session,) = json.loads((out / "children/fake-0.json").read_text())
    assert session["command"][0] == "$FAKE_RIVAL"
    hosts = json.loads((out / "runs/fake-0/environment.json").read_text())["hosts"]
    assert hosts[0]["cores"] > 0


def compared(tmp_path, out, text=PROGRAM, overrides=(), repeat=1):
    said = []
    job = write(tmp_path, text, "fake")
    code = compare([str(job)], overrides, Options(1, repeat, [0.05], out), said.append)
    return code, table(out / "table.csv"), "\n".join(said)


def test_each_seed_and_each_choice_of_samples_is_given_to_the_program(out, tmp_path):
    """The same class of the test part is guessed in all seeds but for the seed; MNIST-like data are written once."""
    code, runs, _ = compared(tmp_path, out, repeat=2, overrides=["precision=float32", "data.first=200"])
    assert code == 0
    assert [line["kernels"] for line in runs.values()] == ["<f4 (200, 64)"] * 2
    y = np.load(out / "samples/y_test.npy")
    assert [float(line["final"]) for line in runs.values()] == [np.mean(y == 0), np.mean(y == 1)]
    assert json.loads((out / "samples/samples.json").read_text())["seed"] == 1


def test_what_is_finished_is_kept_and_what_is_not_begins_anew(out, tmp_path):
    compared(tmp_path, out, repeat=2)
    times = [(out / f"runs/fake-{k}/summary.json").stat().st_mtime_ns for k in (0, 1)]
    (out / "runs/fake-1/summary.json").unlink()
    code, runs, _ = compared(tmp_path, out, repeat=2)
    assert code == 0
    assert [line["state"] for line in runs.values()] == ["finished"] * 2
    assert (out / "runs/fake-0/summary.json").stat().st_mtime_ns == times[0]
    assert len(json.loads((out / "children/fake-1.json").read_text())) == 2


@pytest.mark.parametrize(
    ("options", "state", "words"),
    [
        ("{fail = true}", "failed", "ValueError: no such optimiser"),
        ("{killed = true}", "failed", "it ended without summary.json"),
    ],
)
def test_a_program_that_fails_is_a_row_with_its_message(out, tmp_path, options, state, words):
    code, runs, _ = compared(tmp_path, out, overrides=[f"solver.options={options}"])
    assert code == 1
    assert (runs["fake-0"]["state"], runs["fake-0"]["message"]) == (state, words)


def test_a_program_that_counts_nothing_has_no_costs(out, tmp_path):
    code, runs, text = compared(tmp_path, out, overrides=["solver.options={silent = true}"])
    assert code == 0
    assert (runs["fake-0"]["target_synchronisations"], runs["fake-0"]["target_seconds"]) == ("", "1.0")
    assert "| fake | 1 of 1  | 1       | 2          |                  |" in text


def test_samples_that_cannot_be_read_are_a_row_with_the_message(out, tmp_path):
    code, runs, _ = compared(tmp_path, out, overrides=["data.first=3000"])
    assert code == 1
    assert "1437 samples" in runs["fake-0"]["message"]


def test_its_options_are_tuned_like_any_key(out, tmp_path):
    job, said = write(tmp_path, PROGRAM + "[solver.options]\naccuracy = 0.5\n", "fake"), []
    texts = ["solver.options.accuracy=choice:0.25,0.75"]
    assert tune(job, [], texts, Tuning(budget=3, out=out), said.append) == 0
    with open(out / "table.csv", newline="") as file:
        found = [(float(line["solver.options.accuracy"]), float(line["score"])) for line in csv.DictReader(file)]
    assert found == [(0.5, 0.5), (0.75, 0.75), (0.25, 0.25)] or found == [(0.5, 0.5), (0.25, 0.25), (0.75, 0.75)]
    best = tomllib.loads((out / "best.toml").read_text())
    assert best["solver"]["options"]["accuracy"] == 0.75
    assert "validation" not in best["data"]
    assert len(np.load(out / "samples/y_test.npy")) == 30  # a tenth of the 300 training samples


@pytest.mark.parametrize(
    ("command", "words"),
    [("$NO_RIVAL x", "the environment variable NO_RIVAL is not set"), ("no-such-program x", "there is no program")],
)
def test_a_program_that_cannot_be_started_is_refused_before_the_first_run(out, tmp_path, command, words):
    with pytest.raises(UsageError, match=words):
        compared(tmp_path, out, PROGRAM.replace("$FAKE_RIVAL", command))
    assert not out.exists()


def test_hpcadmm_itself_does_not_train_with_a_program():
    text = PROGRAM.format(name="x")
    with pytest.raises(UsageError, match="hpcadmm compare or tune"):
        parse(text).solver.grid_of(1, 1)
    with pytest.raises(UsageError, match=r"needs solver\.command"):
        parse(text.replace("$FAKE_RIVAL", " "))


def test_the_samples_of_a_job_are_those_that_it_trains_on(tmp_path):
    text = TAYLOR.format(name="x").replace("first_test = 100", "standardise = true\nweight = 'balanced'")
    job = parse(text, ["precision=float32", "data.validation=0.5"])
    assert write_samples(job, tmp_path / "a") == {"train": [150, 64], "test": [150, 64]}
    arrays = {path.stem: np.load(path) for path in (tmp_path / "a").glob("*.npy")}
    assert set(arrays) == {"x_train", "x_test", "y_train", "y_test", "weight_train"}
    found = job.data.load(0, World.alone(), np.float32, ones=False, training=True)
    for name, part in (("train", found.train), ("test", found.test)):
        assert np.array_equal(arrays[f"x_{name}"], part.x.T)
        assert np.array_equal(arrays[f"y_{name}"], part.labels)
    assert abs(arrays["x_train"].mean(axis=0)).max() < 1e-5
    shutil.rmtree(tmp_path / "a")
