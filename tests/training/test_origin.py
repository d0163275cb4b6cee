"""Fine-tuning: a run that begins with the weights of another one, its data scaled as in the first training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.after.trained import origin_of, read
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Job, parse
from hpcadmm.solvers import SOLVERS
from hpcadmm.training import loop
from hpcadmm.training.measure import weights_sha256
from hpcadmm.training.origin import Origin, begin, continued
from hpcadmm.training.progress import Progress
from hpcadmm.training.setup import set_up

ROOT = Path(__file__).resolve().parents[2]
WORLD = World.alone()
QUIET = Progress(False)
FIRST = """
name = "first"
[data]
name = "digits"
first = 100
[network]
hidden = [6]
[loss]
name = "squared"
[solver]
name = "adam"
[stop]
iterations = 3
"""
TABLE = """
name = "table"
[data]
name = "npz"
path = "{path}"
standardise = true
standardise_targets = true
split = 0.75
[network]
hidden = [4]
[loss]
name = "squared"
[solver]
name = "lbfgs"
[stop]
iterations = 3
"""


def job(*overrides: str, text: str = FIRST) -> Job:
    return parse(text, list(overrides))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Trained runs: on ten digits, on two of them with one output, linear on digits, and a regression."""
    place = tmp_path_factory.mktemp("origins")
    jobs = {
        "digits": job(),
        "pair": job("data.classes=[3, 8]", "loss.name=hinge"),
        "linear": job("network.hidden=[]"),
        "regression": job(text=TABLE.format(path=table(place / "old.npz", 1.0))),
    }
    for name, one in jobs.items():
        loop.train(one, place / name, WORLD, QUIET)
    return {name: place / name for name in jobs}


def table(path: Path, scale: float, classes: bool = False) -> Path:
    random = np.random.default_rng(7)
    x = random.standard_normal((80, 3)) * [1.0, 50.0, 0.1] * scale + 2.0
    y = np.arange(80) % 2 if classes else x @ [1.0, 2.0, 3.0]
    np.savez(path, X=x, y=y)
    return path


def csv(path: Path, names: list[str], classes: list[str]) -> Path:
    """A table with these of its columns, in this order; the target y has these classes."""
    random = np.random.default_rng(3)
    known = {
        "x": [f"{x:.3f}" for x in random.standard_normal(80)],
        "colour": [["red", "blue"][k % 2] for k in range(80)],
    }
    known |= {
        "age": [str(k % 50) if k % 7 else "?" for k in range(80)],
        "y": [classes[k % len(classes)] for k in range(80)],
    }
    lines = [names, *zip(*(known[name] for name in names), strict=True)]
    path.write_text("".join(",".join(line) + "\n" for line in lines))
    return path


def origin(run: Path) -> Origin:
    return origin_of(run, None, WORLD, pytest.fail)


def begun(one: Job, start: Origin) -> tuple[Any, Any]:
    """The setup of a run from this origin, and its first weights."""
    setup = set_up(continued(one, start), WORLD, start.given)
    state = begin(setup.job, setup, start)
    return setup, setup.job.solver.weights(state, WORLD)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_begins_with_the_weights(runs: dict[str, Path], solver: str) -> None:
    """Also in the other precision."""
    start = origin(runs["digits" if SOLVERS[solver].most_layers is None else "linear"])
    hidden = list(start.network.n[1:-1])
    for precision in ("float64", "float32"):
        _, W = begun(job(f"solver.name={solver}", f"network.hidden={hidden}", f"precision={precision}"), start)
        tolerance = 1e-12 if precision == "float64" else 1e-6  # workers form a mean
        for mine, given in zip(W[1:], start.weights[1:], strict=True):
            assert mine.dtype == precision
            np.testing.assert_allclose(mine, given, rtol=tolerance, atol=tolerance)


def test_classes_in_another_order_are_matched_by_name(runs: dict[str, Path]) -> None:
    start, order = origin(runs["digits"]), [9, 0, 8, 1, 7, 2, 6, 3, 5, 4]
    setup, W = begun(job(f"data.classes={order}"), start)
    assert np.array_equal(W[2], start.weights[2][order])
    assert "are matched by name" in setup.data.facts[-1]


def test_two_classes_in_the_other_order_turn_the_sign_of_one_output(runs: dict[str, Path]) -> None:
    start = origin(runs["pair"])
    assert start.network.n[-1] == 1
    assert np.array_equal(begun(job("data.classes=[8, 3]", "loss.name=hinge"), start)[1][2], -start.weights[2])


@pytest.mark.parametrize(
    ("run", "more", "words"),
    [
        ("digits", ["data.classes=[1, 2, 3]"], "3 outputs instead of 10: the last layer begins anew"),
        ("pair", ["data.classes=[3, 7]", "loss.name=hinge"], "other classes than 3, 8: the last layer begins anew"),
        ("pair", ["data.classes=[3, 8]", "loss.name=cross-entropy"], "2 outputs instead of 1: the last layer"),
    ],
)
def test_other_classes_get_a_new_last_layer(runs: dict[str, Path], run: str, more: list[str], words: str) -> None:
    start = origin(runs[run])
    setup, W = begun(job(*more), start)
    fresh = setup.problem.network.random_weights(setup.problem.seed, np.float64)
    assert np.array_equal(W[1], start.weights[1])
    assert np.array_equal(W[2], fresh[2])
    assert words in setup.data.facts[-1]


def test_the_data_are_scaled_as_in_the_first_training(runs: dict[str, Path], tmp_path: Path) -> None:
    """Also after a resume, which needs no --from: the same bits as without a break."""
    text = TABLE.format(path=table(tmp_path / "new.npz", 3.0)).replace("standardise = true", "scale = 'unit'")
    start = origin(runs["regression"])
    whole = loop.train(job("stop.iterations=6", text=text), tmp_path / "whole", WORLD, QUIET, start)
    loop.train(job(text=text), tmp_path / "run", WORLD, QUIET, start)
    again = loop.resume(tmp_path / "run", ["stop.iterations=6"], WORLD, QUIET)
    assert again["weights_sha256"] == whole["weights_sha256"]
    kept = read(tmp_path / "run", None, WORLD, pytest.fail).transform
    assert kept.record() == start.given.transform.record()
    assert (whole["scaling"], "standardise = true" in (tmp_path / "run" / "job.toml").read_text()) == ("standard", True)
    said = json.loads((tmp_path / "run" / "origin.json").read_text())
    assert (said["run"], said["iteration"]) == (str(runs["regression"]), 3)
    assert said["weights_sha256"] == weights_sha256(start.weights)
    assert "begins from" in (tmp_path / "run" / "log.txt").read_text()


def test_a_regression_becomes_a_classification_and_back(runs: dict[str, Path], tmp_path: Path) -> None:
    """The inputs stay scaled as they were; the targets get a scaling of their own."""
    start = origin(runs["regression"])
    path = table(tmp_path / "classes.npz", 3.0, classes=True)
    text = TABLE.format(path=path).replace("standardise_targets = true", "")
    loop.train(job(text=text), tmp_path / "classes", WORLD, QUIET, start)
    between = origin(tmp_path / "classes")
    assert (between.given.transform.targets, between.names) == (None, ["0", "1"])
    text = TABLE.format(path=table(tmp_path / "new.npz", 3.0))
    setup, W = begun(job(text=text), between)
    y = setup.data.train.labels
    assert (abs(y.mean()) < 1e-12, abs(y.std() - 1) < 1e-12) == (True, True)
    assert setup.data.transform.inputs.record() == start.given.transform.inputs.record()
    assert np.array_equal(W[1], between.weights[1])


def test_a_table_is_encoded_as_in_the_first_training(tmp_path: Path) -> None:
    """Columns in another order, further ones, other classes."""
    text = FIRST.replace('name = "digits"\nfirst = 100', 'name = "csv"\npath = "{path}"\ntarget = "y"\nshuffle = false')
    old = csv(tmp_path / "old.csv", ["x", "colour", "age", "y"], ["a", "b"])
    new = csv(tmp_path / "new.csv", ["y", "age", "colour", "x"], ["u", "v", "w"])
    loop.train(job(text=text.format(path=old)), tmp_path / "old", WORLD, QUIET)
    start = origin(tmp_path / "old")
    first = set_up(job(text=text.format(path=old)), WORLD)
    setup, _ = begun(job(text=text.format(path=new)), start)
    assert np.array_equal(setup.problem.x, first.problem.x)
    assert setup.data.names == ["u", "v", "w"]
    loop.train(job(text=text.format(path=new)), tmp_path / "new", WORLD, QUIET, start)
    again = loop.resume(tmp_path / "new", ["stop.iterations=4"], WORLD, QUIET)
    assert again["iterations"] == 4
    assert read(tmp_path / "new", None, WORLD, pytest.fail).columns.record()["target"]["labels"] == ["u", "v", "w"]
    with pytest.raises(UsageError, match="the target colour is a feature of the training"):
        begun(job("data.target=colour", text=text.format(path=new)), start)
    with pytest.raises(UsageError, match="the columns differ from those of the training; missing: age"):
        begun(job(text=text.format(path=csv(tmp_path / "less.csv", ["x", "colour", "y"], ["a", "b"]))), start)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["network.hidden=[7]"], r"its hidden layers are \[6\] relu with biases, those of the job \[7\] relu with"),
        (["network.hidden=[6, 6]"], r"those of the job \[6, 6\] relu"),
        (["network.activation=tanh"], r"those of the job \[6\] tanh with biases; use the \[network\] of that run"),
        (["network.bias=false"], r"those of the job \[6\] relu without biases"),
        (["data.downsample=2"], r"16 features, but the network was trained on 64"),
    ],
)
def test_another_network_is_refused(runs: dict[str, Path], tmp_path: Path, more: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        loop.train(job(*more), tmp_path / "run", WORLD, QUIET, origin(runs["digits"]))
    assert not (tmp_path / "run").exists()


def test_a_damaged_origin_is_told(runs: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    loop.train(job(), run, WORLD, QUIET, origin(runs["digits"]))
    (run / "origin.json").write_text("{}")
    with pytest.raises(UsageError, match=r"origin\.json is damaged"):
        loop.resume(run, ["stop.iterations=4"], WORLD, QUIET)


def test_two_ranks_make_the_run_of_one(hpcadmm: Any, runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(FIRST)
    done = hpcadmm("train", tmp_path / "job.toml", "--from", runs["digits"], "--out", tmp_path / "two", n=2).check()
    assert f"begins from {runs['digits']}, iteration 3" in done.stderr
    alone = loop.train(job(), tmp_path / "alone", WORLD, QUIET, origin(runs["digits"]))
    assert json.loads((tmp_path / "two" / "summary.json").read_text())["weights_sha256"] == alone["weights_sha256"]
