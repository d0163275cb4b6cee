"""Runs of version 0.2.0: read as ever; resumed, from their weights where the solver's state has changed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.storage.run import read_metrics
from hpcadmm.training.loop import resume
from hpcadmm.training.progress import Progress

OLD = Path(__file__).parent / "runs-0.2.0"  # 5 iterations on 60 digits
QUIET = Progress(False)


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copytree(OLD / "dladmm", tmp_path / "dladmm"))


def test_another_state_is_refused_with_the_version_and_the_cure(old):
    for _ in range(2):  # the first refusal leaves no trace that the second one would take for another version
        with pytest.raises(UsageError, match=r"hpcadmm 0\.2\.0, whose dladmm keeps other arrays") as refused:
            resume(old, [], World.alone(), QUIET)
    assert f"hpcadmm resume {old} --set save.state=weights" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_number_with_another_name_goes_on(tmp_path):
    """The steps of adam, by which it draws minibatches and corrects its means."""
    old = Path(shutil.copytree(OLD / "adam", tmp_path / "adam"))
    assert [row["sums"] for row in read_metrics(old)] == [1, 2, 3, 4, 5]
    resume(old, ["stop.iterations=7"], World.alone(), QUIET)
    assert [row["sums"] for row in read_metrics(old)] == [1, 2, 3, 4, 5, 6, 7]


def test_its_weights_begin_again(old):
    before = read_metrics(old)
    summary = resume(old, ["save.state=weights", "stop.iterations=20"], World.alone(), QUIET)
    assert summary["iterations"] == 20
    rows = read_metrics(old)
    assert rows[: len(before)] == before
    assert rows[-1]["train_accuracy"] >= before[-1]["train_accuracy"]
    again = resume(old, ["stop.iterations=21", "save.state=weights"], World.alone(), QUIET)
    assert again["iterations"] == 21


def test_it_can_be_read(hpcadmm, old, tmp_path):
    """Its weights, its rows and its data's options."""
    np.savetxt(tmp_path / "x.csv", np.zeros((3, 64)), delimiter=",")
    shown = hpcadmm("show", old).check().stdout
    assert "dladmm" in shown
    assert "accuracy" in hpcadmm("evaluate", old).check().stdout
    hpcadmm("predict", old, tmp_path / "x.csv", "-o", tmp_path / "y.csv").check()
    assert len((tmp_path / "y.csv").read_text().splitlines()) in (3, 4)
