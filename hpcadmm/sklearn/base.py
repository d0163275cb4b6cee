"""The common part of all estimators: checked arrays, a job made of the parameters, the run, predictions."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from hpcadmm.api.model import Model
from hpcadmm.api.train import origin_of, run, world_of
from hpcadmm.comm.world import World
from hpcadmm.datasets.formats.arrays import WEIGHT, InMemory, holding
from hpcadmm.datasets.formats.held import Held, hold
from hpcadmm.errors import Diverged, UsageError
from hpcadmm.job.job import Job
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.losses.base import of_classes, probabilities
from hpcadmm.model.state import Array
from hpcadmm.training.callbacks import Callback

PLAIN = {"scale": "none", "standardise": False, "standardise_targets": False}  # as the arrays are


def total(held: Held) -> float:
    """The sum of the weights; without weights the number of samples."""
    return float(held.rows if held.weight is None else held.weight.sum())


class Estimator(BaseEstimator):
    """An estimator that trains a job. A subclass gives `_tables` and `_target`."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _tables(self, weight: float) -> dict[str, Any]:
        """The tables of the job, for this sum of the samples' weights."""
        raise NotImplementedError

    def _target(self, y: Array, world: World, classes: Any) -> tuple[Array, list[str] | None]:
        """y as the dataset takes it, and the names of its classes. Collective."""
        raise NotImplementedError

    def _checked(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> tuple[Any, Array, Array | None]:
        """The arrays, checked; rows of weight 0 are left out."""
        X, y = validate_data(
            self, X, y, reset=reset, accept_sparse="csr", dtype=[np.float64, np.float32],
            multi_output=self.__sklearn_tags__().target_tags.multi_output, y_numeric=isinstance(self, RegressorMixin),
        )  # fmt: skip
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        if weight is None or weight.all():
            return X, y, weight
        if not weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return X[weight != 0], y[weight != 0], weight[weight != 0]

    def _train(
        self, X: Any, y: Any, sample_weight: Any = None, *, reset: bool = True, begin: Model | None = None,
        classes: Any = None, callbacks: tuple[Callback, ...] = (), once: bool = False,
    ) -> Model:  # fmt: skip
        """Train on all ranks; `once`: one pass only. Collective. Raises ValueError."""
        world = world_of(None)
        try:
            with world.together("checking X and y"):
                X, y, weight = self._checked(X, y, sample_weight, reset)
            held = self._held(X, y, weight, classes, world)
            job = self._job(held, world, once)
            counted = {} if held.weight is None else {"weight": WEIGHT}
            job = replace(job, data=holding(InMemory, job.data, held, **counted))
            origin = None if begin is None else origin_of(begin)
            self.model_ = run(job, world, None, callbacks, origin, not self.verbose)
        except (UsageError, Diverged) as error:
            raise ValueError(str(error)) from error
        self.n_iter_ = int(self.model_.summary["iterations"])
        return self.model_

    def _held(self, X: Any, y: Array, weight: Array | None, classes: Any, world: World) -> Held:
        """The rows of all ranks. Collective."""
        labels, names = self._target(y, world, classes)
        held = replace(hold(X, labels, weight, world), names=names, partial=classes is not None)
        if held.rows < 2:
            raise UsageError(f"n_samples = {held.rows}: training needs two samples or more")
        return held

    def _job(self, held: Held, world: World, once: bool = False) -> Job:
        """The job of the parameters. Collective."""
        seed = world.share(int(check_random_state(self.random_state).randint(2**31)))
        tables = {"name": type(self).__name__, "seed": seed, **self._tables(total(held))}
        tables["data"] = {"name": "arrays", **PLAIN, **tables.get("data", {})}
        return Job.read(tables, **(self.options or {}))

    def _outputs(self, X: Any) -> Array:
        """z (samples, outputs) for new samples."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])
        return self.model_.outputs(X)

    def _warn_if_unfinished(self) -> None:
        """Warn of a run that ended at max_iter, unless no rule of tol was set."""
        ended = self.model_.summary
        if self.tol and ended["stop_reason"] == f"{ended['iterations']} iterations":
            said = f"max_iter = {self.max_iter} reached: the objective may still fall"
            warnings.warn(said, ConvergenceWarning, stacklevel=3)


def probable(estimator: Any) -> bool:
    """Are the outputs of its loss those of probabilities?"""
    name = estimator._loss
    return isinstance(name, str) and name in LOSSES and LOSSES[name].probable


class Classifier(ClassifierMixin, Estimator):
    """The part of a classifier. A subclass gives `_loss`, the name of its loss."""

    _loss: Any = "cross-entropy"

    def _target(self, y: Array, world: World, classes: Any) -> tuple[Array, list[str] | None]:
        with world.together("checking y"):
            check_classification_targets(y)
            mine = np.unique(y if classes is None else classes)
        known = np.unique(np.array(sorted(set().union(*world.gather(mine.tolist())))))
        self.classes_ = known.astype(mine.dtype) if mine.dtype.kind not in "US" else known
        with world.together("checking y"):
            if len(known) < 2:
                raise UsageError(f"the data have only one class, {known[0]}: a classification needs two classes")
            if strange := set(np.unique(y).tolist()) - set(known.tolist()):
                raise UsageError(f"y has the classes {sorted(strange)}, which are not among `classes`")
        return np.searchsorted(self.classes_, y).astype(np.int64), [str(name) for name in self.classes_]

    def _held(self, X: Any, y: Array, weight: Array | None, classes: Any, world: World) -> Held:
        held = super()._held(X, y, weight, classes, world)
        if getattr(self, "class_weight", None) is None or held.y is None:
            return held
        each = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[held.y])[held.y]
        return replace(held, weight=each if held.weight is None else held.weight * each)

    def decision_function(self, X: Any) -> Array:
        """The outputs (samples, classes); of two classes what speaks for the second (samples,), positive if it is
        predicted."""
        z = self._outputs(X)
        return np.diff(of_classes(z.T), axis=0)[0] if len(self.classes_) == 2 else z

    def predict(self, X: Any) -> Array:
        """The class of each sample (samples,)."""
        z = self.decision_function(X)
        return np.asarray(self.classes_[(z > 0).astype(int) if z.ndim == 1 else z.argmax(axis=1)])

    @available_if(probable)
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (samples, classes), in the order of classes_."""
        return probabilities(self._outputs(X).T).T

    @available_if(probable)
    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of `predict_proba`."""
        return np.log(self.predict_proba(X))


class Regressor(RegressorMixin, Estimator):
    """The part of a regressor."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _target(self, y: Array, world: World, classes: Any) -> tuple[Array, list[str] | None]:
        return y.astype(np.float64), None

    def predict(self, X: Any) -> Array:
        """The target of each sample (samples,), or targets (samples, targets)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])
        return self.model_.predict(X)
