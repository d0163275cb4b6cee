"""Options about the columns of a table: the target, columns to ignore, types, missing values."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge

from hpcadmm.datasets.columns import key, shown
from hpcadmm.datasets.tabular.raw import Kind, Raw
from hpcadmm.errors import UsageError, meant

Place = int | str
TYPES: dict[str, Kind | None] = {"number": "number", "category": "text", "date": "text", "ignore": None}


@dataclass(frozen=True)
class Categories:
    """most: one-hot the most frequent values of a text column, at most this many; all others share one feature."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}

    most: Annotated[int, Ge(1)] = 50


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of a table's columns. A text names a column (without a header columns are named 1, 2, ...); a whole
    number counts columns from 0, or from the end: -1 is the last.

    target: column of the labels or targets; "first" or "last"; a list: several targets of a regression.
    task: "auto" follows from loss and target: cross-entropy and hinge need classes; with squared, text or two values
    are classes and other numbers are the targets of a regression.
    ignore: columns that are no features.
    types: NAME = "number", "category", "date", "date:FORMAT" (as in strftime: "date:%d/%m/%Y") or "ignore".
    categories: {most = 50}: one-hot the most frequent values of a text column, at most this many.
    missing: further texts that mark a missing value, such as "-999".
    """

    target: int | str | list[int | str] = -1
    task: Literal["auto", "classification", "regression"] = "auto"
    ignore: list[int | str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    categories: Categories = Categories()
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if (above := getattr(super(), "__post_init__", None)) is not None:
            above()
        if self.target == []:
            raise UsageError("data.target = []: name at least one column")
        for name, kind in self.types.items():
            if kind not in TYPES and not (kind.startswith("date:") and "%" in kind):
                known = 'known are "number", "category", "date", "date:FORMAT" (date:%d/%m/%Y, say) and "ignore"'
                raise UsageError(f"data.types.{name} = {kind!r}: {known}")

    @property
    def targets(self) -> list[Place]:
        """The target's columns as given."""
        return self.target if isinstance(self.target, list) else [self.target]

    @property
    def kinds(self) -> dict[str, Kind]:
        """What a reader shall read the columns as, by name."""
        found = {name: TYPES[kind.partition(":")[0]] for name, kind in self.types.items()}
        return {name: kind for name, kind in found.items() if kind is not None}

    def typed(self, raw: Raw) -> dict[int, str]:
        """The types the user gave, by position. Raises UsageError for an unknown name."""
        given = {position(raw, name, f"types.{name}"): kind for name, kind in self.types.items()}
        return given | {position(raw, one, "ignore"): "ignore" for one in self.ignore}


def position(raw: Raw, wanted: Place, key: str) -> int:
    """The position of a column in a file, from 0. Raises UsageError if the file has no such column."""
    count = len(raw.names)
    if isinstance(wanted, int):
        if -count <= wanted < count:
            return wanted % count
        raise UsageError(f"data.{key} = {wanted}: {raw.path} has columns 0 to {count - 1}")
    if wanted in raw.names:
        return raw.names.index(wanted)
    if key == "target" and wanted in ("first", "last"):
        return 0 if wanted == "first" else count - 1
    known = f"{meant(wanted, raw.names)}the columns are {shown(raw.names)}"
    if not raw.header:
        known = f"there is no header line, {known}; set data.header = true if the first line holds names"
    raise UsageError(f"data.{key}{'' if key.startswith('types') else f' = {wanted!r}'}: {raw.path}: {known}")


def cure(name: str, kind: str, lead: str = "to keep it, set ") -> str:
    """The end of a message: how to give a column a type.

    >>> cure("age", "number"), cure("a b", "number", "set ")
    ('; to keep it, set data.types.age = "number"', '; set data.types."a b" = "number"')
    """
    return f'; {lead}data.types.{key(name)} = "{kind}"'
