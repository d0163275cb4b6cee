"""How the features of a dataset are scaled, and warnings of features that stay badly scaled."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets import transform as transforms
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.table import Table
from hpcadmm.datasets.transform import Affine, Kind, Vector

if TYPE_CHECKING:
    from hpcadmm.datasets.base import Dataset

SPARSE = 0.5  # fraction of zeros from which a table in a sparse format is not scaled
APART = 100.0  # ratio of the largest to the smallest deviation that causes a warning
OFF = 10.0  # ratio of |mean| to deviation that causes a warning
NAMES = 6  # features that a warning names


def kind_of(dataset: "Dataset", table: Table) -> Kind | None:
    """The scaling that the options select; None if it depends on the number of zeros."""
    if dataset.standardise is True:
        return "standard"
    if dataset.scale != "auto":
        return dataset.scale
    if table.maximum or table.image or not dataset.standardise:
        return "unit" if table.maximum else "none"
    return None if table.sparse else "standard"


def planned(dataset: "Dataset") -> "Dataset":
    """The dataset with `standardise` = "auto" replaced by the choice, unless it depends on the files."""
    if dataset.standardise != "auto":
        return dataset
    images = getattr(dataset, "image", None) or getattr(dataset, "maximum", None)
    if dataset.scale != "auto" or images:
        return replace(dataset, standardise=False)
    return replace(dataset, standardise=True) if dataset.plain else dataset


def settled(dataset: "Dataset", kind: Kind, table: Table) -> "Dataset":
    """The dataset with options that select this scaling for any files."""
    if dataset.standardise_targets == "auto":
        dataset = replace(dataset, standardise_targets=standardises_targets(dataset, table))
    if kind == "standard":
        return replace(dataset, standardise=True, scale="none")
    return replace(dataset, standardise=False, scale=kind)


def standardises_targets(dataset: "Dataset", table: Table) -> bool:
    """Are the targets standardised? "auto": those of a mixed table, unless scale = "max" divides them."""
    if dataset.standardise_targets == "auto":
        return table.mixed and table.targets > 0 and dataset.scale != "max"
    return dataset.standardise_targets


def known(kind: Kind | None, table: Table, features: int) -> Affine | None:
    """The transform of a scaling that needs no statistics; None if it needs them."""
    if kind == "none":
        return Affine.identity(features)
    if kind == "unit" and table.maximum:
        return Affine(np.zeros(features), np.full(features, table.maximum))
    return None


def of_targets(dataset: "Dataset", train: Samples, table: Table, world: World) -> Affine | None:
    """The transform of a regression's targets; None for classes. Collective."""
    if not table.targets:
        return None
    targets = np.atleast_2d(train.labels)
    standard = standardises_targets(dataset, table)
    if standard or dataset.scale == "max":
        return transforms.fitted("standard" if standard else "max", targets, train.tiles, world)
    return Affine.identity(len(targets))


def remarks(kind: Kind, train: Samples, table: Table, features: int, world: World) -> list[str]:
    """Warnings of badly scaled features of the train part as the solver sees it; collective.

    A feature is named if the deviations of non-constant features differ by a factor of APART or more, or its |mean| is
    OFF deviations or more: either makes the condition number of the normal equations 400 or more. In a sparse format
    the largest moduli are compared, since centring would fill in the zeros. Images are not checked.
    """
    if kind == "standard" or table.image is not None or table.made:
        return []
    x = train.x[:features]
    if table.sparse:
        low, high = transforms.extremes(x, world)
        return apart(np.maximum(np.abs(low), np.abs(high)), "the largest modulus", 'data.scale = "max"', table)
    mean, deviation = transforms.moments(x, train.tiles, world)
    cure = "data.standardise = true"
    return apart(deviation, "the deviation", cure, table) + off_centre(mean, deviation, cure, table)


def apart(sizes: Vector, what: str, cure: str, table: Table) -> list[str]:
    """The warning about features of very different size, the farthest from the median first."""
    varying = np.flatnonzero(sizes > 0)
    if not varying.size or sizes[varying].max() < APART * sizes[varying].min():
        return []
    away = np.abs(np.log(sizes[varying] / np.exp(np.median(np.log(sizes[varying])))))
    far = varying[np.argsort(-away, kind="stable")][: max(1, np.count_nonzero(away >= np.log(APART) / 2))]
    names = listed([f"{table.feature(int(k))} ({sizes[k]:.3g})" for k in far])
    ratio = sizes[varying].max() / sizes[varying].min()
    return [f"{table.where}: {what} of the features differs {ratio:.3g}-fold: columns {names}; set {cure}"]


def off_centre(mean: Vector, deviation: Vector, cure: str, table: Table) -> list[str]:
    """The warning about features whose mean is far from 0, the farthest first."""
    varying = np.flatnonzero((deviation > 0) & (np.abs(mean) >= OFF * deviation))
    if not varying.size:
        return []
    far = varying[np.argsort(-np.abs(mean[varying]) / deviation[varying], kind="stable")]
    names = listed([f"{table.feature(int(k))} (mean {mean[k]:.3g}, deviation {deviation[k]:.3g})" for k in far])
    return [f"{table.where}: features are not centred: columns {names}; set {cure}"]


def listed(names: Sequence[str]) -> str:
    """At most NAMES names.

    >>> listed(["1"] * 2), listed(["1"] * 8)
    ('1, 1', '1, 1, 1, 1, 1, 1 and 2 more')
    """
    more = len(names) - NAMES
    return ", ".join(names[:NAMES]) + (f" and {more} more" if more > 0 else "")
