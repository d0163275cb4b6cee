"""Tables in memory as a dataset; and which dataset holds what a program of the user has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.formats.arrays import NOTHING, WEIGHT, InMemory, Whole, holding
from hpcadmm.datasets.formats.held import hold
from hpcadmm.datasets.formats.tables import Tabular
from hpcadmm.datasets.tabular.frame import WHERE, Rows, is_frame, rows_of
from hpcadmm.datasets.tabular.raw import Kind, Raw
from hpcadmm.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Frame(Tabular, Whole):
    """A table in memory, from Python: of pandas, polars or pyarrow, or a dict of columns.

    split: default 1: all rows are trained on, in their order.
    """

    name: ClassVar[str] = "frame"
    what: ClassVar[str] = "a table in memory, from Python: hpcadmm.train(job, table, y)"
    expects: ClassVar[tuple[str, ...]] = ()
    given: ClassVar[Rows | None] = None

    def trained(self) -> Path:
        self.refuse_files()
        if self.given is None:
            raise UsageError(NOTHING)
        return WHERE

    def tested(self, train: Path) -> Path | None:
        return None

    def read(self, path: Path, world: World, kinds: Mapping[str, Kind], *, kept: bool = True) -> Raw:
        assert self.given is not None, "trained() comes first"
        return self.given.raw(self.missing, world)


def in_memory(
    like: Dataset, X: Any, y: Any, weight: Any = None, world: World | None = None, targets: Sequence[str] = ()
) -> Dataset:
    """X and y as a dataset, with the options of `like` that do not name files. Collective.

    X: a table with names, or arrays (see `hold`). y: the labels or targets, or the name of a table's column.
    targets: what the columns of y are called in a table; default: the name that y has itself, or "y".
    """
    counted = {} if weight is None else {"weight": WEIGHT}
    if not is_frame(X):
        return holding(InMemory, like, hold(X, y, weight, world), **counted)
    more: dict[str, Any] = {} if weight is None else {WEIGHT: weight}
    if isinstance(y, str):
        return holding(Frame, like, rows_of(X, more, world), target=y, **counted)
    columns = np.asarray(y).T if np.ndim(y) == 2 else [y]
    own = str(getattr(y, "name", None) or "y")
    names = list(targets) or ([own] if len(columns) == 1 else [f"{own}{k + 1}" for k in range(len(columns))])
    if len(names) != len(columns):
        raise UsageError(f"y has {len(columns)} columns, but the network was trained on {len(names)} targets")
    rows = rows_of(X, dict(zip(names, columns, strict=True)) | more, world)
    return holding(Frame, like, rows, target=names if len(names) > 1 else names[0], **counted)
