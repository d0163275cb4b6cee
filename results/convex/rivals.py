"""scikit-learn and dask-glm on the samples and the objective of a job of jobs/convex: seconds to a suboptimality.

    python rivals.py JOB.toml SAMPLES RUN OUT.json

SAMPLES: a folder of `hpcadmm data samples`. RUN: a run of hpcadmm on the same job, measured in every iteration. F* is
the lowest objective of all. Each rival is started anew with more and more iterations: a row is [seconds, (F - F*) / F*,
iterations]. Seconds are those of `fit`, on two threads where a rival can use them.
"""

import json
import sys
import time
import tomllib
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

MOST = 60.0  # seconds of a rival's longest start
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)


class Objective:
    """(1/N) sum log(1 + exp(-y z)) + strength |w|_1, y = +1 / -1; the intercept is free."""

    def __init__(self, X, y, strength):
        self.X, self.sign, self.strength = X, 2.0 * y - 1, strength

    def __call__(self, w, b):
        z = self.X @ w + b
        return float(np.logaddexp(0, -self.sign * z).mean(dtype=np.float64) + self.strength * np.abs(w).sum())


def scikit_learn(solver):
    from sklearn.linear_model import LogisticRegression

    def start(X, y, strength, steps):
        model = LogisticRegression(penalty="l1", C=1 / (len(y) * strength), solver=solver, max_iter=steps, tol=1e-12)
        begin = time.perf_counter()
        model.fit(X, y)
        return time.perf_counter() - begin, model.coef_[0], model.intercept_[0]

    return start


def stochastic(X, y, strength, steps):
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(
        "log_loss", penalty="l1", alpha=strength, max_iter=steps, tol=None, average=True, random_state=0
    )
    begin = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - begin, model.coef_[0], model.intercept_[0]


def dask(X, y, strength, steps):
    """dask-glm's ADMM, two chunks on two threads; its objective is a sum, its intercept a column that is penalised."""
    import dask
    import dask.array as da
    from dask_glm.algorithms import admm

    ones = np.hstack([X.toarray() if sparse.issparse(X) else X, np.ones((len(y), 1), X.dtype)])
    chunks = ((len(y) // 2, len(y) - len(y) // 2), (ones.shape[1],))
    begin = time.perf_counter()
    with dask.config.set(scheduler="threads", num_workers=2):
        w = admm(da.from_array(ones, chunks), da.from_array(y.astype(ones.dtype), chunks[:1]),
                 lamduh=strength * len(y), max_iter=steps, abstol=1e-12, reltol=1e-12)  # fmt: skip
    return time.perf_counter() - begin, np.asarray(w[:-1]), float(w[-1])


RIVALS = {"saga": scikit_learn("saga"), "liblinear": scikit_learn("liblinear"), "sgd": stochastic, "dask-glm": dask}


def ladder(start, objective, X, y, strength):
    """Rows of more and more iterations, until a start takes too long."""
    rows = []
    for steps in STEPS:
        seconds, w, b = start(X, y, strength, steps)
        rows.append([seconds, objective(w, b), steps])
        done = len(rows) > 2 and abs(rows[-2][1] - rows[-1][1]) < 1e-9 * rows[-1][1]
        if seconds > MOST or done:
            break
    return rows


def main():
    warnings.simplefilter("ignore")
    job, samples, run, out = (Path(one) for one in sys.argv[1:])
    strength = tomllib.loads(job.read_text())["penalty"]["strength"]
    x = samples / "x_train.npy"
    X = np.load(x) if x.exists() else sparse.load_npz(samples / "x_train.npz")
    if np.count_nonzero(X[:1000]) < 0.25 * X[:1000].size:
        X = sparse.csr_matrix(X)
    y = np.load(samples / "y_train.npy")
    objective = Objective(X, y, strength)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = {"hpcadmm": [[line["seconds"], line["objective"], line["iteration"]] for line in lines]}
    for name, start in RIVALS.items():
        try:
            found[name] = ladder(start, objective, X, y, strength)
        except Exception as error:  # noqa: BLE001 (a rival that does not run is a row, too)
            found[name] = []
            print(f"{name}: {error!r}")
    least = min(value for rows in found.values() for _, value, _ in rows)
    for rows in found.values():
        for row in rows:
            row[1] = (row[1] - least) / least
    out.write_text(json.dumps({"job": job.stem, "least": least, "rows": found}, indent=1) + "\n")
    for name, rows in found.items():
        reached = [(seconds, steps) for seconds, above, steps in rows if above <= 1e-4]
        said = f"1e-4 after {min(reached)[0]:.3f} s, {min(reached)[1]} iterations" if reached else "never within 1e-4"
        print(name, said)


if __name__ == "__main__":
    main()
