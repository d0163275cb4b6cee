"""scikit-learn and dask-glm as rivals of hpcadmm's convex solvers: a `solver.name = "program"` of `hpcadmm compare`.

    python rival.py JOB --data FOLDER --out RUN --threads N

minimises the job's objective, F(W) = (1/N) sum_i l(W x_i, y_i) + P(W), by `solver.method`. These programs do not say
how far they are, so each line of RUN/metrics.jsonl is a fit of its own, from 0, with more iterations than the one
before: `seconds` are those of that fit alone, `objective` is F in float64, `messages` its iterations. A small fit
before them warms up and is forgotten. The fits end when one converges, when F no longer falls, or by [stop]
(`minutes`: of the longest fit). RUN/weights.npy holds the W of the last one, the bias as the last column.

methods: saga, lbfgs, newton-cholesky, liblinear (logistic and softmax regression; liblinear also SVM), sgd, coordinates
(lasso, elastic net), cholesky (ridge), highs (quantile regression), admm (dask-glm, N chunks in N threads). lbfgs with
huber or poisson is scipy's, on F itself.
options: tolerance 0 (of the method's own rule), once false (one fit, of stop.iterations), rho 1 (admm; of the sum over
the samples, so some N times that of hpcadmm) and relax 1 (admm),
sparse "auto" (hold x as CSR if under 0.3 of it is not 0).

    python rival.py diabetes FILE

writes scikit-learn's diabetes data as FILE, an .npz. Runs in an environment of its own, see requirements.txt.
"""

import argparse
import json
import os
import sys
import time
import tomllib
import warnings
from pathlib import Path

import numpy as np
from scipy import optimize, sparse, special

DEFAULTS = {"tolerance": 0.0, "once": False, "rho": 1.0, "relax": 1.0, "sparse": "auto"}
GROWTH, FEWEST = 1.4, 1000  # of iterations from fit to fit; samples of the fit that warms up
LEAST = 1e-14  # liblinear takes no tolerance 0
STILL, PATIENCE = 1e-10, 3  # F has stopped falling: relative, fits


class Problem:
    """The samples and F. x: (samples, features); y: classes, or targets; s: +1 / -1 by sample and output."""

    def __init__(self, job, folder, options):
        self.job, self.x, self.y = job, *(np.load(folder / f"{kind}_train.npy") for kind in "xy")
        if (folder / "weight_train.npy").exists():
            raise SystemExit("Error: data.weight: rival.py counts every sample once")
        self.x = np.ascontiguousarray(self.x)
        self.loss, self.bias = job["loss"], job["network"]["bias"]
        self.N, self.d = self.x.shape
        few = np.count_nonzero(self.x) < 0.3 * self.x.size
        if options.sparse is True or (options.sparse == "auto" and few):
            self.x = sparse.csr_matrix(self.x)
        penalty = job.get("penalty", {"name": "none"})
        self.strength = penalty.get("strength", 0.0) if penalty["name"] != "none" else 0.0
        known = {"none": 0.0, "l2": 0.0, "l1": 1.0, "elastic-net": penalty.get("ratio", 0.5)}
        if penalty["name"] not in known or penalty.get("nonnegative"):
            raise SystemExit(f"Error: penalty.name = {penalty['name']!r}: rival.py knows {', '.join(known)}")
        self.ratio = known[penalty["name"]]

    def first(self, n):
        """The same problem with n samples of every class or target, for a fit that warms up."""
        other = object.__new__(Problem)
        keep = np.linspace(0, self.N - 1, min(n, self.N)).astype(int)
        if np.issubdtype(self.y.dtype, np.integer):
            keep = np.unique(np.concatenate([keep, np.unique(self.y, return_index=True)[1]]))
        vars(other).update(vars(self) | {"x": self.x[keep], "y": self.y[keep], "N": len(keep)})
        return other

    def losses(self, z):
        """l by sample, for z (samples, outputs)."""
        name, y = self.loss["name"], self.y
        if name == "cross-entropy":
            return special.logsumexp(z, axis=1) - z[np.arange(len(y)), y]
        if name in ("logistic", "hinge"):
            s = np.where(z.shape[1] == 1, 2 * y[:, None] - 1, 2 * (y[:, None] == np.arange(z.shape[1])) - 1)
            return (np.logaddexp(0, -s * z) if name == "logistic" else np.maximum(0, 1 - s * z)).sum(axis=1)
        r = y.reshape(len(y), -1) - z
        if name == "huber":
            return special.huber(self.loss["delta"], r).sum(axis=1)
        if name == "quantile":
            return np.maximum(self.loss["q"] * r, (self.loss["q"] - 1) * r).sum(axis=1)
        if name == "poisson":
            return (np.exp(z) - y.reshape(len(y), -1) * z).sum(axis=1)
        return 0.5 * (r * r).sum(axis=1)

    def objective(self, W):
        """F of W (outputs, features + bias), in float64."""
        W = np.asarray(W, np.float64)
        z = self.x @ W[:, : self.d].T + (W[:, self.d] if self.bias else 0.0)
        return float(self.losses(np.asarray(z, np.float64)).mean()) + self.penalty(W[:, : self.d])

    def penalty(self, W):
        """P of W without its bias."""
        smooth = 0.5 * (1 - self.ratio) * (W * W).sum()
        return float(self.strength * (self.ratio * np.abs(W).sum() + smooth))


def stacked(p, model):
    """W (outputs, features + bias) of a model of scikit-learn."""
    W = np.atleast_2d(model.coef_)
    return np.column_stack([W, np.atleast_1d(model.intercept_)]) if p.bias else W


def model_of(p, method, most, o, seed):
    """A model of scikit-learn that minimises F in at most `most` iterations."""
    from sklearn import linear_model as linear
    from sklearn import svm

    name, C = p.loss["name"], 1 / (p.N * p.strength) if p.strength else np.inf
    if method == "liblinear" and p.bias:
        raise SystemExit("Error: liblinear penalises the bias: set network.bias = false")
    if name in ("logistic", "cross-entropy") and method in ("saga", "lbfgs", "newton-cholesky", "liblinear"):
        return linear.LogisticRegression(
            C=C,
            l1_ratio=p.ratio,
            solver=method,
            max_iter=most,
            tol=o.tolerance or LEAST,
            fit_intercept=p.bias,
            random_state=seed,
        )
    if name == "hinge" and method == "liblinear":
        return svm.LinearSVC(
            C=C,
            loss="hinge",
            dual=True,
            max_iter=most,
            tol=o.tolerance or LEAST,
            fit_intercept=p.bias,
            random_state=seed,
        )
    if method == "sgd":
        kind = {"logistic": "log_loss", "hinge": "hinge", "huber": "huber", "squared": "squared_error"}[name]
        cls = linear.SGDClassifier if name in ("logistic", "hinge") else linear.SGDRegressor
        further = {"epsilon": p.loss["delta"]} if name == "huber" else {}
        return cls(kind, penalty="elasticnet", alpha=p.strength, l1_ratio=p.ratio, max_iter=most, tol=None,
                   fit_intercept=p.bias, random_state=seed, **further)  # fmt: skip
    if (name, method) == ("squared", "coordinates"):
        return linear.ElasticNet(p.strength, l1_ratio=p.ratio, max_iter=most, tol=o.tolerance, fit_intercept=p.bias)
    if (name, method) == ("squared", "cholesky"):
        return linear.Ridge(p.N * p.strength, solver="cholesky", fit_intercept=p.bias)
    if (name, method) == ("quantile", "highs"):
        return linear.QuantileRegressor(quantile=p.loss["q"], alpha=p.strength, solver="highs", fit_intercept=p.bias)
    raise SystemExit(f"Error: solver.method = {method!r}: rival.py has no such method for loss.name = {name!r}")


def smooth(p, most, o):
    """W by scipy's L-BFGS on F with a loss of one output, and its iterations; l1 as w = a - b, a, b >= 0."""
    d, full = p.d, p.d + p.bias
    x = np.column_stack([p.x, np.ones(p.N)]) if p.bias else p.x
    y, free, one = p.y.reshape(-1), np.arange(full) < d, p.strength * p.ratio

    def slope(z):
        return np.clip(z - y, -p.loss["delta"], p.loss["delta"]) if p.loss["name"] == "huber" else np.exp(z) - y

    def value(ab):
        w = ab[:full] - ab[full:]
        z = x @ w
        two = p.strength * (1 - p.ratio)
        F = p.losses(z[:, None]).mean() + 0.5 * two * (w[:d] @ w[:d]) + one * ab[np.tile(free, 2)].sum()
        g = x.T @ slope(z) / p.N + two * free * w
        return F, np.concatenate([g + one * free, -g + one * free])

    bounds = [(0, None)] * (2 * full) if one else [(None, None)] * full + [(0, 0)] * full
    rules = {"maxiter": most, "maxfun": 10 * most, "ftol": o.tolerance, "gtol": o.tolerance, "maxcor": 30}
    found = optimize.minimize(value, np.zeros(2 * full), jac=True, method="L-BFGS-B", bounds=bounds, options=rules)
    return (found.x[:full] - found.x[full:])[None], found.nit


class Admm:
    """dask-glm's ADMM, with x in memory as a chunk for each thread."""

    def __init__(self, p, threads):
        import dask
        import dask.array
        from threadpoolctl import threadpool_limits

        if p.bias or p.loss["name"] not in ("logistic", "squared"):
            raise SystemExit('Error: method "admm": network.bias = false and loss logistic or squared')
        if sparse.issparse(p.x):
            raise SystemExit('Error: method "admm": dask-glm takes no CSR; set solver.options.sparse=false')
        threadpool_limits(1)  # the threads are dask's
        dask.config.set(scheduler="threads", num_workers=threads)
        rows = -(-p.N // threads)
        self.p, self.x = p, dask.array.from_array(p.x, chunks=(rows, p.d), name=False)
        self.y = dask.array.from_array(p.y.astype(p.x.dtype), chunks=rows, name=False)

    def fit(self, most, o):
        from dask_glm import algorithms, families

        p = self.p
        if p.loss["name"] == "logistic":
            family, scale = families.Logistic, p.N
        else:
            family, scale = families.Normal, 2 * p.N  # its loss is (z - y)^2
        name = {0.0: "l2", 1.0: "l1"}.get(p.ratio, "elastic_net")
        if name == "elastic_net" and p.ratio != 0.5:
            raise SystemExit("Error: dask-glm knows penalty.ratio = 0.5 only")
        w = algorithms.admm(
            self.x, self.y, regularizer=name, lamduh=scale * p.strength, rho=o.rho, over_relax=o.relax,
            max_iter=most, abstol=o.tolerance, reltol=o.tolerance, family=family, normalize=False,
        )  # fmt: skip
        return np.asarray(w)[None], most


class Fitter:
    """fit(most): (W, iterations) from 0."""

    def __init__(self, p, job, o, threads):
        self.p, self.o, self.seed = p, o, job["seed"]
        self.method = job["solver"]["method"]
        self.admm = Admm(p, threads) if self.method == "admm" else None

    def fit(self, most):
        if self.admm:
            return self.admm.fit(most, self.o)
        if self.p.loss["name"] in ("huber", "poisson") and self.method == "lbfgs":
            return smooth(self.p, most, self.o)
        model = model_of(self.p, self.method, most, self.o, self.seed).fit(self.p.x, self.p.y)
        done = getattr(model, "n_iter_", None)
        return stacked(self.p, model), most if done is None else int(np.max(done))


def numbers(most, once):
    """Iterations of the fits: 1, 2, 3, 5, ... up to `most`."""
    k = most if once else 1
    while k < most:
        yield k
        k = max(k + 1, int(GROWTH * k))
    yield most


def race(fitter, p, job, o, record):
    """Fit with more and more iterations: (W, reason, iterations, seconds)."""
    stop = job["stop"]
    minutes = stop.get("minutes")
    best, since, W, done, seconds, reason = np.inf, 0, None, 0, 0.0, ""
    for most in numbers(stop["iterations"], o.once):
        begin = time.perf_counter()
        W, done = fitter.fit(most)
        seconds, F = time.perf_counter() - begin, p.objective(W)
        record({"iteration": done, "seconds": seconds, "objective": F, "messages": done, "bytes": sent(fitter, done)})
        since = 0 if best - F > STILL * abs(best) else since + 1
        best = min(best, F)
        if done < most:
            reason = "it converged"
        elif since >= PATIENCE:
            reason = "the objective no longer falls"
        elif minutes and seconds >= 60 * minutes:
            reason = f"a fit of {minutes:g} minutes"
        if reason:
            break
    return W, reason or f"{done} iterations", done, seconds


def sent(fitter, iterations):
    """Bytes of dask-glm's workers: a model to each and one from each in an iteration."""
    return 2 * 8 * fitter.p.d * fitter.admm.x.npartitions * iterations if fitter.admm else 0


def program(method):
    """Name and version of the program behind a method."""
    from importlib.metadata import version

    name = "dask-glm" if method == "admm" else "scikit-learn"
    return f"{name} {version(name)}"


def diabetes(file):
    """Write the diabetes data of scikit-learn as an .npz."""
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True, scaled=False)
    np.savez(file, X=x, y=y)


def options_of(job):
    given = job["solver"].get("options", {})
    if strange := set(given) - set(DEFAULTS):
        raise SystemExit(f"Error: solver.options: {min(strange)}: known are {', '.join(DEFAULTS)}")
    return argparse.Namespace(**DEFAULTS | given)


def main():
    told = argparse.ArgumentParser()
    told.add_argument("job", type=Path)
    for name in ("--data", "--out"):
        told.add_argument(name, type=Path, required=True)
    told.add_argument("--threads", type=int, default=1)
    told = told.parse_args()
    job = tomllib.loads(told.job.read_text(encoding="utf-8"))
    o = options_of(job)
    p = Problem(job, told.data, o)
    warnings.simplefilter("ignore")  # a fit with few iterations says that it did not converge
    Fitter(p.first(FEWEST), job, o, told.threads).fit(2)
    fitter = Fitter(p, job, o, told.threads)
    with open(told.out / "metrics.jsonl", "w", encoding="utf-8") as file:

        def record(row):
            file.write(json.dumps(row) + "\n")
            file.flush()

        W, reason, iterations, seconds = race(fitter, p, job, o, record)
    np.save(told.out / "weights.npy", W)
    summary = {"state": "finished", "stop_reason": reason, "iterations": iterations, "ranks": 1,
               "threads": told.threads, "seconds": seconds, "program": program(fitter.method)}  # fmt: skip
    (told.out / "summary.json").write_text(json.dumps(summary) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["diabetes"]:
        diabetes(sys.argv[2])
    elif "RIVAL_THREADS" in os.environ:
        main()
    else:  # libraries read the number of threads when they are loaded
        threads = sys.argv[sys.argv.index("--threads") + 1] if "--threads" in sys.argv else "1"
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RIVAL_THREADS")
        os.environ.update(dict.fromkeys(names, threads))
        os.execv(sys.executable, [sys.executable, *sys.argv])
