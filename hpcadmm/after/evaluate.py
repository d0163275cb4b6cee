"""Measures of a trained network, on its own data or on others: the same numbers on any number of ranks."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table
from threadpoolctl import threadpool_limits

from hpcadmm.after.otherdata import Choice, by_place, choose, load
from hpcadmm.after.trained import Trained, Warn, read
from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.datasets.loaded import Loaded, Samples
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError, printable
from hpcadmm.model.losses.base import decide

SHOWN = {"accuracy": "accuracy", "mean_squared_error": "mean squared error", "rmse": "RMSE", "mae": "MAE", "r2": "R^2"}
WIDEST = 25  # classes: larger confusion matrices are not printed
Vector = NDArray[np.float64]
right = partial(Column, justify="right")


def evaluate(
    run: Path, overrides: Sequence[str], part: str | None, iteration: int | None, world: World, warn: Warn
) -> dict[str, Any]:
    """The measures of a run's network, ready for JSON, on every rank. Collective.

    overrides: other data than the run's own (see `otherdata.choose`).
    part: "train", "test" or "all"; None: the test part, or all of other data without a test part.
    Raises UsageError, on all ranks, for an invalid run, checkpoint or dataset.
    """
    trained = read(run, iteration, world, warn)
    with threadpool_limits(trained.job.head.threads):
        with phase("reading the data"):
            choice = choose(trained, overrides, world)
            loaded = load(trained, choice, world)
            if world.first:
                warn_of_data(trained, choice, loaded, warn)
        chosen = part or ("all" if choice.whole else "test")
        parts = [getattr(loaded, name) for name in (("train", "test") if chosen == "all" else (chosen,))]
        samples = sum(p.n for p in parts)
        if not samples:
            raise UsageError(f"the {chosen} part has no samples; choose another with --part")
        with phase("evaluating"):
            measured = (classified if trained.classes else regressed)(trained, parts, world)
    facts = {"run": str(run), "name": trained.job.head.name, "iteration": trained.iteration}
    return {**facts, "data": choice.dataset.name, "part": chosen, "samples": samples, **measured}


def warn_of_data(trained: Trained, choice: Choice, loaded: Loaded, warn: Warn) -> None:
    """Pass on the warnings of the data, and warn if its classes are matched by position."""
    for line in dict.fromkeys(loaded.warnings):
        warn(line)
    if by_place(loaded.names or [], trained.names):
        pairs = ", ".join(f"{a} = {b}" for a, b in zip(loaded.names or [], trained.names, strict=True))
        warn(f"{choice.dataset.name} and the network share no class name; classes are matched by position: {pairs}")


def classified(trained: Trained, parts: Sequence[Samples], world: World) -> dict[str, Any]:
    """Accuracy, a row per class, and the confusion matrix: rows are true classes, columns predicted classes."""
    k = trained.classes
    counts = np.zeros(k * k)
    for part in parts:
        for _, t in part.tiles:
            predicted = decide(trained.output(part.x[:, t]))
            counts += np.bincount(part.labels[t] * k + predicted, minlength=k * k)
    confusion = world.sum(counts)[0].reshape(k, k).astype(np.int64)  # whole numbers: exact in any order
    sums = (np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1))
    rows = [class_row(name, *map(int, each)) for name, *each in zip(trained.names, *sums, strict=True)]
    means = {key: mean([row[key] for row in rows]) for key in ("precision", "recall", "f1")}
    accuracy = int(np.trace(confusion)) / int(confusion.sum())
    return {"accuracy": accuracy, "macro": means, "classes": rows, "confusion": confusion.tolist()}


def class_row(name: str, right: int, predicted: int, true: int) -> dict[str, Any]:
    """The measures of a class; None for 0 / 0."""
    precision, recall, f1 = ratio(right, predicted), ratio(right, true), ratio(2 * right, predicted + true)
    return {"name": name, "precision": precision, "recall": recall, "f1": f1, "support": true}


def ratio(part: float, whole: float) -> float | None:
    """part / whole; None if whole is 0."""
    return part / whole if whole else None


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are numbers."""
    numbers = [value for value in values if value is not None]
    return ratio(sum(numbers), len(numbers))


def regressed(trained: Trained, parts: Sequence[Samples], world: World) -> dict[str, Any]:
    """Squared and absolute errors as in the training (scaled targets), and per target in the data's own units.

    r2 is 1 - squared error / squared deviation of the targets from their mean.
    """
    undo = trained.transform.targets or Affine.identity(trained.network.n[-1])
    n = sum(part.n for part in parts)
    centre = total(parts, world, lambda part, t: np.atleast_2d(part.labels)[:, t].sum(axis=1)) / n

    def errors(part: Samples, t: slice) -> Vector:
        """Sums over a tile: the test_error of metrics.jsonl, |error|, and three sums per target in its own units."""
        y = np.atleast_2d(part.labels)[:, t]
        scaled = np.array(y, order="F")  # a copy
        undo.apply(scaled)
        z = trained.output(part.x[:, t])
        error = z - scaled.astype(z.dtype)
        raw = undo.undo(z) - y
        each = [np.square(raw), np.abs(raw), np.square(y - centre[:, None])]
        own = [float(e.sum(dtype=np.float64)) / len(z) for e in (np.square(error), np.abs(error))]
        return np.concatenate([own, *(e.sum(axis=1) for e in each)])

    sums = total(parts, world, errors)
    rows = [target_row(str(i), n, *map(float, of)) for i, of in enumerate(zip(*np.split(sums[2:], 3), strict=True))]
    error, mae = float(sums[0]) / n, float(sums[1]) / n
    r2 = mean([row["r2"] for row in rows])
    return {"mean_squared_error": error, "rmse": float(np.sqrt(error)), "mae": mae, "r2": r2, "targets": rows}


def target_row(name: str, n: int, squares: float, absolutes: float, deviations: float) -> dict[str, Any]:
    """The measures of one target from its sums; R^2 is None if all targets are equal."""
    r2 = 1 - squares / deviations if deviations else None
    return {"name": name, "rmse": float(np.sqrt(squares / n)), "mae": absolutes / n, "r2": r2}


def total(parts: Sequence[Samples], world: World, of: Callable[[Samples, slice], Vector]) -> Vector:
    """The sum of of(part, columns of a tile) over all tiles: the same bits on any number of ranks."""
    sums: Vector | float = 0.0
    for part in parts:
        width = len(of(part, slice(0, 0)))
        rows = [of(part, t) for _, t in part.tiles]
        columns = np.array(rows, np.float64).reshape(len(rows), width).T
        sums = sums + np.array([sum_by_tile(world, part.tiles, column[:, None])[0] for column in columns])
    return np.asarray(sums)


def shown(result: dict[str, Any]) -> Iterator[str | Table]:
    """The result as text: a sentence, a row per class or target with the means, the confusion matrix."""
    classes = "macro" in result
    cell = partial(number, how=".4f" if classes else ".5g")
    scores = ", ".join(f"{SHOWN[key]} {cell(result[key])}" for key in SHOWN if key in result)
    what = f"{result['part']} part of {result['data']}" if result["part"] != "all" else f"all of {result['data']}"
    yield f"{printable(result['name'])}, iteration {result['iteration']}, {what}, {result['samples']} samples: {scores}"
    rows = result["classes" if classes else "targets"]
    each = Table("class" if classes else "target", *map(right, list(rows[0])[1:]), box=SIMPLE_HEAD)
    for row in rows:
        each.add_row(*map(cell, row.values()))
    if classes:
        each.add_section()
        each.add_row("mean", *map(cell, result["macro"].values()), str(result["samples"]))
    yield each
    if classes and len(rows) <= WIDEST:
        yield confusion_table([row["name"] for row in rows], result["confusion"])


def confusion_table(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> Table:
    """The confusion matrix, with a dot for 0. Rows are true classes."""
    table = Table("true \\ predicted", *map(right, names), box=SIMPLE_HEAD)
    for name, counts in zip(names, confusion, strict=True):
        table.add_row(name, *(str(count) if count else "." for count in counts))
    return table


def number(value: Any, how: str) -> str:
    """A cell: integers and text unchanged, undefined values as a dash.

    >>> number(0.95, ".4f"), number(None, ".4f"), number(7, ".4f")
    ('0.9500', '-', '7')
    """
    return "-" if value is None else format(value, how) if isinstance(value, float) else str(value)
