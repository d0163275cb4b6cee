"""`hpcadmm job new`: a commented job file for the data at hand, which trains as it is."""

import os

import pytest

from hpcadmm.job.draft import drafted
from hpcadmm.job.job import parse
from hpcadmm.job.keys import keys
from tests.helpers.samples import california

TABLES = {
    "numbers": ("price", lambda k: f"{k},{'rg'[k % 2]},{k * 1.37 + 5:.2f}\n", "squared", "test_error"),
    "classes": (
        "kind",
        lambda k: f"{k},{'rg'[k % 2]},{'abc'[k % 3]}\n",
        "cross-entropy",
        "test_accuracy",
    ),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("solver", ["mpadmm", "taylor", "unwrapped", "consensus", "lbfgs"])
def test_a_job_file_for_the_data_at_hand(tmp_path, kind, solver):
    head, line, loss, best = TABLES[kind]
    (tmp_path / "my.csv").write_text(f"size,colour,{head}\n" + "".join(map(line, range(400))))
    draft = drafted(str(tmp_path / "my.csv"), None, None, solver, ["seed=3", "data.types.size=number"])
    job = parse(draft.text)
    assert (job.head.name, job.head.seed, job.solver.name, job.loss.name) == ("my", 3, solver, loss)
    assert job.data.path == str(tmp_path / "my.csv")
    assert job.data.types == {"size": "number"}
    assert job.save.best == (None if job.solver.convex else best)
    for key in keys(type(job.solver)):
        assert key.name in draft.text, "each key of the solver is told"
    assert "# units of each hidden layer" in draft.text


def test_the_command_writes_a_job_that_trains_and_overwrites_nothing(inside, tmp_path):
    head, line, *_ = TABLES["classes"]
    (tmp_path / "my.csv").write_text(f"size,colour,{head}\n" + "".join(map(line, range(200))))
    asked = ["job", "new", "--data", "my.csv", "--target", "colour", "--set", "network.hidden=[4]"]
    done = inside(*asked).check()
    assert "hpcadmm train my.toml" in done.stdout
    assert "target colour" in done.stdout
    printed = inside("train", "my.toml", "--print-job").check().stdout
    assert 'target = "colour"' in printed
    assert "hidden = [\n    4,\n]" in printed
    assert "my.toml exists" in inside(*asked).stderr
    inside(*asked, "--force").check()
    assert (
        "did you mean colour?" in inside("job", "new", "--data", "my.csv", "--target", "color", "-o", "b.toml").stderr
    )
    assert not os.path.exists(tmp_path / "b.toml")


@pytest.mark.parametrize("source", ["digits", "synthetic", "california"])
def test_a_job_file_for_a_dataset_given_by_name(tmp_path, monkeypatch, source):
    california(tmp_path, pack=False)
    monkeypatch.setenv("HPCADMM_DATA", str(tmp_path))
    job = parse(drafted(source, None, None, "adam", []).text)
    assert (job.data.name, job.solver.name, job.data.validation) == (source, "adam", 0.1)
    assert job.data.standardise_targets == (source == "california"), "its targets are in dollars"
