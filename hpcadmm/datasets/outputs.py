"""The names of a network's outputs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.tabular.target import Target

if TYPE_CHECKING:
    from hpcadmm.datasets.tabular.schema import Schema


def target_names(columns: "Schema | Columns | None", k: int) -> list[str]:
    """The names of k targets in the training file, "0", "1", ... where it has none."""
    target = columns.target if columns else None
    names = target.names if isinstance(target, Target) else [target] if target is not None else []
    return names if len(names) == k else [str(i) for i in range(k)]


def output_names(columns: "Schema | Columns | None", classes: Sequence[str], k: int) -> list[str]:
    """Of k outputs: classes, or targets; one output tells two classes apart, and is named by the second."""
    if not classes:
        return target_names(columns, k)
    return list(classes[-1:] if k == 1 else classes)
