"""Regularisation paths: each fit is a minimum, the folds judge by samples left out, and a path restarts anywhere."""

import csv
import json
import shutil

import numpy as np
import pytest
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.metrics import log_loss, mean_poisson_deviance

from hpcadmm.after.plot_path import plot_path
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.model.penalties import L1, Group
from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.convex import path
from hpcadmm.solvers.shared.convex.constant import intercepts, largest
from hpcadmm.solvers.shared.convex.objective import deviance
from hpcadmm.testing.problems import started
from hpcadmm.training.loop import resume, train
from hpcadmm.training.progress import Progress
from tests.helpers.convex import posed, solved

JOB = """
name = "path"
[data]
name = "npz"
path = "{path}"
task = "{task}"
split = 1.0
shuffle = false
standardise = true
[network]
hidden = []
[loss]
name = "{loss}"
[penalty]
name = "l1"
[solver]
name = "unwrapped"
path = "max:1e-2:4"
{options}
[stop]
iterations = 300
relative = 1e-7
absolute = 1e-9
[evaluate]
every = 5
"""


def drawn(kind, samples=333):
    random = np.random.default_rng(7)
    X = random.standard_normal((samples, 6)) * [1, 2, 3, 1, 1, 1]
    z = X @ [1.0, -0.5, 0.0, 0.0, 0.3, 0.0] + 0.8
    rates = {"poisson": lambda: random.poisson(np.exp(0.5 * z)).astype(float)}
    noisy = z + random.standard_normal(samples)
    return X, rates[kind]() if kind in rates else (noisy > 0).astype(int) if kind == "logistic" else noisy


@pytest.fixture
def job(tmp_path):
    def made(loss, options="", change=("", "")):
        X, y = drawn(loss)
        np.savez(tmp_path / "a.npz", X=X, y=y)
        task = "classification" if loss == "logistic" else "regression"
        text = JOB.format(path=tmp_path / "a.npz", loss=loss, task=task, options=options)
        return parse(text.replace(*change))

    return made


def read(folder):
    texts = [(folder / name).read_text().splitlines() for name in ("path.csv", "path-coefficients.csv")]
    tables = [list(csv.DictReader(text)) for text in texts]
    return *tables, json.loads((folder / "summary.json").read_text())


def trained(job, folder):
    train(job, folder, World.alone(), Progress(False))
    return read(folder)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_each_strength_is_fitted_to_its_minimum(job, tmp_path, loss):
    rows, coefficients, summary = trained(job(loss), tmp_path / "run")
    X, y = drawn(loss)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    assert len(rows) == summary["path"]["fits"] == 4
    assert int(rows[0]["nonzeros"]) == 0 < int(rows[1]["nonzeros"])
    for row in rows[1:]:
        strength = float(row["strength"])
        if loss == "squared":
            best = Lasso(strength, tol=1e-14, max_iter=10**6).fit(X, y)
            expected = np.mean((best.predict(X) - y) ** 2)
        else:
            C = 1 / strength / len(y)
            best = LogisticRegression(C=C, l1_ratio=1, solver="saga", tol=1e-12, max_iter=10**5).fit(X, y)
            expected = 2 * log_loss(y, best.predict_proba(X))
        mine = {r["feature"]: float(r["scaled"]) for r in coefficients if r["strength"] == row["strength"]}
        np.testing.assert_allclose([mine.get(str(j + 1), 0.0) for j in range(6)], best.coef_.ravel(), atol=1e-5)
        assert mine["intercept"] == pytest.approx(float(np.ravel(best.intercept_)[0]), abs=1e-5)
        assert float(row["deviance"]) == pytest.approx(expected, rel=1e-5)
        assert int(row["nonzeros"]) == np.count_nonzero(best.coef_)


def test_the_folds_judge_by_the_samples_that_a_fit_has_not_seen(job, tmp_path):
    rows, _, summary = trained(job("squared", "folds = 3"), tmp_path / "run")
    X, y = drawn("squared")
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    p = posed(X, y, "squared", L1())
    fold = path.fold_of(p, 3)
    assert np.bincount(fold).tolist() == [111, 111, 111]
    found = np.empty((3, 4))
    for f in range(3):
        for j, row in enumerate(rows):
            fit = Lasso(float(row["strength"]), tol=1e-12, max_iter=10**6).fit(X[fold != f], y[fold != f])
            found[f, j] = np.mean((fit.predict(X[fold == f]) - y[fold == f]) ** 2)
            assert float(row[f"deviance_{f + 1}"]) == pytest.approx(found[f, j], rel=1e-5)
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(3)
    strengths = [float(row["strength"]) for row in rows]
    assert summary["path"]["best"] == summary["path"]["strength"] == summary["strength"] == strengths[mean.argmin()]
    assert summary["path"]["one_se"] == strengths[np.flatnonzero(mean <= mean.min() + error[mean.argmin()])[0]]
    for name, values in (("mean_deviance", mean), ("standard_error", error)):
        np.testing.assert_allclose([float(row[name]) for row in rows], values, rtol=1e-5)


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_a_path_restarts_in_any_fit_on_any_ranks(hpcadmm, job, tmp_path, loss):
    options = 'folds = 2\nadapt = "spectral"\nchoose = "one-se"'
    given = job(loss, options, ("[evaluate]", "[save]\nevery = 31\nkeep = 99\n[evaluate]"))
    whole, other = tmp_path / "whole", tmp_path / "other"
    *tables, summary = trained(given, whole)
    if loss == "logistic":
        (tmp_path / "job.toml").write_text(given.to_toml())
        hpcadmm("train", tmp_path / "job.toml", "--out", other, "--quiet", n=3).check()
        assert read(other)[:2] == tuple(tables)
    assert summary["path"]["fits"] == summary["path"]["of"] == 12
    assert summary["strength"] == summary["path"]["one_se"]
    saved = sorted((whole / "checkpoints").glob("iteration-*"))
    for k, ranks in ((len(saved) // 5, 1), (len(saved) // 2, 2 if loss == "logistic" else 1)):
        again = tmp_path / f"again{k}"
        shutil.copytree(whole, again)
        for late in saved[k:][1:]:
            shutil.rmtree(again / "checkpoints" / late.name)
        if ranks == 1:
            resume(again, [], World.alone(), Progress(False))
        else:
            hpcadmm("resume", again, "--quiet", n=ranks).check()
        *found, after = read(again)
        assert found == tables
        assert after["weights_sha256"] == summary["weights_sha256"]


@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber", "cross-entropy"])
def test_the_largest_strength_is_where_the_coefficients_begin(loss):
    mixes = loss == "cross-entropy"
    X, y = drawn("logistic" if mixes else loss)
    penalty = Group(0.1) if mixes else L1(0.1)
    p = posed(X, y, loss, penalty)
    high = largest(p, World.alone())
    solver = SOLVERS["unwrapped"]()
    for strength, none in ((1.02 * high, True), (0.9 * high, False)):
        W = solved(solver, posed(X, y, loss, penalty.at(strength)))[0].W[1]
        assert (np.abs(W[:, :6]).max() < 1e-6) == none
    alone = posed(np.zeros_like(X), y, loss, penalty)
    best, b = solved(solver, alone)[0].W[1][:, 6], intercepts(alone, World.alone())
    np.testing.assert_allclose(np.diff(b) if mixes else b, np.diff(best) if mixes else best, atol=1e-4)


def test_the_deviance_of_counts():
    X, y = drawn("poisson")
    p = posed(X, y, "poisson", L1())
    state = started(SOLVERS["unwrapped"](), p, World.alone())
    state.W[1][:] = 0.1
    expected = mean_poisson_deviance(y, np.exp(0.1 * X.sum(axis=1) + 0.1))
    assert deviance(state.W[1], p, World.alone()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('path = "max:1e-2:4"', "path = [0.1, 0.1]"), "different strengths"),
        (('path = "max:1e-2:4"', 'path = "log:1e-3:1:50"'), "must be like"),
        (('path = "max:1e-2:4"', 'path = "log:1:1e-3"'), "must be like"),
        (('path = "max:1e-2:4"', "folds = 4"), "needs solver.path"),
        (('path = "max:1e-2:4"', 'path = [0.1]\nchoose = "one-se"'), "solver.folds >= 2"),
        (('name = "l1"', 'name = "l2"'), "leaves no coefficient at 0"),
        (('name = "l1"', 'name = "none"'), "has no strength"),
        (("iterations = 300", "iterations = 300\npatience = 3"), "remove it"),
    ],
)
def test_what_a_path_refuses(job, change, said):
    with pytest.raises(UsageError, match=said):
        job("squared", "", change)


def test_a_figure_of_the_path(job, tmp_path):
    trained(job("squared", "folds = 3"), tmp_path / "run")
    assert plot_path(tmp_path / "run", tmp_path / "a.png").stat().st_size > 5000
    (tmp_path / "run" / "path.csv").unlink()
    with pytest.raises(UsageError, match=r"solver\.path"):
        plot_path(tmp_path / "run", tmp_path / "a.png")
