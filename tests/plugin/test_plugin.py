"""An example package is built, installed and found by its entry points; a broken one is named once and skipped."""

import shutil
import subprocess
import sys
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.errors import Note, UsageError
from hpcadmm.job.job import parse
from hpcadmm.job.keys import keys
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.products import ENGINES, PRECISIONS, engine_of
from hpcadmm.registry import Registry
from hpcadmm.solvers import SOLVERS
from hpcadmm.testing import SolverTests
from hpcadmm.training.loop import resume, train
from hpcadmm.training.progress import Progress
from hpcadmm.trials.tune import Options, planned
from hpcadmm.trials.vary import varied
from tests.examples.block_descent import BlockDescent

HERE = Path(__file__).parent
JOB = """
name = "mine"
[data]
name = "rings"
[network]
hidden = [8]
activation = "gentle-relu"
[loss]
name = "softened"
[solver]
name = "signum"
rate = 0.02
batch = 32
[stop]
iterations = 6
"""
BASE = "hpcadmm.solvers.base:Solver"
ENGINE = '''
from dataclasses import dataclass
import numpy as np
from hpcadmm.products.plain import Arrays, Plain

@dataclass(frozen=True)
class Wide(Plain):
    """float32 arrays, whose products W a are formed in float64."""
    name, arrays = "wide", np.float32
    def operands(self):
        return Arrays("float32")
    def apply(self, W, a, out=None):
        out = np.empty((len(W), a.shape[1]), np.float32, order="F") if out is None else out
        out[...] = np.matmul(W.astype(float), a.astype(float))
        return out
'''


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The folder into which pip has installed the example."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name in ("pyproject.toml", "hpcadmm_example.py"):
        shutil.copy(HERE / name, source)
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, source], check=True)
    return target


@pytest.fixture
def found(monkeypatch):
    """found(folder): the registries of a process whose path has this folder, too."""

    def prepend(folder):
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder))
        for registry in (SOLVERS, LOSSES, ACTIVATIONS, DATASETS, ENGINES):
            monkeypatch.setattr(registry, "_classes", registry._classes.copy())
            monkeypatch.setattr(registry, "_searched", False)

    return prepend


@pytest.fixture
def plugged(installed, found):
    found(installed)


def package(folder, name, text, *points):
    """A package as an installer leaves it. points: (group, name, object)."""
    (folder / f"{name}.py").write_text(text)
    facts = folder / f"{name}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{group}]\n{point} = {name}:{thing}\n" for group, point, thing in points]
    (facts / "entry_points.txt").write_text("".join(lines))


class TestSignum(SolverTests):
    """What is asked of every solver of the package."""

    @pytest.fixture(autouse=True)
    def _found(self, plugged):
        type(self).solver = SOLVERS["signum"](cut=6)


@pytest.mark.usefixtures("plugged")
def test_every_kind_of_class_is_found_and_described(inside):
    for kind, registry, name in (
        ("solvers", SOLVERS, "signum"),
        ("losses", LOSSES, "softened"),
        ("activations", ACTIVATIONS, "gentle-relu"),
        ("datasets", DATASETS, "rings"),
    ):
        assert list(registry)[-1] == registry[name].name == name
        assert [key.name for key in keys(registry[name])] == [field.name for field in fields(registry[name])]
        assert name in inside(kind).check().stdout
        said = inside(kind, name).check().stdout
        assert all(key.name in said and key.meaning for key in keys(registry[name]))


@pytest.mark.mpi
@pytest.mark.usefixtures("plugged")
@pytest.mark.filterwarnings("ignore::hpcadmm.errors.Note")
def test_it_is_compared_in_processes_of_their_own_and_tuned(inside, tmp_path):
    (tmp_path / "mine.toml").write_text(JOB)
    done = inside("compare", "mine.toml", "--solvers", "signum,unwrapped", "--out", "duel")
    assert done.returncode == 1, "unwrapped does not fit"
    assert "| signum" in done.stdout
    assert "unfit" in done.stdout
    assert "trains at most 1 layers" in (tmp_path / "duel/summary.md").read_text()
    vary = varied(["solver.momentum=choice:0.5,0.7", "solver.name=choice:signum,adam"])
    trials = planned(tmp_path / "mine.toml", JOB, [], vary, parse(JOB), Options(budget=4))
    assert {one.job.solver.name for one in trials if not one.fault} == {"signum"}
    assert {one.values["solver.momentum"] for one in trials} >= {0.9, 0.5, 0.7}, "adam has no momentum: an unfit trial"


@pytest.mark.parametrize(
    ("text", "thing", "said"),
    [
        ("import nowhere", "Mine", "ModuleNotFoundError: No module named 'nowhere'"),
        ("1 / 0", "Mine", "ZeroDivisionError"),
        ("", "Mine", "AttributeError"),
        ("Mine = {}", "Mine", "it must be a dataclass that derives from Solver: it has no "),
        ("from hpcadmm.solvers.gradients.adam import Adam", "Adam", "solver.name = 'adam' exists already"),
    ],
)
def test_a_broken_plug_in_is_named_once_and_skipped(tmp_path, monkeypatch, text, thing, said):
    package(tmp_path, f"broken{abs(hash(text))}", text, ("some.group", "mine", thing))
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(
        "solver.name", later={"adam": "hpcadmm.solvers.gradients.adam:Adam"}, group="some.group", base=BASE
    )
    assert "adam" in registry
    with pytest.warns(Note, match="the plug-in mine of broken.* is skipped") as noted:
        assert "mine" not in registry
    assert said in str(noted[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(registry) == ["adam"]
        with pytest.raises(UsageError, match=r"solver.name = 'adan': did you mean adam\? known are adam"):
            registry["adan"]


def test_ranks_name_a_broken_plug_in_once(hpcadmm, tmp_path):
    package(tmp_path, "broken", "import nowhere", ("hpcadmm.losses", "mine", "Mine"))
    (tmp_path / "a.toml").write_text(JOB.replace("softened", "mine"))
    done = hpcadmm("train", "a.toml", n=2, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.count("Warning: the plug-in mine of broken 1.0 is skipped (hpcadmm.losses: broken:Mine)") == 1
    assert done.stderr.count("loss.name = 'mine': ") == 1


def test_an_engine_of_products_is_a_precision(found, tmp_path):
    package(tmp_path, "wide", ENGINE, ("hpcadmm.engines", "wide", "Wide"))
    found(tmp_path)
    assert PRECISIONS["wide"] is np.float32
    W, a = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    assert (engine_of("wide").apply(W, a) == 3).all()
    job = parse(
        'precision = "wide"\ndata = { name = "digits", first = 200 }\nnetwork = { hidden = [5] }\n'
        'loss = { name = "hinge" }\nsolver = { name = "taylor" }\nstop = { iterations = 2 }'
    )
    world, quiet = World.alone(), Progress(False)
    whole = train(job, tmp_path / "run", world, quiet)
    longer = resume(tmp_path / "run", ["stop.iterations=3"], world, quiet)
    assert longer["iterations"] == whole["iterations"] + 1


class Uneven(BlockDescent):
    """Depends on the number of ranks."""

    def step(self, s, p, world):
        super().step(s, p, world)
        s.W[1][0, 0] += world.size * 1e-9


class Forgetful(BlockDescent):
    """Keeps a number that no checkpoint saves."""

    def step(self, s, p, world):
        super().step(s, p, world)
        s.steps = getattr(s, "steps", 0) + 1
        s.W[1][0, 0] += s.steps * 1e-9


@pytest.mark.parametrize(
    ("solver", "test"),
    [
        (Uneven(), SolverTests.test_ranks_agree_in_every_bit),
        (Forgetful(), SolverTests.test_it_resumes_bit_for_bit),
        (BlockDescent(), SolverTests.test_it_is_registered_under_its_name),
    ],
)
def test_the_suite_tells_what_is_wrong(solver, test):
    suite = SolverTests()
    suite.solver = solver
    with pytest.raises((AssertionError, UsageError)):
        test(suite)
