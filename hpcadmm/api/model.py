"""A trained network in Python."""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hpcadmm.after.evaluate import scored
from hpcadmm.after.otherdata import MEANING, Choice, choose
from hpcadmm.after.predict import Reading, opened, outputs
from hpcadmm.after.sheet import Columns, Sheet
from hpcadmm.after.trained import Trained, Which, read
from hpcadmm.comm.world import World
from hpcadmm.datasets.formats.arrays import InMemory, table_of
from hpcadmm.datasets.formats.frames import in_memory
from hpcadmm.datasets.formats.held import hold
from hpcadmm.datasets.given.inputs import blocks, dealt
from hpcadmm.datasets.table import Table
from hpcadmm.datasets.tabular.frame import is_frame, rows_of
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.datasets.tabular.table import RawTable
from hpcadmm.errors import UsageError
from hpcadmm.experiments.plan import flat
from hpcadmm.job.job import Job
from hpcadmm.model.state import Array
from hpcadmm.storage.run import read_metrics, read_summary

warn = partial(warnings.warn, stacklevel=3)


def load(run: "str | Path | Model", iteration: Which = None) -> "Model":
    """The network of a run folder: the best if the run keeps it (save.best), else the newest; "last", or one iteration.

    Every process reads by itself; MPI does not start. Raises UsageError if there is no such run or checkpoint.
    """
    if isinstance(run, Model):
        return run
    trained = read(Path(run), iteration, World.without_mpi(), warn)
    return Model(trained, [], read_summary(Path(run)) or {}, Path(run))


class Model:
    """A trained network, and the run that trained it.

    job: the complete job. iteration: of the weights. summary: as in summary.json.
    folder: the run folder; None if the run was not saved.

    Its methods work in this process alone, without communication. X is as in `hpcadmm.train`, or the path of a file
    like that of the training; raw, since the network scales it as the training did. Columns with names are found by
    name. Errors are UsageErrors.
    """

    def __init__(
        self, trained: Trained, rows: Sequence[dict[str, Any]], summary: dict[str, Any], folder: Path | None
    ) -> None:
        self.trained, self.summary, self.folder, self._rows = trained, summary, folder, rows

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.trained.network.n))
        return f"<{self.job.solver.name} {sizes}, {self.trained.which}{f', {self.folder}' if self.folder else ''}>"

    @property
    def job(self) -> Job:
        return self.trained.job

    @property
    def iteration(self) -> int:
        return self.trained.iteration

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The measured iterations as flat dicts, for pandas.DataFrame: objective, accuracies, seconds, bytes ..."""
        return [flat(row) for row in (self._rows if self.folder is None else read_metrics(self.folder))]

    @property
    def weights(self) -> list[tuple[Array, Array | None]]:
        """W (outputs, inputs) and b (outputs,), None without biases, of each layer. They are for scaled features."""
        return self.trained.layers()

    @property
    def classes(self) -> Array:
        """The labels of the classes, in the order of the outputs: whole numbers if all are, else text; empty for a
        regression."""
        names = self.trained.names
        return np.array([int(name) for name in names] if all(map(_whole, names)) else names)

    def predict(self, X: Any) -> Array:
        """The label of each sample (samples,); of a regression the targets (samples,) or (samples, targets), in their
        own units."""
        found = self._columns(X)
        if self.trained.classes:
            return np.asarray(self.classes[found["class"]])
        values = found["values"].astype(np.float64)
        return values[:, 0] if values.shape[1] == 1 else values

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (samples, classes). Raises UsageError for a loss whose outputs are none."""
        if not (self.trained.classes and self.job.loss.probable):
            said = f'loss.name = "{self.job.loss.name}": the outputs are no probabilities'
            raise UsageError(f"{said}; use predict or outputs, or train with cross-entropy or logistic")
        return np.asarray(self._columns(X)["probabilities"])

    def outputs(self, X: Any) -> Array:
        """The outputs of the last layer (samples, outputs), before any scaling of targets is undone."""
        trained, world = self.trained, World.without_mpi()
        table, factor = self._table(X, world)
        how = trained.transform.inputs, trained.dtype, trained.network.bias, factor
        with threadpool_limits(trained.job.head.threads):
            found = list(outputs(trained, blocks(table, dealt(table, world), *how)))
        return np.concatenate(found, axis=1).T

    def evaluate(self, X: Any = None, y: Any = None, part: str | None = None, weight: Any = None) -> dict[str, Any]:
        """The scores, as of `hpcadmm evaluate --json`, of X and y; without them of the run's own data, whose `part` is
        "train", "test" (default) or "all"."""
        trained, world = self.trained, World.alone()
        if X is None or isinstance(X, str | Path):
            choice = choose(trained, () if X is None else (str(X),), world)
        else:
            if y is None:
                raise UsageError("evaluate(X) needs y, too")
            meaning = {key: getattr(trained.job.data, key) for key in MEANING}
            target = trained.columns.target if isinstance(trained.columns, Schema) else None
            X = X if target is not None or not is_frame(X) else unnamed(X)
            names = target.names if target else ()
            choice = Choice(in_memory(InMemory(**meaning), X, y, weight, targets=names), True)
        return scored(trained, choice, part, world, warn)

    def _columns(self, X: Any) -> Columns:
        return Sheet(self.trained).columns(self.outputs(X).T)

    def _table(self, X: Any, world: World) -> tuple[Table, int]:
        """The features of X, and the factor of down-sampling. Raises UsageError if they are not the training's."""
        trained = self.trained
        if isinstance(X, str | Path):
            return opened(trained, Path(X), Reading(), world)
        factor, columns = trained.job.data.downsample, trained.columns
        if is_frame(X) and isinstance(columns, Schema):
            raw = rows_of(X, {}).raw(getattr(trained.job.data, "missing", ()), world)
            found = RawTable(raw, None)
            found.use(columns.matched(raw))
            return found, factor
        table = table_of(hold(unnamed(X) if is_frame(X) else X), "auto", None)
        features = trained.features * factor**2
        if table.features != features:
            raise UsageError(f"X has {table.features} features, but the network was trained on {features}")
        return table, factor


def unnamed(frame: Any) -> Array:
    """A table as an array, for a network that was trained on arrays."""
    columns = list(frame.values()) if isinstance(frame, Mapping) else None
    return np.asarray(frame) if columns is None else np.column_stack(columns)


def _whole(name: str) -> bool:
    """Is this a whole number as int writes it?

    >>> _whole("-12"), _whole("007"), _whole("1.5"), _whole("a")
    (True, False, False, False)
    """
    return name.removeprefix("-").isdecimal() and str(int(name)) == name
