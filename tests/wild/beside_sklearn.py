"""Accuracy beside scikit-learn, on the same split: python tests/wild/beside_sklearn.py [DATA...] [--seeds N]

scikit-learn: Pipeline(ColumnTransformer(OneHotEncoder, StandardScaler), MLPClassifier) at its defaults, which is one
hidden layer of 100 units. Here: the file as it is, the same layers, and each of JOBS. The files are in
$HPCADMM_DATA/wild.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from hpcadmm.datasets.choose import shuffled

DATA = {  # folder, train file, test file, has a header
    "adult": ("adult", "adult.data", "adult.test", False),
    "covtype": ("covtype", "covtype_sample.csv", None, True),
}
JOBS = {
    "adam": ("solver.name=adam", "solver.batch=200", "solver.cut=4", "solver.decay=1e-4"),
    "mpadmm": ("solver.name=mpadmm", "solver.batch=2000"),
}
BASE = ("data.name=csv", "network.hidden=[100]", "loss.name=cross-entropy", "evaluate.every=0", "precision=float32")
ITERATIONS = {"adult": {"adam": 1630, "mpadmm": 60}, "covtype": {"adam": 8000, "mpadmm": 400}}


def table(path: Path, header: bool) -> tuple[np.ndarray, np.ndarray]:
    """Features (text) and labels of a file."""
    with open(path, newline="") as file:
        rows = [row for row in csv.reader(file, skipinitialspace=True) if row][int(header) :]
    cells = np.array(rows, dtype=object)
    return cells[:, :-1], np.array([label.rstrip(".") for label in cells[:, -1]])


def split(name: str, folder: Path) -> tuple[np.ndarray, ...]:
    """X and y to train on, X and y to test on: as hpcadmm splits them."""
    place, train, test, header = DATA[name]
    x, y = table(folder / place / train, header)
    if test is not None:
        return x, y, *table(folder / place / test, header)
    rows = shuffled(len(y), 0)
    kept, held = rows[: len(y) * 8 // 10], rows[len(y) * 8 // 10 :]
    return x[kept], y[kept], x[held], y[held]


def numeric(column: np.ndarray) -> bool:
    """Are all cells numbers?"""
    try:
        column.astype(float)
    except ValueError:
        return False
    return True


def theirs(data: tuple[np.ndarray, ...], seed: int) -> float:
    """The test accuracy of scikit-learn's pipeline."""
    x, y, x_test, y_test = data
    numbers = [c for c in range(x.shape[1]) if numeric(x[:, c])]
    text = [c for c in range(x.shape[1]) if c not in numbers]
    steps = [("text", OneHotEncoder(handle_unknown="ignore"), text), ("numbers", StandardScaler(), numbers)]
    pipeline = make_pipeline(ColumnTransformer(steps), MLPClassifier(random_state=seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(pipeline.fit(x, y).score(x_test, y_test))


def ours(name: str, folder: Path, job: str, seed: int) -> float:
    """The test accuracy of a run."""
    place, train, test, _ = DATA[name]
    files = [f"data.path={folder / place / train}", *([f"data.test={test}"] if test else [])]
    stop = f"stop.iterations={ITERATIONS[name][job]}"
    settings = [*BASE, *JOBS[job], *files, stop, f"seed={seed}"]
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "job.toml").write_text('name = "beside"\n')
        options = [word for one in settings for word in ("--set", one)]
        command = [sys.executable, "-m", "hpcadmm", "train", "job.toml", "--out", "run", "--quiet", *options]
        subprocess.run(command, cwd=scratch, check=True)
        return float(json.loads((Path(scratch) / "run" / "summary.json").read_text())["test_accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", metavar="DATA")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    folder = Path(os.environ["HPCADMM_DATA"]) / "wild"
    print("| data | program | median accuracy (%) | each seed |\n|---|---|---|---|")
    for name in given.data or DATA:
        data = split(name, folder)
        found = {"scikit-learn": [theirs(data, seed) for seed in range(given.seeds)]}
        for job in JOBS:
            found[f"hpcadmm, {job}"] = [ours(name, folder, job, seed) for seed in range(given.seeds)]
        for program, each in found.items():
            median = 100 * statistics.median(each)
            print(
                f"| {name} | {program} | {median:.2f} | {', '.join(f'{100 * one:.2f}' for one in each)} |", flush=True
            )


if __name__ == "__main__":
    main()
