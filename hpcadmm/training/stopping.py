"""The rules that end a run; each returns the sentence that says why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.job.job import Stop
from hpcadmm.training.best import better, value_of
from hpcadmm.training.measure import Row

DIVERGED = 1e6  # times the first measured objective


@dataclass
class Stopping:
    """Judges every measured row, the same on every rank; a checkpoint keeps its state.

    metric: decides which iteration is the best (save.best, by default the test accuracy or error).
    """

    rules: Stop
    metric: str = "test_accuracy"
    first: float | None = None  # objective
    last: float | None = None  # objective
    best: float | None = None  # of the metric
    at: int = 0  # the iteration of the best
    since: int = 0  # measured iterations since the best

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        kept = ("metric", "first", "last", "best", "at", "since")
        return {key: getattr(self, key) for key in kept}

    def restore(self, state: dict[str, Any]) -> None:
        self.first, self.last = state.get("first"), state.get("last")
        if state.get("metric", self.metric) == self.metric:  # else the best by another metric says nothing
            self.best, self.at, self.since = state.get("best"), int(state.get("at", 0)), int(state.get("since", 0))

    def forget(self) -> None:
        """Forget the best: its weights are gone."""
        self.best, self.at, self.since = None, 0, 0

    def begin(self) -> None:
        """Another fit begins: the last objective was that of another problem, and its iterations count anew."""
        self.last, self.since = None, 0

    def record(self) -> dict[str, Any]:
        """The best so far, for the summary and the checkpoint of its weights."""
        return {"metric": self.metric, "value": self.best, "iteration": self.at}

    def refer(self, optimum: Any, precision: str) -> None:
        """Use a known optimum: an objective diverges relative to f(0), that of zero weights.

        Raises UsageError if stop.error is finer than weights in the job's precision can show.
        """
        self.first = optimum.beginning if self.first is None else self.first
        error, finest = self.rules.error, optimum.finest
        if error is not None and error < finest:
            better = ', precision = "float64"' if precision != "float64" else ""
            raise UsageError(
                f"stop.error = {error:g} cannot be met: the minimum is {optimum.least:.6g}, and weights in {precision} "
                f"show no error below {finest:.2g}; choose stop.error >= {2 * finest:.1g}{better}, "
                "or smaller units of features and targets (data.scale)"
            )

    def diverged(self, row: Row) -> str | None:
        """The reason if the objective is not finite or far above the first."""
        objective = row.get("objective")
        if objective is None:  # not measured
            return None
        self.first = objective if self.first is None else self.first
        if not math.isfinite(objective):
            return f"diverged: the objective is {objective}"
        if abs(objective) > DIVERGED * max(abs(self.first), 1.0):
            return f"diverged: the objective {objective:.3g} is {DIVERGED:g} times the first, {self.first:.3g}"
        return None

    def satisfied(self, row: Row) -> str | None:
        """The reason of the first rule that a measured row meets, or None."""
        rules = (
            self._accuracy,
            self._objective,
            self._residual,
            self.residuals,
            self._gap,
            self._patience,
            self._error,
        )
        reasons = [rule(row) for rule in rules]  # all, since some keep a state
        return next((reason for reason in reasons if reason), None)

    def _accuracy(self, row: Row) -> str | None:
        target, reached = self.rules.accuracy, row.get("test_accuracy")
        there = target is not None and reached is not None and reached >= target
        return f"test accuracy {reached:.4f} reached {target}" if there else None

    def _objective(self, row: Row) -> str | None:
        last, self.last = self.last, row.get("objective")
        if last is None or self.last is None:
            return None
        change = abs(self.last - last)
        if self.rules.tolerance and change <= self.rules.tolerance * abs(last):
            return f"objective changed by {change:.3g}, within tolerance {self.rules.tolerance:g} of {abs(last):.6g}"
        if self.rules.tolerance_absolute and change <= self.rules.tolerance_absolute:
            return f"objective changed by {change:.3g}, within tolerance_absolute {self.rules.tolerance_absolute:g}"
        return None

    def _residual(self, row: Row) -> str | None:
        residual, scale = row.get("primal_residual", math.inf), row.get("scale", 0.0)
        if self.rules.residual and residual <= self.rules.residual * scale:
            return f"primal residual {residual:.3g} is within {self.rules.residual:g} of {scale:.6g}"
        if self.rules.residual_absolute and residual <= self.rules.residual_absolute:
            return f"primal residual {residual:.3g} is within {self.rules.residual_absolute:g}"
        return None

    def residuals(self, row: Mapping[str, Any]) -> str | None:
        """The reason if a row has both residuals, and they are small enough."""
        absolute, relative = self.rules.absolute or 0.0, self.rules.relative or 0.0
        if not (absolute or relative) or "dual_scale" not in row:
            return None
        primal, dual = (absolute + relative * row[key] for key in ("scale", "dual_scale"))
        if row["primal_residual"] > primal or row["dual_residual"] > dual:
            return None
        said = f"primal residual {row['primal_residual']:.3g} within {primal:.3g}, dual {row['dual_residual']:.3g}"
        return f"{said} within {dual:.3g}"

    def _gap(self, row: Row) -> str | None:
        gap = row.get("duality_gap")
        if self.rules.gap is None or gap is None or gap > self.rules.gap:
            return None
        return f"duality gap {gap:.3g} of the objective is within {self.rules.gap:g}"

    def _error(self, row: Row) -> str | None:
        error = self.rules.error
        if error is None or "objective_error" not in row:
            return None
        most = max(row["objective_error"], row["mean_error"])
        if most <= error and row["primal_residual"] <= math.sqrt(error) * row["scale"]:
            return f"objective within {most:.3g} of the optimum, also at the mean, reached error {error:g}"
        return None

    def _patience(self, row: Row) -> str | None:
        value = value_of(row, self.metric)
        self.since += 1
        if better(value, self.best, self.metric):
            self.best, self.at, self.since = value, row["iteration"], 0
        if self.rules.patience and self.best is not None and self.since >= self.rules.patience:
            name = self.metric.replace("_", " ")
            return f"no better {name} than {self.best:.4f} in {self.since} measured iterations"
        return None


def cures(solver: Any, warnings: Sequence[str]) -> list[str]:
    """What may help a run that diverged, for its message. warnings: about the data.

    >>> from hpcadmm.solvers import SOLVERS
    >>> cures(SOLVERS["sgd"](rate=2), ["a.csv: the deviation of the features differs 1e+10-fold"])
    ['try a smaller solver.rate than 2', 'a.csv: the deviation of the features differs 1e+10-fold']
    """
    now = {key: getattr(solver, key) for key in solver.steadier}
    tries = [
        f"try a {solver.steadier[key]} solver.{key} than {x:g}" for key, x in now.items() if not isinstance(x, str)
    ]
    return [*tries, *warnings]
