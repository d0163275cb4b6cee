"""Linear models with a penalty, to their minimum."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcadmm.model.state import Array
from hpcadmm.sklearn.base import Classifier, Estimator, Regressor

EVERY = 5  # iterations between two looks at the rules of tol


class Linear(Estimator):
    """A linear model. A subclass gives `_loss` and `_penalty`, and what else `__init__` keeps."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Linear":
        """Minimise. X (samples, features), an array or sparse; y (samples,). Collective under mpirun."""
        begin = getattr(self, "model_", None) if self.warm_start else None
        W, b = self._train(X, y, sample_weight, begin=begin).weights[0]
        flat = isinstance(self, Regressor) and len(W) == 1
        b = np.zeros(len(W)) if b is None else b.copy()
        self.coef_: Array = W[0].copy() if flat else W.copy()
        self.intercept_: Any = float(b[0]) if flat else b
        self._warn_if_unfinished()
        return self

    def _penalty(self, weight: float) -> dict[str, Any]:
        """The table [penalty], for this sum of the samples' weights."""
        raise NotImplementedError

    def _tables(self, weight: float) -> dict[str, Any]:
        penalty = self._penalty(weight)
        rule = "relative" if penalty["name"] == "none" else "gap"
        return {
            "network": {"hidden": [], "bias": bool(self.fit_intercept)},
            "loss": {"name": self._loss},
            "penalty": penalty,
            "solver": {"name": self.solver},
            "stop": {"iterations": self.max_iter, rule: self.tol or None},
            "evaluate": {"every": EVERY},
        }


def mixed(strength: float, ratio: float, **more: Any) -> dict[str, Any]:
    """The penalty strength (ratio |W|_1 + (1 - ratio)/2 |W|^2); of the ends without the part that is 0.

    >>> mixed(0.1, 1.0), mixed(0.1, 0.5)
    ({'name': 'l1', 'strength': 0.1}, {'name': 'elastic-net', 'strength': 0.1, 'ratio': 0.5})
    """
    if not strength:
        return {"name": "none", **more}
    name = {0.0: "l2", 1.0: "l1"}.get(ratio, "elastic-net")
    return {"name": name, "strength": strength, **({"ratio": ratio} if name == "elastic-net" else {}), **more}


PARAMETERS = """    fit_intercept: default True.
    max_iter: most iterations. Default 5000.
    tol: a fit ends if the duality gap is at most this share of the objective; without a penalty, if both residuals are
        at most this share of their variables. None or 0: it takes max_iter iterations. Default 1e-6.
    warm_start: `fit` begins with the coefficients of the last one. Default False.
    solver: "unwrapped" (default), or "consensus" for smooth losses.
    random_state: of a solver that draws. Default None.
    verbose: show the progress. Default False.
    options: any keys of a job file, as `hpcadmm.Job.read` takes them: {"solver.rho": 10.0}. Default None.

    Attributes: coef_, intercept_, n_iter_; model_, the model as `hpcadmm.load` returns it, whose summary["certificate"]
    bounds the minimum.
    """


class Margin(Classifier, Linear):
    """A linear classifier with the parameter C."""

    def __init__(
        self,
        C: float = 1.0,
        *,
        penalty: str | None = "l2",
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        class_weight: Any = None,
        max_iter: int = 5000,
        tol: float | None = 1e-6,
        warm_start: bool = False,
        solver: str = "unwrapped",
        random_state: Any = None,
        verbose: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.C = C
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver
        self.random_state = random_state
        self.verbose = verbose
        self.options = options

    def _penalty(self, weight: float) -> dict[str, Any]:
        ratio = {"l1": 1.0, "l2": 0.0, "elasticnet": self.l1_ratio, None: 0.0}.get(self.penalty)
        if ratio is None:
            raise ValueError(f"penalty = {self.penalty!r}: must be 'l1', 'l2', 'elasticnet' or None")
        if not self.C > 0:
            raise ValueError(f"C = {self.C}: must be above 0")
        return mixed(0.0 if self.penalty is None else 1 / (self.C * weight), ratio)


OF_MARGIN = """
    C: weight of the losses beside the penalty, > 0. Default 1.0.
    penalty: "l2" (default): |W|^2/2; "l1": |W|_1; "elasticnet": l1_ratio |W|_1 + (1 - l1_ratio)/2 |W|^2; None.
    l1_ratio: default 0.5.
    class_weight: {class: weight} or "balanced". Default None: 1 each.
"""


class ADMMLogisticRegression(Margin):
    """Logistic regression: minimise C sum_i w_i log(1 + exp(-y_i z_i)) + penalty, of several classes with the
    cross-entropy of the softmax, as scikit-learn's LogisticRegression."""

    __doc__ = f"{__doc__}\n{OF_MARGIN}{PARAMETERS}"

    @property
    def _loss(self) -> str:
        return "logistic" if len(getattr(self, "classes_", "ab")) == 2 else "cross-entropy"


class ADMMLinearSVC(Margin):
    """Support vector machine: minimise C sum_i w_i max(1 - y_i z_i, 0) + penalty, of several classes one against the
    rest, as scikit-learn's SVC(kernel="linear") for two classes; the intercept is not penalised."""

    __doc__ = f"{__doc__}\n{OF_MARGIN}{PARAMETERS}"
    _loss = "hinge"


class Shrunk(Regressor, Linear):
    """A linear regression with the parameter alpha."""

    _loss = "squared"

    def _penalty(self, weight: float) -> dict[str, Any]:
        return mixed(self.alpha, getattr(self, "l1_ratio", 1.0), **({"nonnegative": True} if self.positive else {}))


OF_SHRUNK = """
    alpha: >= 0. Default 1.0.
"""
POSITIVE = "    positive: coefficients >= 0. Default False.\n"


class ADMMLasso(Shrunk):
    """Lasso: minimise (1/2N) sum_i w_i (z_i - y_i)^2 + alpha |W|_1, N = sum_i w_i, as scikit-learn's Lasso."""

    __doc__ = f"{__doc__}\n{OF_SHRUNK}{POSITIVE}{PARAMETERS}"

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        positive: bool = False,
        max_iter: int = 5000,
        tol: float | None = 1e-6,
        warm_start: bool = False,
        solver: str = "unwrapped",
        random_state: Any = None,
        verbose: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.solver = solver
        self.random_state = random_state
        self.verbose = verbose
        self.options = options


class ADMMElasticNet(ADMMLasso):
    """Elastic net: minimise (1/2N) sum_i w_i (z_i - y_i)^2 + alpha (l1_ratio |W|_1 + (1 - l1_ratio)/2 |W|^2), N =
    sum_i w_i, as scikit-learn's ElasticNet."""

    __doc__ = f"{__doc__}\n{OF_SHRUNK}    l1_ratio: in [0, 1]. Default 0.5.\n{POSITIVE}{PARAMETERS}"

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        positive: bool = False,
        max_iter: int = 5000,
        tol: float | None = 1e-6,
        warm_start: bool = False,
        solver: str = "unwrapped",
        random_state: Any = None,
        verbose: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            alpha, fit_intercept=fit_intercept, positive=positive, max_iter=max_iter, tol=tol, warm_start=warm_start,
            solver=solver, random_state=random_state, verbose=verbose, options=options,
        )  # fmt: skip
        self.l1_ratio = l1_ratio
