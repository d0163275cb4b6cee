"""The result of loading: one rank's columns of both parts, and the transform of their values."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.transform import Affine
from hpcadmm.model.tiles import Tiles

if TYPE_CHECKING:
    from hpcadmm.datasets.base import Dataset
    from hpcadmm.datasets.tabular.schema import Schema


@dataclass
class Samples:
    """One rank's columns of the train or test part; n and tiles are global.

    x: (features + ones, m), Fortran order. labels: int64 classes (m,), or float64 targets (m,) or (k, m).
    weight: how often each column counts (m,), float64; None: each counts once.
    by_class: the weights are those of classes, for training only; metrics count each column once.
    """

    n: int
    tiles: Tiles
    x: NDArray[Any]
    labels: NDArray[Any]
    weight: NDArray[np.float64] | None = None
    by_class: bool = False


@dataclass(frozen=True)
class Transform:
    """The transform of the raw features and (in a regression) targets, to apply to other data."""

    inputs: Affine
    targets: Affine | None = None

    def record(self) -> dict[str, Any]:
        """As JSON, for a checkpoint."""
        return {"inputs": self.inputs.record(), "targets": self.targets.record() if self.targets else None}

    def original(self, W: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """W (outputs, features) and b (outputs,) of a linear model for features and targets without any scaling, in
        float64."""
        wide = W.astype(np.float64) / self.inputs.divisor
        shifted = b.astype(np.float64) - wide @ self.inputs.shift
        if self.targets is None:
            return wide, shifted
        return wide * self.targets.divisor[:, None], shifted * self.targets.divisor + self.targets.shift

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Transform":
        """The inverse of `record`."""
        return cls(Affine.of(record["inputs"]), Affine.of(record["targets"]) if record["targets"] else None)


@dataclass
class Loaded:
    """Both parts of a dataset on one rank.

    classes: 0 for a regression; names: of the classes. dataset: the options, with "auto" replaced.
    real: why the targets are real. columns: of the train part's file.
    digest: of contents and shapes; former: that of version 0.1.0; both empty if a transform was given.
    facts, warnings: lines for the user about how the files were read and the features are scaled.
    """

    train: Samples
    test: Samples
    features: int
    classes: int
    names: list[str] | None
    transform: Transform
    dataset: "Dataset"
    real: str
    digest: str = ""
    former: str = ""
    columns: "Schema | Columns" = field(default_factory=lambda: Columns([]))
    facts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def feature_names(self) -> list[str]:
        """Of the columns that the network sees; "1", "2", ... where the file has none."""
        return names_of(self.columns, self.features)


def names_of(columns: "Schema | Columns", features: int) -> list[str]:
    """The names of the features of a table; "1", "2", ... where it has none."""
    names = columns.features if isinstance(columns, Columns) else columns.names
    return list(names) if len(names) == features else [str(j + 1) for j in range(features)]
