"""What is in a dataset: sizes, values, classes. Read once, in blocks."""

from typing import Any

import numpy as np

from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.convert import batches, chosen
from hpcadmm.datasets.formats.header import shown
from hpcadmm.datasets.scaling import SPARSE, kind_of
from hpcadmm.datasets.table import Source

SHOWN = 20  # features, and classes, in a text


def inspect(dataset: Dataset) -> dict[str, Any]:
    """A JSON-ready description of the raw data, and how a job would scale them: {format, scaling, train, test}."""
    sources = chosen(dataset)
    parts = dict(zip(("train", "test"), map(described, sources), strict=False))
    kind = kind_of(dataset, sources[0].table) or ("none" if parts["train"]["zeros"] >= SPARSE else "standard")
    return {"format": dataset.name, "scaling": kind, **parts}


def described(source: Source) -> dict[str, Any]:
    """One part: samples, features and their names, dtype, image, per-feature minimum, maximum and mean, its labels."""
    table = source.table
    low, high = np.full(table.features, np.inf), np.full(table.features, -np.inf)
    total = np.zeros(table.features)
    zeros = 0
    counts: dict[int, int] = {}
    targets = [table.targets, np.inf, -np.inf, 0.0]
    for _, values, labels in batches(source):
        low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
        total += values.sum(axis=0, dtype=np.float64)
        zeros += values.size - int(np.count_nonzero(values))
        if table.targets:
            targets[1:3] = min(targets[1], float(labels.min())), max(targets[2], float(labels.max()))
            targets[3] += float(labels.sum()) / labels.shape[1] / len(source.rows)
        else:
            for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
                counts[int(label)] = counts.get(int(label), 0) + int(count)
    n = len(source.rows)
    return {
        "files": [str(path) for path in table.files],
        "facts": [*table.facts, *(f"warning: {line}" for line in table.warnings)],
        "columns": table.named().features,
        "samples": n,
        "features": table.features,
        "dtype": str(np.dtype(table.dtype)),
        "image": list(table.image) if table.image else None,
        "zeros": zeros / max(n * table.features, 1),
        "range": [0, table.maximum] if table.maximum else None,
        "classes": {str(label): counts[label] for label in sorted(counts)},
        "targets": dict(zip(("count", "minimum", "maximum", "mean"), targets, strict=True)) if table.targets else None,
        "minimum": low.tolist(),
        "maximum": high.tolist(),
        "mean": (total / n).tolist(),
    }


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


def feature_rows(part: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows of a table of the first features and of all together."""
    low, high, mean = (part[key] for key in ("minimum", "maximum", "mean"))
    names = [shown([name]) for name in part["columns"][:SHOWN]] or [str(i) for i in range(len(low))]
    rows = [(names[i], f"{low[i]:g}", f"{high[i]:g}", f"{mean[i]:.6g}") for i in range(min(SHOWN, len(low)))]
    return [*rows, ("all", f"{min(low):g}", f"{max(high):g}", f"{sum(mean) / len(mean):.6g}")]
