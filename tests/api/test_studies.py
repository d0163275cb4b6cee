"""compare and tune from Python: the tables of the commands as rows. The runs are made in this process."""

import pytest

import hpcadmm
from hpcadmm.comm.world import World
from hpcadmm.experiments import runner
from hpcadmm.training import loop
from hpcadmm.training.progress import Progress
from tests.helpers.made import write


@pytest.fixture(autouse=True)
def runs(monkeypatch):
    """The names of the runs that were made."""
    made = []

    def run_all(folder, plan, launcher, say):
        for one in plan:
            if not folder.run(one.name).exists():
                made.append((one.name, launcher.ranks))
                loop.train(one.job, folder.run(one.name), World.alone(), Progress(False))

    monkeypatch.setattr(runner, "run_all", run_all)
    return made


def test_compare_returns_a_row_for_each_job(tmp_path, runs, capsys):
    path = write(tmp_path)
    other = hpcadmm.Job.read(path, name="other", solver={"gamma": 1.0})
    jobs = [f"{path}:solver.gamma=3", other, {**other.resolved(), "name": "third"}]
    found = hpcadmm.compare(jobs, tmp_path / "out", targets=[0.1], ranks=2)
    assert [row["job"] for row in found.rows] == ["small", "other", "third"]
    assert found.rows[0]["solver"] == "taylor"
    assert all(row["finished"] == 1 and row["best_median"] > 0.1 and row["final_min"] > 0 for row in found.rows)
    assert found.rows[1]["best_median"] == found.rows[2]["best_median"]
    assert (found.folder, found.best) == (tmp_path / "out", None)
    assert runs == [(f"{name}-0", 2) for name in ("small", "other", "third")]
    assert capsys.readouterr().out == ""


def test_tune_returns_the_trials_and_the_best_job(tmp_path, runs, capsys):
    vary = {"solver.gamma": "log:1:20", "network.hidden": [[5], [9, 4]]}
    found = hpcadmm.tune(TAYLOR_JOB, vary, 3, tmp_path / "out", quiet=False)
    assert len(found.rows) == len(runs) == 3
    assert "trial-000" in capsys.readouterr().out
    best = max(found.rows, key=lambda row: row["score"])
    assert best["score"] > 0.1
    assert found.best.data.validation is None
    assert found.best.solver.gamma == best["solver.gamma"]


TAYLOR_JOB = {
    "data": {"name": "digits", "first": 300, "first_test": 100},
    "network": {"hidden": [12]},
    "loss": {"name": "hinge"},
    "solver": {"name": "taylor"},
    "stop": {"iterations": 6},
}


def test_what_is_refused(tmp_path):
    arrays = hpcadmm.Job.read({"loss": {"name": "hinge"}, "solver": {"name": "taylor"}})
    for call, said in (
        (lambda: hpcadmm.compare([arrays], tmp_path / "a"), "the data were in memory"),
        (lambda: hpcadmm.compare(arrays, tmp_path / "a"), "takes a list of jobs"),
        (lambda: hpcadmm.compare([TAYLOR_JOB, TAYLOR_JOB], tmp_path / "a"), "have the same name"),
        (lambda: hpcadmm.tune(TAYLOR_JOB, {"solver.nothing": [1, 2]}, 3, tmp_path / "a"), "solver.nothing: unknown"),
        (lambda: hpcadmm.tune(TAYLOR_JOB, {"solver.gamma": "log:1"}, 3, tmp_path / "a"), "log takes two numbers"),
    ):
        with pytest.raises(hpcadmm.UsageError, match=said):
            call()
