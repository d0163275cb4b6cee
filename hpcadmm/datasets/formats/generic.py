"""Datasets made of the user's own files."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Len

from hpcadmm.datasets.base import Count, Dataset
from hpcadmm.datasets.disk.lookup import expanded, find, folder, missing, near, places, there
from hpcadmm.datasets.labels import whole_numbers
from hpcadmm.datasets.table import Array, Parts, Source, Table, Unweighted
from hpcadmm.errors import UsageError, nearby


@dataclass(frozen=True, kw_only=True)
class Generic(Dataset):
    """A file, or a folder and the names of its parts.

    path: the train file, or the folder that holds `train` and `test`; `test` may also lie in the train file's folder.
    image: [channels, height, width] if a row is an image, channel by channel.
    maximum: the largest possible value (255 for bytes), for scale = "unit", which is then the default.
    """

    standardise: bool | Literal["auto"] = "auto"
    image: Annotated[list[Count], Len(3, 3)] | None = None
    maximum: Annotated[float, Gt(0)] | None = None

    def trained(self) -> Path:
        """The path of the train file."""
        where = places(self.path, self.name)
        if self.train is not None:
            return self.found("train", self.train, where)
        for place in where if self.path else ():
            if there(place):
                return place
        if self.path is None or any(map(folder, where)):
            raise UsageError(f"data.name = {self.name!r}: set data.path to a file, or data.train to the name of one")
        if len(where) == 1:
            said = f"data.path: not found: {self.path}; set data.path to where the file is now{nearby(where[0])}"
            raise UsageError(f"data.name = {self.name!r}: {said}")
        name, folders = Path(self.path).name, [place.parent for place in where]
        raise missing(self.name, [name], folders, f"see data.path{near(name, folders)}")

    def has_test(self) -> bool:
        return self.test is not None

    def tested(self, train: Path) -> Path | None:
        """The path of the test file, if one is named."""
        if self.test is None:
            return None
        return self.found("test", self.test, [train.parent, *places(self.path, self.name)])

    def found(self, key: str, name: str, where: Sequence[Path]) -> Path:
        """The file `name`: absolute, or in one of the places."""
        given = expanded(name)
        path = find([given.name], [given.parent]) if given.is_absolute() else find([name], where)
        if path is None and given.is_absolute():
            raise UsageError(f"data.{key}: not found: {name}; set data.{key} to where the file is now{nearby(given)}")
        if path is None:
            raise missing(self.name, [name], where, f"see data.path, data.train and data.test{near(name, where)}")
        return path

    def described(self, table: Table) -> Source:
        """The whole table, with the options `image` and `maximum` applied."""
        if self.image is not None:
            table.image = (self.image[0], self.image[1], self.image[2])
        if table.image is not None and int(np.prod(table.image)) != table.features:
            raise UsageError(f"data.image = {list(table.image)}: {table.where} has {table.features} features")
        if self.maximum is not None:
            table.maximum = self.maximum
        return Source.whole(table)


@dataclass(frozen=True, kw_only=True)
class Arrays(Generic, ABC):
    """A file of named arrays.

    inputs, targets: the arrays (samples, features), and (samples,) or (samples, targets).
    test_inputs, test_targets: the test part in the same file, used if they exist and `test` names no file.
    task: "auto" reads integers and booleans as classes.
    """

    table: ClassVar[type[Any]]  # (path, inputs, targets, task) -> Table
    expects: ClassVar[tuple[str, ...]] = ("data.path or data.train",)

    inputs: str = "X"
    targets: str = "y"
    test_inputs: str = "X_test"
    test_targets: str = "y_test"
    task: Literal["auto", "classification", "regression"] = "auto"

    @abstractmethod
    def holds(self, path: Path, name: str) -> bool:
        """Does the file have an array of this name?"""

    def has_test(self) -> bool:
        return super().has_test() or self.holds(self.trained(), self.test_inputs)

    def parts(self, seed: int) -> Parts:
        train = self.trained()
        test = self.tested(train)
        part = self.described(self.table(train, self.inputs, self.targets, self.task))
        if test is not None:
            return part, self.described(self.table(test, self.inputs, self.targets, self.task))
        if not self.holds(train, self.test_inputs):
            return part, None
        return part, self.described(self.table(train, self.test_inputs, self.test_targets, self.task))


def check_shapes(where: str, inputs: str, x: tuple[int, ...], targets: str | None, y: tuple[int, ...] | None) -> None:
    """Raise UsageError unless the arrays have the shapes (n, features) and (n, ...), and hold something."""
    if len(x) < 2 or 0 in x or (y is not None and y[:1] != x[:1]):
        shapes = f"{inputs} is {x}" + (f", {targets} is {y}" if y is not None else "")
        raise UsageError(f"{where}: {shapes}; must be (n, features) and (n,)")


def check_weights(table: Table, key: int | str, shape: tuple[int, ...] | None) -> None:
    """Raise UsageError unless there is an array of one weight for each row. Unweighted: there is none of this name."""
    if shape is None:
        raise Unweighted(f"data.weight = {key!r}: {table.where} has no array of this name")
    if shape not in ((table.rows,), (table.rows, 1)):
        raise UsageError(f"data.weight = {key!r}: {table.where}: the array is {shape}; must be ({table.rows},)")


def targets_of(task: str, shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> tuple[int, str]:
    """Real targets per row of an array y (0: classes), and why they are real, to tell a user who meant classes.

    "auto": classes if y is one column of integers or booleans.

    >>> targets_of("auto", (9, 1), np.dtype(bool), "a.npz"), targets_of("auto", (9,), np.dtype(float), "a.npz")
    ((0, ''), (1, 'y is float64, so its values are read as real targets; for classes set data.task = "classification"'))
    """
    width = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    several = f"y is {shape}: one-hot? Give the class numbers in one column, y.argmax(axis=1)"
    if width < 1 or (task == "classification" and width > 1):
        raise UsageError(f"{where}: {several if width else f'y is {shape} and holds nothing'}")
    if task == "classification" or (task == "auto" and width == 1 and dtype.kind in "iub"):
        return 0, ""
    if task == "regression":
        return width, 'data.task = "regression": leave it out'
    real = f'y is {dtype}, so its values are read as real targets; for classes set data.task = "classification"'
    return width, several if width > 1 else real


def as_labels(found: Array, targets: int, where: str, start: int) -> Array:
    """What a reader returns for y's rows start, start + 1, ...: classes or targets."""
    if targets:
        return np.asarray(found, np.float64).reshape(len(found), targets)
    return whole_numbers(np.asarray(found).reshape(len(found)), where, start)
