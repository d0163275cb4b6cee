"""The order of samples, what is skipped, what a signal leaves, and what is refused; nothing is started."""

import json
import os
import signal

import pytest

from hpcadmm.errors import Interrupted, UsageError
from hpcadmm.scaling.experiment import Point, read
from hpcadmm.scaling.folder import Sample, claim
from hpcadmm.scaling.run import ended, prepared, refuse_crowded, take_all, wanted
from hpcadmm.scaling.sampling import allocated, cores, started
from hpcadmm.scaling.verdict import judged
from tests.helpers.studies import PDADMM, SESSION, experiment, fill, put, report, study


@pytest.fixture
def path(tmp_path):
    return experiment(tmp_path)


class Fake:
    """Takes samples out of the air, and remembers which; `at`: the number of the one that a signal comes in."""

    def __init__(self, folder, at=None, fails=()):
        self.folder, self.at, self.fails, self.taken = folder, at, fails, []

    def __call__(self, one, point, repeat, relay):
        assert one.name == point.name
        self.taken.append((point.name, repeat))
        if len(self.taken) == self.at:
            os.kill(os.getpid(), signal.SIGTERM)
            return None
        if (point.name, repeat) in self.fails:
            return None
        sample = Sample(point, repeat, 8, report([1.0 / point.ranks], point), SESSION)
        put(self.folder, sample)
        return sample


def taken(path, out="out", **options):
    """What one call takes, its exit code, and the folder."""
    one, plan = prepared(path)
    with claim(path.parent / out, one, plan, one.ranks) as folder:
        fake = Fake(folder, **options)
        failures = take_all(folder, one, wanted(one, plan, ()), fake, lambda line: None)
    return fake.taken, ended(folder, failures, lambda line: None), folder


def test_every_repeat_goes_through_all_points_there_and_back(tmp_path):
    order, code, folder = taken(experiment(tmp_path, ranks=[1, 2, 3]))
    assert order[:7] == [("1", 0), ("2", 0), ("3", 0), ("3", 1), ("2", 1), ("1", 1), ("1", 2)]
    assert (len(order), code) == (15, 0)
    assert [[s.repeat for s in samples] for samples in folder.kept().values()] == [[1, 2, 3, 4]] * 3


def test_what_is_there_is_not_taken_again(path):
    taken(path)
    assert taken(path)[0] == []
    (path.parent / "out/samples/2_3.json").unlink()
    (path.parent / "out/samples/1_1.json").write_text('{"point": 5')
    assert taken(path)[0] == [("1", 1), ("2", 3)]


def test_more_repeats_and_more_ranks_are_added(tmp_path):
    taken(experiment(tmp_path))
    assert taken(experiment(tmp_path, repeats=6))[0] == [("2", 5), ("1", 5)]
    assert taken(experiment(tmp_path, ranks=[1, 2, 4]))[0] == [("4", k) for k in range(5)]


def test_after_a_signal_the_same_command_goes_on(path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="SIGTERM: the same command continues"):
        taken(path, at=4)
    assert signal.getsignal(signal.SIGTERM) is before
    order, code, _ = taken(path)
    assert order[0] == ("1", 1)
    assert (len(order), code) == (7, 0)


def test_a_sample_that_fails_is_tried_again_next_time(path):
    order, code, _ = taken(path, fails=[("2", 3)])
    assert (len(order), code) == (10, 1)
    assert taken(path)[:2] == ([("2", 3)], 0)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"iterations": 4}, "iterations is 3 there and 4 here"),
        ({"name": "other"}, "name is study there and other here"),
        ({"set": ["solver.gamma=2.0"]}, "solver.gamma is"),
        ({"kind": "weak", "samples_per_rank": 100}, "study is strong there and weak here"),
    ],
)
def test_another_experiment_in_the_folder_is_refused(tmp_path, keys, says):
    taken(experiment(tmp_path))
    with pytest.raises(UsageError, match=says):
        taken(experiment(tmp_path, **keys))


def test_a_folder_of_other_things_is_refused(path):
    (path.parent / "out").mkdir()
    (path.parent / "out/thesis.tex").write_text("")
    with pytest.raises(UsageError, match=r"holds thesis\.tex"):
        taken(path)


def test_two_at_work_on_one_rank_count_and_on_two(path):
    one, plan = prepared(path)
    with claim(path.parent / "out", one, plan, [1]):
        with pytest.raises(UsageError, match="in use by process"), claim(path.parent / "out", one, plan, [1, 2]):
            pass
        with claim(path.parent / "out", one, plan, [2]):
            pass
    with claim(path.parent / "out", one, plan, [1, 2]):
        pass


def test_more_ranks_than_cores(tmp_path, monkeypatch):
    one = read(experiment(tmp_path, threads=[1, 2]))
    points = [Point(2, 2)]
    refuse_crowded(one, points, 4)
    with pytest.raises(UsageError, match="2 ranks x 2 threads on 3 cores"):
        refuse_crowded(one, points, 3)
    refuse_crowded(read(experiment(tmp_path, oversubscribe=True)), points, 3)
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "2(x3),1")
    assert cores() == 7
    assert allocated("128") == 128


def test_srun_is_told_of_threads(tmp_path, monkeypatch):
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    words = started(Point(4, 3), "srun --mpi=pmi2").command("bench")
    assert words[:5] == ["srun", "--mpi=pmi2", "--cpus-per-task=3", "-n", "4"]
    assert "--cpus-per-task=1" not in started(Point(4), "srun").command("bench")


# Does the answer depend on the ranks?


def judged_with(tmp_path, sha, objective, **keys):
    folder = study(experiment(tmp_path, **keys), lambda point, repeat: [1.0])
    for point in folder.kept():
        for repeat in range(5):
            found = report([1.0], point, sha(point, repeat), objective=objective(point, repeat))
            put(folder, Sample(point, repeat, 2, found, SESSION))
    return judged(folder)


def test_one_answer(tmp_path):
    verdict = judged_with(tmp_path, lambda p, k: "same", lambda p, k: 1.0)
    assert verdict.lines() == ["results: the same weights, bit for bit, at every number of ranks"]


def test_last_bits(tmp_path):
    verdict = judged_with(tmp_path, lambda p, k: p.name, lambda p, k: 1.0 + 1e-5 * p.ranks)
    assert not verdict.void
    assert verdict.lines() == [
        "results: points 1, 2: the weights differ, 1 | 2; the objectives agree to 1e-05 of their size"
    ]


@pytest.mark.parametrize("repeat", [0, 3])
def test_an_answer_that_changes_in_any_repeat_makes_it_void(tmp_path, repeat):
    def odd(point, k):
        return (point.ranks, k) == (2, repeat)

    verdict = judged_with(tmp_path, lambda p, k: "b" if odd(p, k) else "a", lambda p, k: 1.1 if odd(p, k) else 1.0)
    assert verdict.void
    assert "1, 2 | 2; the objectives too, by 0.091 of their size: the answer changes" in verdict.lines()[0]


def test_an_iterate_that_is_not_finite(tmp_path):
    verdict = judged_with(tmp_path, lambda p, k: "a", lambda p, k: None if p.ranks == 2 else 1.0)
    assert verdict.lines() == ["VOID: 2: the iterate is not finite"]


def test_weak_studies_are_compared_over_repeats_only(tmp_path):
    keys = {"kind": "weak", "samples_per_rank": 100}
    assert not judged_with(tmp_path, lambda p, k: p.name, lambda p, k: 1.0 * p.ranks, **keys).void
    assert judged_with(tmp_path, lambda p, k: str(k), lambda p, k: 1.0 + k, **keys).void


def test_grids_are_the_same_problem_and_threads_and_layers_are_others(tmp_path):
    keys = {"source": PDADMM, "grids": [[1, 2], [2, 1]]}
    assert judged_with(tmp_path, lambda p, k: p.name, lambda p, k: float(p.grid == (2, 1)) + 1, **keys).void
    other = tmp_path / "other"
    other.mkdir()
    keys = {"kind": "layers", "values": [2, 3], "width": 5, "threads": [1, 2]}
    assert not judged_with(other, lambda p, k: f"{p.value}{p.threads}", lambda p, k: p.value + p.threads, **keys).void


def test_exit_codes_of_a_void_study(tmp_path):
    folder = study(experiment(tmp_path), lambda point, repeat: [1.0])
    assert ended(folder, 0, print) == 0
    fill(folder, lambda point, repeat: [1.0], repeats=1, sha="other", objective=99.0)
    said = []
    assert ended(folder, 0, said.append) == 1
    assert said[0].startswith("VOID: ")
    assert json.loads((folder.path / "experiment.json").read_text())["name"] == "study"
