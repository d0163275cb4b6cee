"""A run that held samples out: evaluate looks at those, at the real test part if asked, and other data keep nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.after.otherdata import merged
from tests.helpers.trainings import DIGITS, PLAIN, command


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held-out")
    (folder / "job.toml").write_text(DIGITS.format(**PLAIN | {"data": "validation = 0.1"}))
    command("train", "job.toml", "--out", "run", "--quiet", cwd=folder)
    return folder / "run"


def test_the_samples_evaluated(run, hpcadmm, tmp_path):
    def samples(*arguments: object) -> int:
        return json.loads(hpcadmm("evaluate", run, "--json", *arguments).check().stdout)["samples"]

    summary = json.loads((run / "summary.json").read_text())
    said = json.loads(hpcadmm("evaluate", run, "--json").check().stdout)
    assert (said["samples"], said["accuracy"]) == (143, summary["test_accuracy"])
    assert samples("--data", "validation=") == 360
    np.savez(tmp_path / "a.npz", X=np.ones((50, 64)), y=np.arange(50) % 10)
    assert samples("--data", tmp_path / "a.npz") == 50


def test_other_files_hold_nothing_out():
    own = {"name": "csv", "path": "a.csv", "validation": 0.1, "shards": 8}
    for given in ({"path": "b"}, {"train": "b.csv"}, {"test": "b.csv"}, {"name": "npz"}):
        assert not {"validation", "shards"} & merged(own, given).keys()
    assert merged(own, {"first": 9})["validation"] == 0.1
    assert merged(own, {"path": "b", "validation": 0.2})["validation"] == 0.2
