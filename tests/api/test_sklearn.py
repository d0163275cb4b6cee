"""The estimators: scikit-learn's own checks, what they minimise, and that they are those of the package."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from hpcadmm.sklearn import (
    ADMMClassifier,
    ADMMElasticNet,
    ADMMLasso,
    ADMMLinearSVC,
    ADMMLogisticRegression,
    ADMMRegressor,
)
from hpcadmm.solvers import SOLVERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = {"hidden_layer_sizes": (8,), "max_iter": 5}
X, y = load_iris(return_X_y=True)
X = scale(X)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator",
    [ADMMClassifier(**QUICK), ADMMRegressor(**QUICK), ADMMLogisticRegression(tol=1e-4), ADMMLasso(), ADMMElasticNet(),
     ADMMLinearSVC(tol=1e-2)],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
def test_scikit_learns_checks(estimator):
    """None is skipped but those of pandas, where it is not installed, and of other array libraries."""
    found = check_estimator(estimator, on_skip=None)
    assert len(found) > 50
    for one in found:
        unmet = one["status"] == "skipped" and "is not" in str(one["exception"])  # pandas, SCIPY_ARRAY_API
        assert one["status"] == "passed" or unmet, one


def test_in_a_pipeline_and_a_grid_search():
    network = make_pipeline(StandardScaler(), ADMMClassifier((6,), random_state=0, max_iter=25))
    search = GridSearchCV(network, {"admmclassifier__solver": ["mpadmm", "lbfgs"]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.9
    words = np.array([[a, b] for a in "xyz" for b in "pqrstuvw"] * 4)
    sparse = make_pipeline(OneHotEncoder(), ADMMLogisticRegression())
    assert sparse.fit(words, words[:, 0] == "x").score(words, words[:, 0] == "x") == 1.0


@pytest.mark.parametrize("name", [name for name, one in SOLVERS.items() if one.most_layers is None and one.weighted])
def test_any_solver_trains_a_network(name):
    """For as many iterations as it needs; gd and its kin are for convex problems."""
    options = {"gadmm": {"solver.workers": 4}, "qgadmm": {"solver.workers": 4}, "consensus": {"solver.workers": 4}}
    local = {"gadmm", "qgadmm", "consensus"} & {name}
    more = options.get(name, {}) | ({"solver.local": "adam"} if local else {})
    fitted = ADMMClassifier((5,), solver=name, random_state=0, max_iter=6, tol=None, options=more).fit(X, y)
    assert fitted.predict(X).shape == (150,)
    assert len(fitted.loss_curve_) == fitted.n_iter_ == 6
    assert np.isfinite(fitted.loss_curve_).all()


def test_an_iteration_is_a_pass_and_the_attributes_are_those_of_scikit_learns_perceptrons():
    fitted = ADMMClassifier((7, 4), solver="adam", max_iter=9, random_state=1, tol=None, options={"solver.batch": 32})
    fitted.fit(X, y)
    assert fitted.model_.summary["iterations"] == 9 * 5
    assert (fitted.n_iter_, len(fitted.loss_curve_), fitted.n_layers_, fitted.n_outputs_) == (9, 9, 4, 3)
    assert [W.shape for W in fitted.coefs_] == [(4, 7), (7, 4), (4, 3)]
    log_loss = -np.log(fitted.predict_proba(X)[np.arange(150), y]).mean()
    decay = sum(np.square(W).sum() for W in fitted.coefs_) * 1e-4 / 2 / 150
    assert fitted.loss_ == pytest.approx(log_loss + decay, rel=1e-9)
    a = np.maximum(X @ fitted.coefs_[0] + fitted.intercepts_[0], 0)
    a = np.maximum(a @ fitted.coefs_[1] + fitted.intercepts_[1], 0)
    np.testing.assert_allclose(a @ fitted.coefs_[2] + fitted.intercepts_[2], fitted.decision_function(X), rtol=1e-9)


def test_early_stopping_takes_the_best_weights():
    fitted = ADMMClassifier((9,), early_stopping=True, n_iter_no_change=3, random_state=0, validation_fraction=0.2)
    fitted.fit(X, y)
    assert fitted.best_validation_score_ == max(fitted.validation_scores_)
    assert len(fitted.validation_scores_) == fitted.n_iter_ < 200
    assert fitted.model_.iteration == 1 + int(np.argmax(fitted.validation_scores_))


def test_warm_start_and_partial_fit_go_on():
    fitted = ADMMClassifier((5,), max_iter=8, random_state=0, warm_start=True, tol=None)
    first = fitted.fit(X, y).loss_
    assert fitted.set_params(max_iter=1).fit(X, y).loss_curve_[0] < first
    whole = ADMMRegressor((5,), solver="adam", max_iter=3, random_state=0, tol=None).fit(X, X[:, 0])
    parts = clone(whole)
    for k in range(3):
        parts.partial_fit(X, X[:, 0])
        assert parts.n_iter_ == k + 1
    np.testing.assert_array_equal(parts.coefs_[0], whole.coefs_[0])  # moments and step counts go on, too
    before = parts.model_
    parts.partial_fit(X[:31], X[:31, 0])
    assert not np.array_equal(parts.coefs_[0], before.weights[0][0].T)
    with pytest.raises(ValueError, match="classes must be given"):
        ADMMClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="not among `classes`"):
        ADMMClassifier().partial_fit(X, y, classes=[0, 1])
    some = ADMMClassifier((4,)).partial_fit(X[:100], y[:100], classes=[0, 1, 2])
    assert some.predict_proba(X).shape == (150, 3)
    one = ADMMClassifier((4,), random_state=0)
    for k in (0, 1, 2, 0):  # batches of one class each
        one.partial_fit(X[y == k], y[y == k], classes=[0, 1, 2])
    assert one.predict_proba(X).shape == (150, 3)
    with pytest.raises(ValueError, match="only one class"):
        ADMMClassifier((4,)).fit(X[y == 1], y[y == 1])
    assert not hasattr(ADMMClassifier(solver="lbfgs"), "partial_fit")
    assert not hasattr(ADMMLinearSVC(), "predict_proba")


def test_the_linear_models_are_those_of_scikit_learn():
    """The same minimisers, with sample weights."""
    Z, labels = load_breast_cancer(return_X_y=True)
    Z, labels = scale(Z[:200]), labels[:200]
    W = np.random.default_rng(0).uniform(0.5, 2, 200)
    D, value = load_diabetes(return_X_y=True)
    D, value = scale(D), scale(value)
    V = np.random.default_rng(0).uniform(0.5, 2, len(value))
    tight = {"tol": 1e-10, "max_iter": 50_000}
    for mine, theirs, data in (
        (ADMMLogisticRegression(0.3, tol=1e-10), LogisticRegression(C=0.3, tol=1e-10, max_iter=5000), (Z, labels, W)),
        (ADMMLogisticRegression(0.3, tol=1e-10), LogisticRegression(C=0.3, tol=1e-10, max_iter=5000), (X, y)),
        (ADMMLinearSVC(0.1, tol=1e-8), SVC(kernel="linear", C=0.1, tol=1e-10), (Z, labels)),
        (ADMMLasso(0.1, tol=1e-12), Lasso(0.1, **tight), (D, value, V)),
        (ADMMLasso(0.1, tol=1e-12, positive=True), Lasso(0.1, positive=True, **tight), (D, value)),
        (ADMMElasticNet(0.1, l1_ratio=0.3, tol=1e-12), ElasticNet(0.1, l1_ratio=0.3, **tight), (D, value)),
    ):
        mine.fit(*data)
        theirs.fit(*data)
        assert mine.coef_.shape == theirs.coef_.shape
        np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=3e-4)
        np.testing.assert_allclose(mine.intercept_, theirs.intercept_, atol=3e-3)
        assert (mine.predict(data[0]) == theirs.predict(data[0])).mean() > 0.98 or not hasattr(mine, "classes_")
        assert mine.model_.summary["certificate"]["gap"] < 1e-7


def test_sparse_features_and_a_constant():
    S = csr_array(X * (np.abs(X) > 1))
    one, other = (ADMMLogisticRegression(C=5.0, fit_intercept=False).fit(data, y) for data in (S, S.toarray()))
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-6, atol=1e-9)
    assert (one.intercept_ == 0).all()


def test_what_is_refused_names_the_key_and_the_cure():
    for estimator, said in (
        (ADMMClassifier(solver="nosuch"), "solver.name = 'nosuch': known are"),
        (ADMMClassifier(max_iter=0), "stop.iterations = 0: must be"),
        (ADMMClassifier((0,)), r"network.hidden = \[0\]"),
        (ADMMClassifier(alpha=-1.0), "solver.decay"),
        (ADMMClassifier(options={"solver.nothing": 1}), "solver.nothing: unknown key"),
        (ADMMLogisticRegression(C=0.0), "C = 0.0: must be above 0"),
        (ADMMLogisticRegression(penalty="l3"), "penalty = 'l3'"),
    ):
        with pytest.raises(ValueError, match=said):
            estimator.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="max_iter = 2 reached"):
        ADMMClassifier(max_iter=2).fit(X, y)
