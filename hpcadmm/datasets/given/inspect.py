"""What the user can learn about datasets: which are registered and where their files are; sizes, values and classes."""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.disk.lookup import find, places
from hpcadmm.datasets.given.convert import batches, chosen
from hpcadmm.datasets.scaling import SPARSE, kind_of
from hpcadmm.datasets.table import Source, Table
from hpcadmm.datasets.tabular import report
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.datasets.tabular.table import RawTable
from hpcadmm.errors import UsageError
from hpcadmm.registry import Registry

SHOWN = 20  # features, and classes, in a text
COLUMNS = 200  # columns of a table


@dataclass(frozen=True)
class Entry:
    """One line of `hpcadmm data list`."""

    name: str
    what: str
    expects: list[str]
    found: str
    download: bool


def catalogue(datasets: Registry) -> list[Entry]:
    """All datasets in the order of the registry."""
    return [Entry(d.name, d.what, list(d.expects), found(d), bool(d.remotes)) for d in datasets.values()]


def found(dataset: type[Dataset]) -> str:
    """Where the dataset's files are, in words."""
    if dataset.name in ("digits", "synthetic"):
        return "always there"
    if not dataset.remotes:
        return "your own file" if dataset.expects else "in Python"
    where = [folder / sub for folder in places(None, dataset.name) for sub in ("", dataset.inside)]
    try:
        paths = [path for name in dataset.expects if (path := find([name], where))]
    except UsageError as error:
        return str(error)
    if not paths:
        return "not found"
    folder = str(paths[0].parent)
    return folder if len(paths) == len(dataset.expects) else f"{folder} ({len(paths)} of {len(dataset.expects)} files)"


def inspect(dataset: Dataset) -> dict[str, Any]:
    """A description of the data for JSON, and how a job would scale them: {format, scaling, train, test}.

    Of a table of mixed columns, `table` describes the columns of the file; the rest of a part is about the features
    that they become.
    """
    world = World.without_mpi()
    sources = chosen(dataset, world)
    named = dict(zip(("train", "test"), sources, strict=False))
    columns = {name: columns_of(source.table) for name, source in named.items()}
    parts = {name: described(source, world) | {"table": columns[name]} for name, source in named.items()}
    kind = kind_of(dataset, sources[0].table) or ("none" if parts["train"]["zeros"] >= SPARSE else "standard")
    return {"format": dataset.name, "scaling": kind, **parts}


def columns_of(table: Table) -> list[dict[str, Any]] | None:
    """The columns of a table of mixed columns; None for other data."""
    if not isinstance(table, RawTable):
        return None
    return report.described(table.raw, table.known)


def described(source: Source, world: World) -> dict[str, Any]:
    """One part: samples, features and their names, dtype, image, per-feature minimum, maximum and mean, its labels."""
    table, n = source.table, len(source.rows)
    low, high = np.full(table.features, np.inf), np.full(table.features, -np.inf)
    total, zeros = np.zeros(table.features), 0
    counts: dict[int, int] = {}
    least, largest, mean = np.inf, -np.inf, 0.0
    for _, values, labels in chain.from_iterable(batches(source, world)):
        low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
        total += values.sum(axis=0, dtype=np.float64)
        zeros += values.size - int(np.count_nonzero(values))
        if table.targets:
            least, largest = min(least, float(labels.min())), max(largest, float(labels.max()))
            mean += float(labels.sum()) / labels.shape[1] / n
        else:
            for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
                counts[int(label)] = counts.get(int(label), 0) + int(count)
    names = dict(enumerate(table.names or [])) if isinstance(table, RawTable) else {}
    targets = {"count": table.targets, "minimum": least, "maximum": largest, "mean": mean}
    return {
        "files": [str(path) for path in table.files],
        "facts": [*table.facts, *(f"warning: {line}" for line in table.warnings)],
        "columns": feature_names(table),
        "samples": n,
        "features": table.features,
        "dtype": str(np.dtype(table.dtype)),
        "image": list(table.image) if table.image else None,
        "zeros": zeros / max(n * table.features, 1),
        "range": [0, table.maximum] if table.maximum else None,
        "classes": {names.get(label, str(label)): counts[label] for label in sorted(counts)},
        "targets": targets if table.targets else None,
        "minimum": low.tolist(),
        "maximum": high.tolist(),
        "mean": (total / n).tolist(),
    }


def feature_names(table: Table) -> list[str]:
    """The names of the features; empty if there are none."""
    known = table.named()
    return known.names if isinstance(known, Schema) else known.features


def summary(part: dict[str, Any]) -> str:
    """A part in a few words."""
    said = [f"{part['samples']} samples x {part['features']} features, {part['dtype']}"]
    if part["image"]:
        said.append("images of {} channel(s), {} x {}".format(*part["image"]))
    if part["targets"]:
        said.append("{count} target(s) from {minimum:g} to {maximum:g}, mean {mean:g}".format(**part["targets"]))
    else:
        counts = ", ".join(f"{label}: {count}" for label, count in list(part["classes"].items())[:SHOWN])
        said.append(f"{len(part['classes'])} classes ({counts})")
    return "; ".join(said)


def column_rows(part: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows of a table of the file's first columns, and one about the others."""
    rows = [report.as_row(row) for row in part["table"][:COLUMNS]]
    if more := part["table"][COLUMNS:]:
        rows.append((f"{len(more)} more", "", "", "", "", "", str(sum(row["features"] for row in more))))
    return rows


def feature_rows(part: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows of a table of the first features and of all together."""
    low, high, mean = (part[key] for key in ("minimum", "maximum", "mean"))
    names = [shown([name]) for name in part["columns"][:SHOWN]] or [str(i) for i in range(len(low))]
    rows = [(names[i], f"{low[i]:g}", f"{high[i]:g}", f"{mean[i]:.6g}") for i in range(min(SHOWN, len(low)))]
    return [*rows, ("all", f"{min(low):g}", f"{max(high):g}", f"{sum(mean) / len(mean):.6g}")]
