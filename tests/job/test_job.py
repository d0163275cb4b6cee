"""Job files: what is said arrives, what is not has its default, and the resolved job is a job file again."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
from hypothesis import assume, given
from hypothesis import strategies as st

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.scaling import planned
from hpcadmm.job.job import Evaluate, Save, Stop, parse, read
from hpcadmm.model.activations import ACTIVATIONS, LeakyRelu
from hpcadmm.model.losses import LOSSES
from hpcadmm.solvers import SOLVERS, Taylor
from tests.helpers.made import LEAST

FILES = (Path(__file__).parents[2] / "jobs").rglob("*.toml")
JOBS = sorted(path for path in FILES if path.parent.name != "scaling")  # those are experiments


def test_the_least_job_has_the_defaults():
    job = parse(LEAST)
    assert (job.head.name, job.head.seed, job.head.precision, job.head.threads) == ("job", 0, "float64", 1)
    assert (job.layers.hidden, job.layers.activation, job.layers.bias) == ([], "relu", True)
    assert job.solver == Taylor()
    assert (job.stop, job.save, job.evaluate) == (Stop(), Save(), Evaluate())


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_the_jobs_that_come_along_are_good(path):
    job = read(path, [], World.alone())
    assert set(job.head.name.split("-")) & set(path.stem.split("-"))
    assert parse(job.to_toml()) == replace(job, data=planned(job.data))


def test_the_name_is_that_of_the_file_unless_it_has_one(tmp_path):
    for text, name in ((LEAST, "my-job"), ('name = "other"\n' + LEAST, "other")):
        (tmp_path / "my-job.toml").write_text(text)
        assert read(tmp_path / "my-job.toml", [], World.alone()).head.name == name


def test_all_keys_arrive():
    text = """
        name = "n"
        seed = 7
        precision = "float32"
        threads = 2
        [data]
        name = "synthetic"
        first = 90
        classes = [0, 1]
        split = 0.5
        [network]
        hidden = [3, 4]
        activation = "leaky-relu"
        slope = 0.2
        bias = false
        [loss]
        name = "squared"
        [solver]
        name = "taylor"
        beta = [1, 2.5, 3]
        gamma = 4
        warm = 5
        init = "gaussian"
        [stop]
        iterations = 6
        minutes = 0.5
        accuracy = 1.0
        [save]
        every = 3
        state = "weights"
        [evaluate]
        every = 0
    """
    job = parse(text)
    assert (job.head.name, job.head.seed, job.head.precision, job.head.threads) == ("n", 7, "float32", 2)
    assert (job.data.name, job.data.first, job.data.classes, job.data.split) == ("synthetic", 90, [0, 1], 0.5)
    assert (job.layers.hidden, job.layers.bias, job.activation) == ([3, 4], False, LeakyRelu(0.2))
    assert job.solver == Taylor(beta=[1.0, 2.5, 3.0], gamma=4.0, warm=5, init="gaussian")
    assert (job.stop.iterations, job.stop.minutes, job.stop.accuracy) == (6, 0.5, 1.0)
    assert (job.save.every, job.save.state, job.evaluate.every) == (3, "weights", 0)
    resolved = job.resolved()
    network = {"hidden": [3, 4], "activation": "leaky-relu", "bias": False, "slope": 0.2}
    unused = {"dropout": 0.0, "dropout_inputs": 0.0, "noise": "bernoulli", "noise_inputs": 0.0, "noise_units": 0.0}
    assert resolved["network"] == network | unused | {"norm": "none"}
    assert resolved["solver"]["beta"] == [1.0, 2.5, 3.0]
    assert "tolerance" not in resolved["stop"]


positive = st.floats(1e-300, 1e300)
optional = {
    "iterations": st.integers(1, 10**9),
    "minutes": positive,
    "tolerance": positive,
    "patience": st.integers(1, 9),
}
texts = st.text(st.characters(codec="utf-8"), min_size=1)


@given(
    name=texts,
    data=st.sampled_from(list(DATASETS)),
    loss=st.sampled_from(list(LOSSES)),
    activation=st.sampled_from(list(ACTIVATIONS)),
    solver=st.sampled_from(list(SOLVERS)),
    hidden=st.lists(st.integers(1, 10**6), max_size=4),
    path=texts,
    seed=st.integers(0, 2**63 - 1),
    precision=st.sampled_from(["float32", "float64"]),
    stop=st.fixed_dictionaries({}, optional=optional),
)
def test_a_resolved_job_is_a_job_file_of_the_same_job(**given):
    solver = SOLVERS[given["solver"]]
    assume(solver.losses is None or given["loss"] in solver.losses)
    given["hidden"] = given["hidden"][: solver.most_layers and solver.most_layers - 1]
    tables = {
        **{key: given[key] for key in ("name", "seed", "precision")},
        "data": {"name": given["data"]},
        "network": {"hidden": given["hidden"], "activation": given["activation"]},
        "loss": {"name": given["loss"]},
        "solver": {"name": given["solver"]},
        "stop": given["stop"],
    }
    job = parse(tomli_w.dumps(tables))
    chosen = replace(job, data=planned(job.data))  # what "auto" means for this dataset is written out
    assert parse(job.to_toml(), default_name="another") == chosen
    assert parse(job.to_toml()).to_toml() == job.to_toml()
    assert tomllib.loads(job.to_toml()) == job.resolved()
    for table, keys in tables.items():
        resolved = job.resolved()[table]
        assert keys.items() <= resolved.items() if isinstance(keys, dict) else resolved == keys


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("stop.iterations=50", 50),
        ("stop.iterations = 50", 50),
        ("stop.accuracy=0.5 # half", 0.5),
        ('save.state="weights"', "weights"),
        ("save.state=weights", "weights"),
        ("network.hidden=[3, 4]", [3, 4]),
        ("network.hidden=[]", []),
        ("network.bias=false", False),
        ("data.path=/some/where else", "/some/where else"),
        ("data.path=a=b", "a=b"),
        ("solver.gamma=1e-3", 1e-3),
    ],
)
def test_overrides(override, value):
    table, key = (part.strip() for part in override.partition("=")[0].split("."))
    job = parse(LEAST, [override])
    assert job.resolved()[table][key] == value


def test_overrides_of_keys_outside_tables_and_the_last_one_counts():
    job = parse(LEAST, ["seed=1", "name=x", "seed=2", "precision=float32"])
    assert (job.head.seed, job.head.name, job.head.precision) == (2, "x", "float32")


def test_an_override_may_bring_a_table():
    job = parse("", ["data.name=synthetic", "loss.name=squared", "solver.name=taylor"])
    assert job.data.name == "synthetic"


PROGRAM = """
import sys
from pathlib import Path
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import read
world = World()
path = Path("job.toml") if world.first else Path("nowhere/job.toml")
job = read(path, ["seed=4"], world)
try:
    read(path, ["seed=x"], world)
    fault = None
except UsageError as error:
    fault = str(error)
said = world.gather([job.to_toml(), fault])
assert all(other == said[0] for other in said)
if world.first:
    print(said[0][1])
"""


def test_the_first_rank_reads_for_all(mpirun, tmp_path):
    (tmp_path / "job.toml").write_text(LEAST)
    assert 'seed = "x": must be a whole number' in mpirun(3, PROGRAM).check().stdout
