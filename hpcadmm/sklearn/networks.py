"""Multilayer perceptrons by any solver."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from hpcadmm.comm.world import World
from hpcadmm.datasets.formats.held import Held
from hpcadmm.job.job import Job
from hpcadmm.sklearn.base import Classifier, Estimator, Regressor, total
from hpcadmm.sklearn.carried import Carried
from hpcadmm.solvers import SOLVERS

ACTIVATIONS = {"logistic": "sigmoid"}  # of scikit-learn
SUMS = ("taylor", "dladmm", "pdadmm")  # they add decay |W|^2 to the sum of the losses, others decay/2 |W|^2 to the mean


def keys(estimator: Any) -> set[str]:
    """The keys of its solver; none if there is no such solver."""
    name = estimator.solver
    return {f.name for f in fields(SOLVERS[name])} if isinstance(name, str) and name in SOLVERS else set()


def continues(estimator: Any) -> bool:
    """Does its solver take minibatches, so that it can go on with other samples?"""
    return "batch" in keys(estimator) and not SOLVERS[estimator.solver].constrained


class Network(Estimator):
    """A multilayer perceptron. A subclass gives `_loss` and `_metric`, the score of early stopping."""

    _metric = ""

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "mpadmm",
        alpha: float = 0.0001,
        max_iter: int = 200,
        tol: float | None = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.options = options

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Network":
        """Train. X (samples, features), an array or sparse; y (samples,). Collective under mpirun."""
        self.__dict__.pop("_carried", None)
        begin = getattr(self, "model_", None) if self.warm_start else None
        self._finish(self._train(X, y, sample_weight, begin=begin))
        self._warn_if_unfinished()
        return self

    def _learn(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> "Network":
        """One pass over some samples, from where the last call ended."""
        carried, passes = getattr(self, "_carried", (Carried(), 0))
        begin = None if carried.arrays else getattr(self, "model_", None)
        fresh = not hasattr(self, "model_")
        more = {"classes": classes, "begin": begin, "callbacks": (carried,)}
        model = self._train(X, y, sample_weight, reset=fresh, once=True, **more)
        self._finish(model)
        self.n_iter_ = passes + 1
        self._carried = carried, self.n_iter_
        return self

    def _tables(self, weight: float) -> dict[str, Any]:
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object)).tolist()
        decay = self.alpha / 2 if self.solver in SUMS else self.alpha / weight
        tables: dict[str, Any] = {
            "network": {"hidden": sizes, "activation": ACTIVATIONS.get(self.activation, self.activation)},
            "loss": {"name": self._loss},
            "solver": {"name": self.solver, **({"decay": decay} if "decay" in keys(self) else {})},
            "stop": {"iterations": self.max_iter, "tolerance": self.tol or None},
        }
        if self.early_stopping:
            tables["data"] = {"validation": self.validation_fraction}
            tables["stop"] = {"iterations": self.max_iter, "patience": self.n_iter_no_change}
            tables["save"] = {"best": self._metric}
        return tables

    def _job(self, held: Held, world: World, once: bool = False) -> Job:
        """An iteration of scikit-learn is a pass over the samples, which may be several of the solver's."""
        job = super()._job(held, world)
        rows, L = held.rows, len(job.layers.hidden) + 1
        self._steps = max(1, round(rows / max(job.solver.samples(rows, L, job.loss.name), 1)))
        if once:
            data, save = replace(job.data, validation=None), replace(job.save, best=None)
            job = replace(job, data=data, save=save, stop=replace(job.stop, tolerance=None, patience=None))
        self._total = total(held) * (1 - (job.data.validation or 0.0))
        iterations = self._steps * (1 if once else self.max_iter)
        stop, measured = replace(job.stop, iterations=iterations), replace(job.evaluate, every=self._steps)
        return replace(job, stop=stop, evaluate=measured)

    def _finish(self, model: Any) -> None:
        """The attributes of scikit-learn's MLPs."""
        rows = model.metrics
        objectives = [row["objective"] for row in rows if "objective" in row]
        samples = 1.0 if model.job.solver.convex else self._total
        self.loss_curve_ = [value / samples for value in objectives]
        self.loss_, self.best_loss_ = (self.loss_curve_ or [math.nan])[-1], min(self.loss_curve_, default=math.nan)
        self.n_iter_ = -(-self.n_iter_ // self._steps)
        self.coefs_ = [W.T for W, _ in model.weights]
        self.intercepts_ = [b for _, b in model.weights]
        self.n_layers_, self.n_outputs_ = len(model.weights) + 1, len(model.weights[-1][0])
        if self.early_stopping:
            self.validation_scores_ = [row[self._metric] for row in rows if self._metric in row]
            self.best_validation_score_ = max((s for s in self.validation_scores_ if s is not None), default=math.nan)


PARAMETERS = """
    hidden_layer_sizes: units of each hidden layer; (): a linear model. Default (100,).
    activation: "relu" (default), "leaky-relu", "tanh", "logistic".
    solver: any of `hpcadmm`, whose README says which when. Default "mpadmm": ADMM with matrix penalties.
    alpha: alpha/2 |W|^2 is added to the sum of the losses, without biases; for solvers with weight decay. Default 1e-4.
    max_iter: most passes over the samples; of a solver that uses all of them at once, iterations. Default 200.
    tol: a fit ends if the objective changes by no more than this share from one pass to the next; None or 0: it takes
        max_iter passes. Default 1e-4.
    early_stopping: hold out validation_fraction of the samples, end after n_iter_no_change passes without a better
        score on them, and take the best weights. tol then does not count. Default False.
    validation_fraction: default 0.1.
    n_iter_no_change: default 10.
    warm_start: `fit` begins with the weights of the last one. Default False.
    random_state: of the first weights, the minibatches and what is held out. Default None.
    verbose: show the progress. Default False.
    options: any keys of a job file, as `hpcadmm.Job.read` takes them: {"solver.batch": 500, "precision": "float32"}.
        Default None.

    Attributes: model_, the network as `hpcadmm.load` returns it; loss_curve_, the objective by samples after each pass;
    loss_, best_loss_, n_iter_, coefs_, intercepts_, n_layers_, n_outputs_; with early_stopping validation_scores_ and
    best_validation_score_.
    """


class ADMMClassifier(Classifier, Network):
    """A classifier: minimise the mean cross-entropy of softmax outputs. classes_: the labels, sorted."""

    __doc__ = f"{__doc__}\n{PARAMETERS}"
    _metric = "test_accuracy"

    @available_if(continues)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "ADMMClassifier":
        """One pass over some samples, which continues the last call; for solvers of minibatches. classes: all labels,
        needed in the first call; a call may lack some of them. Collective under mpirun."""
        known = getattr(self, "classes_", classes)
        if known is None:
            raise ValueError("classes must be given in the first call of partial_fit")
        if classes is not None and not np.array_equal(np.unique(classes), np.unique(known)):
            raise ValueError(f"classes = {classes} are not those of the first call, {known}")
        self._learn(X, y, sample_weight, known)
        return self


class ADMMRegressor(Regressor, Network):
    """A regressor: minimise the mean squared error, of one target or several."""

    __doc__ = f"{__doc__}\n{PARAMETERS}"
    _loss = "squared"
    _metric = "test_r2"

    @available_if(continues)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "ADMMRegressor":
        """One pass over some samples, which continues the last call; for solvers of minibatches. Collective under
        mpirun."""
        self._learn(X, y, sample_weight)
        return self
