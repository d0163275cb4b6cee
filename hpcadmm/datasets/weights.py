"""data.weight: how often each sample counts, by its class, a column or array of the data, or a text file."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.disk.lookup import expanded, reason, there
from hpcadmm.datasets.fill import visits
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import Rows, Source, Table, Unweighted, step
from hpcadmm.errors import UsageError

Vector = NDArray[np.float64]
Key = int | str | Mapping[str, float]
MOST = 1e30  # fits float32, with room for sums


def weigh(
    key: Key | None,
    parts: Sequence[Samples],
    sources: Sequence[Source],
    names: Sequence[str] | None,
    world: World,
    *,
    training: bool,
) -> list[str]:
    """Fill `weight` of the train and the test part; returns lines for the user. Collective.

    names: of the classes, None for a regression. Class weights are for training only: the test part and all metrics
    count each sample once. training: else the data are only evaluated, and may lack the weights. Raises UsageError, on
    all ranks, for unknown classes and columns, for weights that are not from 0 to MOST, and if the sum over the train
    part is 0.
    """
    train = parts[0]
    if key is None:
        return []
    if isinstance(key, Mapping) or key == "balanced":
        if not training:
            return []
        of_class = by_class(key, train.labels, names, world)
        train.weight, train.by_class = of_class[train.labels], True
        said = [f"{name}: {w:.6g}" for name, w in zip(names or (), of_class.tolist(), strict=True)]
        facts = [f"weights of the classes: {shown(said)}"]
    else:
        facts = by_row(key, parts, sources, world, training=training)
    if training and (train.weight is None or float(world.sum(train.weight.sum())[0]) == 0):
        raise UsageError(f"data.weight = {told(key)}: all weights of the train part are 0, so nothing would be trained")
    return facts


def by_class(key: Any, labels: NDArray[Any], names: Sequence[str] | None, world: World) -> Vector:
    """The weight of each class (classes,). Collective.

    "balanced": n / (k n_c) for the k classes of the train part, n_c of its n samples in class c, as in scikit-learn;
    each class then counts as much as any other. Else the weights named, and 1 for classes that are not named.
    """
    if names is None:
        raise UsageError(f"data.weight = {told(key)}: the targets are real, not classes; name a column of weights")
    if isinstance(key, Mapping):
        return named(key, names)
    (counts,) = world.sum(np.bincount(labels, minlength=len(names)))
    return np.where(counts > 0, counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1)), 1.0)


def named(given: Mapping[str, float], names: Sequence[str]) -> Vector:
    """The weight given to each class, 1 to the others.

    >>> named({"b": 2.0, "1.0": 3}, ["a", "b", "1"]).tolist()
    [1.0, 2.0, 3.0]
    """
    found = np.ones(len(names))
    for name, weight in given.items():
        at = [k for k, known in enumerate(names) if known == name] or [k for k, v in enumerate(names) if same(v, name)]
        if not at:
            raise UsageError(f"data.weight: no class {name!r}; the classes are {shown(names)}")
        if not 0 <= weight <= MOST:
            raise UsageError(f"data.weight: the class {name!r} has the weight {weight:g}; must be from 0 to {MOST:g}")
        found[at[0]] = weight
    return found


def same(one: str, other: str) -> bool:
    """Are both texts the same number?"""
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def told(key: Key) -> str:
    """The key in a message."""
    return "{class = weight}" if isinstance(key, Mapping) else repr(key)


def by_row(
    key: int | str, parts: Sequence[Samples], sources: Sequence[Source], world: World, *, training: bool
) -> list[str]:
    """The weights of both parts by `key`. A part that is not trained on may lack them: each sample counts once."""
    facts = [f"weights of the samples: {key}"]
    for part, source, of in zip(parts, sources, keys(key, *(source.table for source in sources)), strict=True):
        with world.together("reading the weights"):
            try:
                part.weight = of_rows(of, source.table, source.rows[part.tiles.lo : part.tiles.hi])
            except Unweighted as error:
                if training and part is parts[0]:
                    raise
                facts.append(f"each sample counts once in metrics: {error}")
    return facts


def keys(key: int | str, train: Table, test: Table) -> tuple[int | str, int | str]:
    """The key for each part. A test part of its own has the array `key`_test if it lies in the train part's file, and
    the text file whose name has that of the test file in the place of the train file's."""
    if test is train or isinstance(key, int) or not train.files or not test.files:
        return key, key
    if test.files == train.files:
        return key, f"{key}_test"
    return key, key.replace(train.files[0].name, test.files[0].name)


def of_rows(key: int | str, table: Table, rows: Rows) -> Vector:
    """The weights of some rows, in their order: a column or array of the table, or a text file with one weight for each
    of its rows."""
    found = np.empty(len(rows))
    spot: Callable[[int], str] = partial(table.spot, key=key)
    with ExitStack() as stack:
        try:
            read = stack.enter_context(table.weights_of(key))
        except Unweighted as error:
            file = beside(key, table)
            if file is None:
                raise Unweighted(f"{error}; nor is there a text file of this name") from None
            read, spot = lines(file, table).__getitem__, lambda row: f"{file}: weight {row + 1}"
        for start, stop, got, put in visits(rows, step(1)):
            found[put] = np.asarray(read(slice(start, stop)), np.float64).reshape(-1)[got]
    check(found, np.asarray(rows), spot)
    return found


def beside(key: int | str, table: Table) -> Path | None:
    """The path of a text file of this name, in the folder of the data or the working folder; None if there is none."""
    if isinstance(key, int):
        return None
    given = expanded(key)
    return next((path for path in (*(file.parent / given for file in table.files), given) if there(path)), None)


def lines(path: Path, table: Table) -> Vector:
    """The numbers of a text file, one a line, for all rows of the table."""
    try:
        values = np.loadtxt(path, np.float64, ndmin=1)
    except OSError as error:
        raise UsageError(f"{path}: {reason(error)}") from None
    except ValueError as error:
        raise UsageError(f"{path}: a file of weights has one number a line: {error}") from None
    if values.shape == (table.rows,):
        return values
    raise Unweighted(f"{path}: {values.size} weights, but {table.where} has {table.rows} rows; must be one for each")


def check(weights: Vector, rows: NDArray[np.int64], spot: Callable[[int], str]) -> None:
    """Raise UsageError for the first row whose weight is not from 0 to MOST; spot(row) says where it is."""
    bad = np.flatnonzero(~((weights >= 0) & (weights <= MOST)))
    if bad.size:
        first = bad[np.argmin(rows[bad])]
        given = "is missing" if np.isnan(weights[first]) else f"is {weights[first]:g}"
        must = f"must be from 0 to {MOST:g}; correct it, or remove that row"
        raise UsageError(f"data.weight: {spot(int(rows[first]))} {given}; {must}")
