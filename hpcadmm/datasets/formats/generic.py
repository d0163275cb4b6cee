"""What the datasets have in common that are a user's own files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Gt, Len

from hpcadmm.datasets.base import Count, Dataset
from hpcadmm.datasets.formats.lookup import expanded, find, missing, places
from hpcadmm.datasets.formats.reasons import folder, there
from hpcadmm.datasets.labels import whole_numbers
from hpcadmm.datasets.table import Array, Source, Table
from hpcadmm.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Generic(Dataset):
    """A file, or a folder and the names of its parts.

    path: the train file, or the folder in which `train` and `test` are sought; `test` beside the train file.
    image: [channels, height, width] if a row is an image, channel by channel; maximum: the top of the values' range
    (255 for bytes), for scale = "unit", which then is the default.
    """

    standardise: bool | Literal["auto"] = "auto"
    image: Annotated[list[Count], Len(3, 3)] | None = None
    maximum: Annotated[float, Gt(0)] | None = None

    def trained(self) -> Path:
        """The path of the train file."""
        where = places(self.path, self.name)
        if self.train is None:
            for place in where if self.path else ():
                if there(place):
                    return place
            if self.path is None or any(map(folder, where)):
                raise UsageError(f"data.name = {self.name!r}: data.path must be a file, or data.train name one in it")
            if len(where) == 1:
                where_now = f"data.path: not found: {self.path}; set data.path to where the file is now"
                raise UsageError(f"data.name = {self.name!r}: {where_now}")
            raise missing(self.name, [Path(self.path).name], [p.parent for p in where], "see data.path")
        return self.found("train", self.train, where)

    def tested(self, train: Path) -> Path | None:
        """The path of the test file, if one is named."""
        if self.test is None:
            return None
        return self.found("test", self.test, [train.parent, *places(self.path, self.name)])

    def found(self, key: str, name: str, where: Sequence[Path]) -> Path:
        """The file `name`, absolute or in one of the places."""
        given = expanded(name)
        path = find([given.name], [given.parent]) if given.is_absolute() else find([name], where)
        if path is None and given.is_absolute():
            raise UsageError(f"data.{key}: not found: {name}; set data.{key} to where the file is now")
        if path is None:
            raise missing(self.name, [name], where, "see data.path, data.train and data.test")
        return path

    def described(self, table: Table) -> Source:
        """The table as a part, with what the options say of its values."""
        if self.image is not None:
            table.image = (self.image[0], self.image[1], self.image[2])
        if table.image is not None and int(np.prod(table.image)) != table.features:
            raise UsageError(f"data.image = {list(table.image)}: {table.where} has {table.features} features")
        if self.maximum is not None:
            table.maximum = self.maximum
        return Source.whole(table)


def targets_of(task: str, shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> tuple[int, str]:
    """Real targets a row for an array y, 0 for classes, and why they are real, for one who meant classes.

    "auto": classes if y is one column of integers or booleans.

    >>> targets_of("auto", (9, 1), np.dtype(bool), "a.npz"), targets_of("auto", (9,), np.dtype(float), "a.npz")
    ((0, ''), (1, 'y is float64 and taken for real targets: set data.task = "classification"'))
    """
    width = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    several = f"y is {shape}: one-hot? Give the class numbers in one column, y.argmax(axis=1)"
    if width < 1 or (task == "classification" and width > 1):
        raise UsageError(f"{where}: {several if width else f'y is {shape} and holds nothing'}")
    if task == "classification" or (task == "auto" and width == 1 and dtype.kind in "iub"):
        return 0, ""
    if task == "regression":
        return width, 'data.task = "regression": leave it out'
    real = f'y is {dtype} and taken for real targets: set data.task = "classification"'
    return width, several if width > 1 else real


def as_labels(found: Array, targets: int, where: str, start: int) -> Array:
    """What a reader returns for y's rows start, start + 1, ...: classes or targets."""
    if targets:
        return np.asarray(found, np.float64).reshape(len(found), targets)
    return whole_numbers(np.asarray(found).reshape(len(found)), where, start)
