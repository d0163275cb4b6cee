"""Small runs, made by the real command line, for the tests of what one does with a run."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from hpcadmm.after.trained import Trained, read
from hpcadmm.comm.world import World

DIGITS = """
name = "digits"
{head}
[data]
name = "digits"
{data}
[network]
hidden = {hidden}
activation = "{activation}"
bias = {bias}
[loss]
name = "{loss}"
[solver]
name = "taylor"
[stop]
iterations = {iterations}
[save]
every = 3
keep = 9
[evaluate]
every = 2
{evaluate}
"""
PLAIN = {
    "head": "",
    "data": "",
    "evaluate": "",
    "hidden": [20],
    "activation": "relu",
    "bias": "true",
    "loss": "hinge",
    "iterations": 6,
}
JOBS = {
    "digits": {},
    "leaky": {
        "activation": "leaky-relu",
        "loss": "cross-entropy",
        "head": 'precision = "float32"',
        "hidden": [12, 9],
        "evaluate": 'metrics = ["roc_auc", "train_log_loss", "macro_f1", "train_balanced_accuracy"]',
    },
    "one output": {"data": "positive = [3, 5]\ndownsample = 2", "hidden": [7]},
    "linear": {"hidden": [], "loss": "squared", "bias": "false", "data": "classes = [7, 1, 3]\nstandardise = true"},
}
REGRESSION = """
name = "regression"
[data]
name = "npz"
path = "{path}"
standardise = true
standardise_targets = true
[network]
hidden = [6]
[loss]
name = "squared"
[solver]
name = "taylor"
[stop]
iterations = 12
[evaluate]
metrics = ["rmse", "mae", "train_r2"]
"""


TABLE = """
name = "table"
[data]
name = "csv"
path = "{path}"
standardise = true
[loss]
name = "cross-entropy"
[solver]
name = "lbfgs"
[stop]
iterations = 5
"""


def named(place: Path, columns: str) -> Path:
    """A csv file with these of the columns a, b, c, d, label, in this order, under their names."""
    x = np.random.default_rng(5).standard_normal((90, 4)) * [1.0, 2.0, 3.0, 4.0]
    known = dict(zip("abcd", x.T, strict=True)) | {"label": np.arange(90) % 3}
    known["a"] += known["label"]
    table = np.column_stack([known[name] for name in columns.split(",")])
    path = place / f"{columns.replace(',', '')}.csv"
    np.savetxt(path, table, "%.17g", ",", header=columns, comments="")
    return path


def command(*arguments: object, cwd: Path) -> None:
    """Run hpcadmm in a process of its own."""
    argv = [sys.executable, "-m", "hpcadmm", *map(str, arguments)]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def train(name: str, folder: Path) -> Path:
    """Train, and return the folder of the run: one of JOBS, "table" of a csv file with names, or "regression" on
    made-up data of two targets."""
    place = folder / name.replace(" ", "-")
    place.mkdir()
    text = DIGITS.format(**(PLAIN | JOBS[name])) if name in JOBS else REGRESSION.format(path=samples(place))
    if name == "table":
        text = TABLE.format(path=named(place, "a,b,c,d,label"))
    (place / "job.toml").write_text(text)
    command("train", "job.toml", "--out", "run", "--quiet", cwd=place)
    return place / "run"


def samples(place: Path) -> Path:
    """Two noisy linear targets of four features that have very different scales."""
    random = np.random.default_rng(4)
    x = random.standard_normal((150, 4)) * [1.0, 100.0, 0.01, 5.0] + [0.0, 3000.0, 1.0, -7.0]
    y = np.c_[x @ [3.0, 0.5, 20.0, 1.0], x @ [10.0, 0.0, -500.0, 0.0]] + random.standard_normal((150, 2))
    np.savez(place / "data.npz", X=x, y=y, X_test=x[:37] + 0.01, y_test=y[:37])
    return place / "data.npz"


def trained(folder: Path) -> Trained:
    """The network of a run's newest checkpoint."""
    return read(folder, None, World.alone(), lambda line: None)


def outputs(network: Trained, x: np.ndarray) -> np.ndarray:
    """z_L (n_L, samples) of raw features (samples, n_0)."""
    inputs = network.inputs(len(x))
    inputs[: network.features] = x.T
    network.transform.inputs.apply(inputs[: network.features])
    return network.output(inputs)
