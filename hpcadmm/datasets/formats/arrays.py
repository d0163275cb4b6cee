"""Arrays in memory as a dataset, for `hpcadmm.train(job, X, y)` and what is done with a run in Python."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.formats.generic import Generic, as_labels, targets_of
from hpcadmm.datasets.formats.held import Held
from hpcadmm.datasets.formats.libsvm import LibsvmTable
from hpcadmm.datasets.table import READING, Array, Parts, Read, Source, Span, Table, Unweighted, step
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import block

WEIGHT = "(weight)"  # the value of data.weight for the weights that were given
NOTHING = "the data were in memory and are not kept in the run; give X and y again, in Python, or other data"


class ArrayTable(Table):
    """Rows that lie in memory; y and the weights of all rows on every rank."""

    mixed = True  # so that the targets of a regression are standardised by default
    stride = step(1)

    def __init__(self, held: Held, task: str, classes: bool | None) -> None:
        self.take(held, task, classes)
        self.dtype, self.image = held.x.dtype, held.image
        self.maximum = 255.0 if held.image and held.x.dtype == np.uint8 else None

    def take(self, held: Held, task: str, classes: bool | None) -> None:
        """Keep the arrays. task, classes: as those of `InMemory` and `Dataset.sources`."""
        self.held, self.rows, self.features = held, held.rows, held.x.shape[1]
        self.shares, self.apart = held.shares, held.shares is None
        if held.y is None:
            return
        if held.names is not None:
            if task == "regression":
                raise UsageError('data.task = "regression": y is text')
            self.names, self.values = held.names, range(len(held.names))
        elif task == "auto" and classes is not None:
            task = "classification" if classes else "regression"
        self.targets, self.real = targets_of("auto" if held.names else task, held.y.shape, held.y.dtype, self.where)

    @property
    def where(self) -> str:
        return "X, y"

    def portion(self, world: World) -> Span:
        return block(self.rows, world.size, world.rank)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        first = self.held.first

        def read(start: int, stop: int) -> tuple[Array, Array]:
            return self.held.x[start - first : stop - first], self.labels_at(start, stop)

        yield read

    @contextmanager
    def label_reader(self) -> Iterator[Callable[[int, int], Array]]:
        yield self.labels_at

    def labels_at(self, start: int, stop: int) -> Array:
        """The labels or targets of some rows; 0 if there are none."""
        y = self.held.y
        return as_labels(np.zeros(stop - start, np.int64) if y is None else y[start:stop], self.targets, "y", start)

    @contextmanager
    def weights_of(self, key: int | str) -> Iterator[Callable[[slice], Array]]:
        if self.held.weight is None or key != WEIGHT:
            raise Unweighted(f"data.weight = {key!r}: no such array was given; weights go to hpcadmm.train(weight=...)")
        yield self.held.weight.__getitem__

    def codes(self, wanted: Sequence[int | str], key: str) -> list[int]:
        if self.names is None:
            return super().codes(wanted, key)
        if strange := [one for one in wanted if str(one) not in self.names]:
            raise UsageError(f"data.{key}: no label {strange}; the labels are {shown(self.names)}")
        return [list(self.names).index(str(one)) for one in wanted]


class SparseTable(ArrayTable, LibsvmTable):
    """The same for a sparse matrix, whose entries are those of a LIBSVM file."""

    def __init__(self, held: Held, task: str, classes: bool | None) -> None:
        self.take(held, task, classes)
        x, self.first = held.x, held.first
        self.starts, self.at, self.data = x.indptr.astype(np.int64), x.indices.astype(np.int32), x.data
        self.data = self.data.astype(np.float64, copy=False)
        self.total = held.entries
        self.y = self.labels_at(0, self.rows)

    reader = LibsvmTable.reader


def table_of(held: Held, task: str, classes: bool | None) -> ArrayTable:
    """The rows as a table."""
    return (SparseTable if held.sparse else ArrayTable)(held, task, classes)


@dataclass(frozen=True, kw_only=True)
class Whole(Generic):
    """Data without a test part, all of which are trained on unless `split` or `validation` says otherwise."""

    def has_test(self) -> bool:
        return False

    def select(self, train: Source, test: Source | None) -> tuple[Source, Source]:
        whole = self if self.split is not None else replace(self, split=1.0, shuffle=False)
        return Dataset.select(whole, train, test)


@dataclass(frozen=True, kw_only=True)
class InMemory(Whole):
    """Arrays X and y in memory, from Python.

    split: default 1: all rows are trained on, in their order.
    task: "auto" (default): text becomes classes, and whole numbers and booleans do if the loss needs classes.
    sparse: whether a sparse X stays sparse, as in libsvm.
    standardise_targets: "auto" (default) standardises the targets of a regression, unless scale = "max".
    """

    name: ClassVar[str] = "arrays"
    what: ClassVar[str] = "arrays in memory, from Python: hpcadmm.train(job, X, y)"
    given: ClassVar[Held | None] = None

    task: Literal["auto", "classification", "regression"] = "auto"
    sparse: bool | Literal["auto"] = "auto"
    standardise_targets: bool | Literal["auto"] = "auto"

    @property
    def partial(self) -> bool:
        return self.given is not None and self.given.partial

    def sources(self, seed: int, world: World, classes: bool | None = None, columns: Any = None) -> Parts:
        with world.together(READING):
            self.refuse_files()
            if self.given is None:
                raise UsageError(NOTHING)
            return self.described(table_of(self.given, self.task, classes)), None


def options(like: Dataset, kind: type[Dataset]) -> dict[str, Any]:
    """The options of `like` that are set, that `kind` has too, and that do not name files."""
    known, plain = {f.name for f in fields(kind)} - {"path", "train", "test"}, type(like)()
    own = {f.name: getattr(like, f.name) for f in fields(like) if f.name in known}
    return {key: value for key, value in own.items() if value != getattr(plain, key)}


def holding(kind: type[Dataset], like: Dataset, rows: Any, **more: Any) -> Dataset:
    """A dataset of this kind that holds rows of the user, with the `options` of `like`. A class of its own holds
    them, so that they outlive `replace` and no job file gets them."""
    found: Dataset = type(kind.__name__, (kind,), {"given": rows})(**options(like, kind) | more)
    return found
