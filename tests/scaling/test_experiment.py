"""Experiment files: what they mean, and what is refused."""

from dataclasses import asdict
from pathlib import Path

import pytest

from hpcadmm.errors import UsageError
from hpcadmm.scaling.experiment import Point, planned, points, read
from hpcadmm.scaling.run import Options, prepared, run, wanted
from tests.helpers.studies import JOB, PDADMM, SYNTHETIC, experiment

FILES = sorted((Path(__file__).resolve().parents[2] / "jobs/scaling").glob("*.toml"))


def jobs(path: Path):
    return {one.name: one.job for one in planned(read(path), path)}


def test_points_by_value_ranks_grids_and_threads(tmp_path):
    keys = {"ranks": [1, 2, 4], "threads": [1, 2], "grids": [[1, 2], [2, 1], [2, 2]]}
    one = read(experiment(tmp_path, source=PDADMM, **keys))
    names = ["1", "1-t2", "2-g1x2", "2-t2-g1x2", "2-g2x1", "2-t2-g2x1", "4-g2x2", "4-t2-g2x2"]
    assert [point.name for point in points(one)] == names
    assert [point.cores for point in points(one)] == [1, 2, 2, 4, 2, 4, 4, 8]
    assert [Point.of(asdict(point)) for point in points(one)] == points(one)


def test_a_point_is_the_job_with_its_changes(tmp_path):
    found = jobs(experiment(tmp_path, source=PDADMM, threads=[1, 3], grids=[[2, 1]], set=["seed=7", "solver.rho=2.0"]))
    assert found["2-t3-g2x1"].solver.grid == [2, 1]
    assert found["1"].solver.grid is None
    assert {name: job.head.threads for name, job in found.items()} == {"1": 1, "1-t3": 3, "2-g2x1": 1, "2-t3-g2x1": 3}
    assert {(job.head.seed, job.solver.rho) for job in found.values()} == {(7, 2.0)}


def test_weak_studies_grow_synthetic_and_real_data(tmp_path):
    keys = {"kind": "weak", "samples_per_rank": 100, "ranks": [1, 3]}
    assert [job.data.samples for job in jobs(experiment(tmp_path, source=SYNTHETIC, **keys)).values()] == [100, 300]
    assert [job.data.first for job in jobs(experiment(tmp_path, source=JOB, **keys)).values()] == [100, 300]


def test_layers_and_neurons(tmp_path):
    keys = {"ranks": [1], "values": [2, 4]}
    deep = jobs(experiment(tmp_path, kind="layers", width=30, **keys))
    assert [job.layers.hidden for job in deep.values()] == [[30], [30, 30, 30]]
    wide = jobs(experiment(tmp_path, kind="neurons", depth=3, **keys))
    assert [job.layers.hidden for job in wide.values()] == [[2, 2], [4, 4]]


def test_the_target_is_a_stop_rule(tmp_path):
    keys = {"kind": "accuracy", "target": 0.5, "iterations": None}
    assert [job.stop.accuracy for job in jobs(experiment(tmp_path, **keys)).values()] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"repeat": 5}, "repeat: unknown key; did you mean repeats? an experiment takes"),
        ({"repeats": 4}, "repeats = 4: must be greater than or equal to 5"),
        ({"ranks": []}, "ranks = []"),
        ({"ranks": [2, 1]}, "ranks = [2, 1]: write increasing"),
        ({"ranks": [0, 1]}, "ranks = [0, 1]"),
        ({"kind": "weird"}, "kind = "),
        ({"kind": "weak"}, "samples_per_rank is missing"),
        ({"samples_per_rank": 5}, "samples_per_rank: only for kind"),
        ({"kind": "layers", "values": [2]}, "width is missing"),
        ({"kind": "neurons", "values": [2]}, "depth is missing"),
        ({"kind": "accuracy", "target": 0.9}, "iterations: not for kind"),
        ({"kind": "accuracy", "iterations": None}, "target is missing"),
        ({"target": 0.9}, "target: only for kind"),
        ({"grids": [[3, 1]]}, "[3, 1] is for 3 ranks"),
        ({"grids": [[2]]}, "grids = [[2]]"),
        ({"grids": [[1, 2]]}, "solver.grid"),
        ({"job": None}, "job is missing"),
        ({"job": "nosuch.toml"}, "nosuch.toml"),
        ({"job": 5}, "job = 5: must be text"),
        ({"set": ["solver.gamma=-1"]}, "solver.gamma = -1"),
        ({"set": ["solver.name=adam", "solver.batch=64", "solver.cut=1"]}, "2 ranks: a batch of 64 has 1 parts"),
        ({"name": "a/b"}, 'name = "a/b": must be usable as a file name, for example "a-b"'),
        ({"text": "[[["}, "is not TOML"),
        ({"ranks": [1, 9999]}, "9999 ranks x 1 threads on"),
        ({"threads": [1, 9999]}, "oversubscribe = true"),
    ],
)
def test_what_will_not_do_is_said_in_one_message(tmp_path, keys, says):
    path = experiment(tmp_path, **keys)
    with pytest.raises(UsageError) as caught:
        run(path, Options(tmp_path / "out"), print)
    assert says in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="cannot read the experiment file"):
        run(tmp_path / "nosuch.toml", Options(), print)


def test_some_rank_counts_only(tmp_path):
    one, plan = prepared(experiment(tmp_path, ranks=[1, 2, 4]))
    assert [point.ranks for point, _ in wanted(one, plan, [4, 1])] == [1, 4]
    with pytest.raises(UsageError, match="--only-ranks 3"):
        wanted(one, plan, [3])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_committed_experiments(path):
    one, plan = prepared(path)
    assert one.name == path.stem
    assert path.read_text().startswith("# ")
    assert one.ranks[0] == (2 if path.stem == "network" else 1)  # a network has two ends
    assert len(plan) == len(points(one))
