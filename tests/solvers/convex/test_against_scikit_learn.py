"""Convex solvers reach the objective, and with l1 the support, of scikit-learn's, which minimise the same functions."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import ElasticNet as SkElasticNet
from sklearn.linear_model import LogisticRegression, PoissonRegressor, QuantileRegressor
from sklearn.preprocessing import scale
from sklearn.svm import SVC

from hpcadmm.comm.world import World
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.penalties import L1, L2, Box, ElasticNet, Group, NoPenalty
from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.shared.convex import objective
from tests.helpers.convex import posed, solved

CLOSE = 1e-6
OPTIONS = {"unwrapped": {}, "consensus": {"workers": 3}}
SMOOTH = ("squared", "logistic", "huber", "poisson", "cross-entropy")


def data(loss):
    """X standardised, and y."""
    if loss in ("squared", "huber", "quantile", "poisson"):
        X, y = load_diabetes(return_X_y=True)
        m = 100 if loss == "quantile" else None  # more samples need more iterations
        return scale(X)[:m], np.floor(y / 25) if loss == "poisson" else scale(y)[:m]
    X, y = load_digits(return_X_y=True) if loss == "cross-entropy" else load_breast_cancer(return_X_y=True)
    if loss == "cross-entropy":
        X, y = X[y < 4][:150] / 16.0, y[y < 4][:150]
        return X[:, X.any(axis=0)], y
    return scale(X[:200]), y[:200]


def by_scikit_learn(loss, penalty, X, y):
    """W (outputs, features + 1) of scikit-learn with tight tolerances."""
    m, tight = len(X), {"tol": 1e-12, "max_iter": 100_000}
    if loss == "squared":
        if isinstance(penalty, L2):
            A = np.hstack([X, np.ones((m, 1))])
            found = np.linalg.solve(A.T @ A / m + penalty.strength * np.diag([1.0] * X.shape[1] + [0.0]), A.T @ y / m)
            return found[None]
        ratio = 1.0 if isinstance(penalty, L1) else penalty.ratio
        model = SkElasticNet(alpha=penalty.strength, l1_ratio=ratio, **tight).fit(X, y)
    elif loss == "poisson":
        model = PoissonRegressor(alpha=penalty.strength, **tight).fit(X, y)
    elif loss == "quantile":
        model = QuantileRegressor(quantile=0.5, alpha=penalty.strength).fit(X, y)
    elif loss == "hinge":
        model = SVC(kernel="linear", C=1 / (m * penalty.strength), tol=1e-9).fit(X, y)
    else:
        ratio = {"l1": 1.0, "l2": 0.0}.get(penalty.name, getattr(penalty, "ratio", 0.0))
        slow = {"tol": 1e-10, "max_iter": 20_000} if ratio else {"tol": 1e-12, "max_iter": 5_000}
        solver = "saga" if ratio else "newton-cg"
        kind = {"penalty": "elasticnet" if ratio else "l2", "l1_ratio": ratio if ratio else None}
        model = LogisticRegression(C=1 / (m * penalty.strength), solver=solver, **kind, **slow).fit(X, y)
    W, b = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    return np.hstack([W, b[:, None]])


CASES = [
    ("logistic", L1(0.02)), ("logistic", L2(0.01)), ("logistic", ElasticNet(0.02, ratio=0.5)),
    ("squared", L1(0.05)), ("squared", ElasticNet(0.1, ratio=0.3)), ("squared", L2(0.3)),
    ("poisson", L2(0.1)), ("quantile", L1(0.02)), ("hinge", L2(0.05)), ("cross-entropy", L1(0.02)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("loss", "penalty"), CASES, ids=lambda one: one if isinstance(one, str) else one.name)
def test_the_objective_and_the_support_are_those_of_scikit_learn(loss, penalty):
    X, y = data(loss)
    theirs = by_scikit_learn(loss, penalty, X, y)
    for name in ("unwrapped", "consensus"):
        if name == "consensus" and loss not in SMOOTH:
            continue
        solver = SOLVERS[name](**OPTIONS[name])
        p = posed(X, y, loss, penalty, parts=solver.parts)
        state, row = solved(solver, p, most=10_000 if loss == "quantile" else 3_000, enough=1e-7)
        other = objective.objective(theirs, p, World.alone())
        assert row["objective"] <= other + CLOSE * abs(other), (name, row, other)
        assert row["objective"] >= other - 1e-3 * abs(other), (name, row, other)
        if isinstance(penalty, L1) and loss != "quantile":
            mine = solver.weights(state, World.alone())[1][:, :-1]
            assert ((np.abs(mine) > 1e-6) == (np.abs(theirs[:, :-1]) > 1e-6)).all(), name
        bound = row["objective"] - row["duality_gap"] * abs(row["objective"])
        assert bound <= other + 1e-9
        assert row["duality_gap"] < CLOSE, (name, row)


@pytest.mark.parametrize(
    ("loss", "penalty"),
    [("huber", NoPenalty()), ("logistic", Box(lower=-0.2, upper=0.3)), ("squared", NoPenalty(nonnegative=True))],
    ids=str,
)
def test_the_objective_is_that_of_scipys_bounded_quasi_newton_method(loss, penalty):
    X, y = data(loss)
    p = posed(X, y, loss, penalty)
    low, high = {"logistic": (-0.2, 0.3), "squared": (0.0, None), "huber": (None, None)}[loss]
    kind, m = LOSSES[loss](), len(y)
    A = np.hstack([X, np.ones((m, 1))]).T

    def f(w):
        z = (w @ A)[None]
        slope = kind.share * kind.gradient(z, p.y)
        return kind.share * kind.value(z, p.y) / m, (A @ slope[0]) / m

    options, bounds = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000}, [(low, high)] * X.shape[1] + [(None, None)]
    found = minimize(f, np.zeros(len(A)), jac=True, method="L-BFGS-B", options=options, bounds=bounds)
    for name in ("unwrapped", "consensus"):
        solver = SOLVERS[name](**OPTIONS[name])
        _, row = solved(solver, posed(X, y, loss, penalty, parts=solver.parts), most=1_000, enough=1e-8)
        assert row["objective"] == pytest.approx(found.fun, rel=CLOSE), name


def test_a_group_is_zero_together_and_weights_count_as_copies():
    X, y = data("squared")
    names = [f"x{j}" for j in range(X.shape[1])]
    group = Group(0.4, [names[:3], names[3:6]])
    copies = np.random.default_rng(0).integers(1, 4, len(y))
    for name in ("unwrapped", "consensus"):
        solver = SOLVERS[name](**OPTIONS[name])
        weighted, _ = solved(solver, posed(X, y, "squared", group, weight=copies, parts=solver.parts))
        X2, y2 = np.repeat(X, copies, axis=0), np.repeat(y, copies)
        copied, _ = solved(solver, posed(X2, y2, "squared", group, parts=solver.parts))
        V = weighted.W[1][:, :-1]
        np.testing.assert_allclose(weighted.W[1], copied.W[1], atol=1e-7)
        assert all((V[:, part] == 0).all() or (V[:, part] != 0).all() for part in (slice(0, 3), slice(3, 6)))
        assert (V == 0).any()


@pytest.mark.parametrize("factor", ["cholesky", "cg"])
@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_sparse_and_dense_features_have_the_same_minimum(loss, factor):
    random = np.random.default_rng(1)
    X = random.standard_normal((300, 12)) * (random.random((300, 12)) < 0.2)
    y = X @ random.standard_normal(12) + 0.3 * random.standard_normal(300)
    y = (y > 0).astype(int) if loss == "logistic" else y
    solver = SOLVERS["unwrapped"](factor=factor)
    rows = [solved(solver, posed(x, y, loss, L1(0.01)), most=500)[1] for x in (X, csr_array(X))]
    assert rows[0]["objective"] == pytest.approx(rows[1]["objective"], rel=1e-8)
    assert rows[0]["duality_gap"] < CLOSE
