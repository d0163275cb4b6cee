"""An override that names another solver: the job file's keys of its own solver are left out, and that is said."""

import warnings

import pytest

from hpcadmm.errors import Note, UsageError
from hpcadmm.experiments.plan import repeated
from hpcadmm.job.job import parse
from hpcadmm.solvers import SOLVERS
from tests.helpers.made import TAYLOR, write

JOB = TAYLOR.format(name="a").replace('"taylor"', '"taylor"\ngamma = 5.0\nridge = 0.1')


def with_keys(solver, keys):
    return JOB.replace('"taylor"\ngamma = 5.0\nridge = 0.1', f'"{solver}"\n{keys}')


def test_the_keys_of_the_file_are_left_out_and_said():
    with pytest.warns(Note, match='solver.name = "adam": the job file\'s keys of taylor are left out: gamma, ridge'):
        job = parse(JOB, ["solver.name=adam", "solver.rate=0.01"])
    assert job.solver == SOLVERS["adam"](rate=0.01)


@pytest.mark.parametrize(
    ("file", "override", "kept"),
    [
        (with_keys("gadmm", "workers = 4\nrho = 2.0"), "qgadmm", {"workers": 4, "rho": 2.0}),
        (with_keys("adam", "batch = 64\ncut = 2"), "sgd", {"batch": 64, "cut": 2, "rate": 0.1}),
        (with_keys("lbfgs", "decay = 0.5"), "cg", {"decay": 0.5}),
        (JOB, "taylor", {"gamma": 5.0, "ridge": 0.1}),
    ],
)
def test_keys_that_a_family_shares_stay(file, override, kept):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solver = parse(file, [f"solver.name={override}"]).solver
    assert solver == SOLVERS[override](**kept)


def test_a_key_of_the_same_name_with_another_meaning_goes():
    """sgd's rate of 0.1 is none for adam, mpadmm's batch none for either."""
    with pytest.warns(Note, match="of sgd are left out: rate"):
        assert parse(with_keys("sgd", "rate = 0.5"), ["solver.name=adam"]).solver == SOLVERS["adam"]()
    with pytest.warns(Note, match="of mpadmm are left out: batch"):
        assert parse(with_keys("mpadmm", "batch = 50"), ["solver.name=adam"]).solver == SOLVERS["adam"]()


def test_what_an_override_sets_is_never_left_out():
    with pytest.warns(Note), pytest.raises(UsageError, match=r"solver\.nu: unknown key"):
        parse(JOB, ["solver.nu=1", "solver.name=adam"])


def test_one_job_file_is_compared_with_several_solvers(tmp_path):
    path = write(tmp_path, JOB.replace('name = "a"', 'name = "{name}"'))
    with pytest.warns(Note):
        plan = repeated([path], [], 2, ["taylor", "adam", "unwrapped"])
    assert [one.name for one in plan] == ["taylor-0", "adam-0", "unwrapped-0", "taylor-1", "adam-1", "unwrapped-1"]
    solvers = [one.job.solver for one in plan[:3]]
    assert solvers == [SOLVERS["taylor"](gamma=5.0, ridge=0.1), SOLVERS["adam"](), SOLVERS["unwrapped"]()]
    assert [bool(one.fault) for one in plan] == [False, False, True] * 2
    assert "trains at most 1 layers" in plan[2].fault
    both = repeated([path, f"{path}:name=b"], [], 1, ["taylor"])
    assert [one.label for one in both] == ["small-taylor", "b-taylor"]
