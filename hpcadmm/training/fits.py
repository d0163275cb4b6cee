"""When a fit ends; the fits of a regularisation path, when the next one begins, and what a run folder keeps of them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hpcadmm.datasets.outputs import output_names
from hpcadmm.solvers.convex.path import Fits, across, choices, chosen, count, measured
from hpcadmm.solvers.convex.unwrapped import Unwrapped
from hpcadmm.storage.readers import COEFFICIENTS, PATH

if TYPE_CHECKING:
    from hpcadmm.training.current import Training

Row = dict[str, Any]


def unmeasured(t: "Training") -> str | None:
    """The reason of a rule of [stop] for which nothing has to be measured, if it is met."""
    full = t.spent >= t.job.stop.iterations
    return t.stopping.residuals(t.job.solver.formed(t.state)) or (f"{t.spent} iterations" if full else None)


def next_fit(t: "Training") -> bool:
    """A rule of [stop] has ended a fit: begin the next one; False: it was the last. Collective."""
    with t.clock.solver():
        more = t.job.solver.advance(t.state, t.problem, t.world)
    if more:
        t.stopping.begin()
    return more


def write_path(t: "Training") -> Row:
    """Write path.csv and its coefficients, as far as there are fits; returns what the summary says. Collective."""
    s, solver = t.state, cast(Unwrapped, t.job.solver)
    if not isinstance(s, Fits):
        return {}
    if measured(s).any():
        t.run.table(PATH, list(strengths(t)))
        t.run.table(COEFFICIENTS, list(coefficients(t)))
    found: Row = {"fits": int((s.lasted > 0).sum()), "of": s.lasted.size}
    if solver.folds and (s.lasted[:-1] > 0).all():
        found |= {key.replace("-", "_"): float(s.strengths[j]) for key, j in choices(s).items()}
    if s.fit == count(solver, s) - 1:
        found["strength"] = float(s.strengths[chosen(solver, s)])
    return {"path": found}


def strengths(t: "Training") -> Iterator[Row]:
    """A row of each strength that has been fitted to all samples."""
    s, n, folds = t.state, t.problem.network.n[0], len(t.state.deviance) - 1
    mean, error = across(s) if folds else (None, None)
    for j in np.flatnonzero(measured(s)):
        row = {
            "strength": float(s.strengths[j]),
            "nonzeros": int(np.count_nonzero(s.found[j, :, :n])),
            "iterations": int(s.lasted[-1, j]),
            "deviance": float(s.deviance[-1, j]),
        }
        if mean is not None and error is not None:
            row |= {"mean_deviance": float(mean[j]), "standard_error": float(error[j])}
            row |= {f"deviance_{fold + 1}": float(s.deviance[fold, j]) for fold in range(folds)}
        yield row


def coefficients(t: "Training") -> Iterator[Row]:
    """A row of each coefficient that is not 0 and of each intercept: in the units of the data, and of the scaled
    features and targets."""
    s, n, data = t.state, t.problem.network.n[0], t.setup.data
    outputs = output_names(data.columns, data.names or [] if data.classes else [], t.problem.network.n[1])
    names = data.feature_names
    for j in np.flatnonzero(measured(s)):
        W = s.found[j]
        b = W[:, n] if t.problem.network.bias else np.zeros(len(W))
        wide, shifted = data.transform.original(W[:, :n], b)
        for k, output in enumerate(outputs):
            head = {"strength": float(s.strengths[j]), "output": output}
            yield {**head, "feature": "intercept", "coefficient": float(shifted[k]), "scaled": float(b[k])}
            for i in np.flatnonzero(W[k, :n]):
                yield {**head, "feature": names[i], "coefficient": float(wide[k, i]), "scaled": float(W[k, i])}
