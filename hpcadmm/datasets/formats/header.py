"""The first line of a table: whether it is a header, by one rule for every file, and the names in it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hpcadmm.datasets.formats.lines import number
from hpcadmm.errors import UsageError

SHOWN = 12  # names in a message


@dataclass(frozen=True)
class Columns:
    """The columns of a training: names of the features in their order (empty: no header), name and place of the
    target (None: there is none)."""

    features: list[str]
    target: str | None = None
    place: int | None = None

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Columns":
        """From a checkpoint's record, which is not trusted. Raises TypeError, KeyError or ValueError."""
        target, place = record["target"], record["place"]
        features = [str(name) for name in record["features"]]
        return cls(features, None if target is None else str(target), None if place is None else int(place))


def is_header(first: Sequence[str], asked: bool | None, where: str) -> bool:
    """Is the first line a header? data.header says so (`asked`); left out: it is, if none of its fields is a number.

    Raises UsageError for a header that is asked for where the first line is one of numbers, unless these count
    (0, 1, 2, ... or 1, 2, 3, ...) or increase, as names may.
    """
    if asked is None:
        return not any(map(number, first))
    if asked and all(map(number, first)) and not counts(first) and not increases(first):
        raise numbers_for_header(first, where)
    return asked


def numbers_for_header(first: Sequence[str], where: str) -> UsageError:
    """The error for a header that is asked for, and is not there."""
    said = f"{where}: data.header = true, but the first line is one of numbers: {shown(first)}"
    return UsageError(f"{said}; set header = false if this file has no header, or leave it out")


def counts(first: Sequence[str]) -> bool:
    """Are the fields 0, 1, 2, ... or 1, 2, 3, ...: names as pandas gives them?

    >>> counts(["0", "1", "2"]), counts(["1", "0", "2"])
    (True, False)
    """
    n = len(first)
    return n > 2 and list(first) in (list(map(str, range(n))), list(map(str, range(1, n + 1))))


def increases(first: Sequence[str]) -> bool:
    """Do the numbers increase, as years or wavelengths that name columns?"""
    values = [float(text) for text in first]
    return len(values) > 2 and all(a < b for a, b in pairwise(values))


def doubtful(first: Sequence[str], header: bool, asked: bool | None, where: str) -> str | None:
    """A warning where the first line may be the other thing than it is taken for; None where it is clear."""
    if not first or not all(map(number, first)):
        return None
    if header and not counts(first):
        return f"{where}: the first line, {shown(first)}, is taken for a header, as data.header = true says"
    if asked is None and counts(first):
        cure = "if these are names, set data.header = true; if not, false"
        return f"{where}: the first line is {shown(first)} and is taken for a sample; {cure}"
    return None


def check_names(names: Sequence[str], row: Sequence[str], where: str) -> None:
    """Raise UsageError unless there is one name for each column of the first row, each once."""
    if len(names) != len(row):
        said = f"the header has {len(names)} names, the rows have {len(row)} columns"
        cure = "name each column"
        if not row[-1]:
            cure = "remove the delimiter at the end of the rows"
        elif len(names) == len(row) - 1:
            cure = "R's write.table leaves the row names' name out: write with row.names = FALSE, or name each column"
        raise UsageError(f"{where}: {said}: {shown(names)}; {cure}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        at = [i + 1 for i, name in enumerate(names) if name == twice[0]]
        places = " and ".join(map(str, at))
        raise UsageError(f"{where}: the header has the name {twice[0]!r} twice (columns {places}); rename one")


def check_match(names: Sequence[str], wanted: Sequence[str], ignored: Sequence[str | None], where: str) -> None:
    """Raise UsageError that names the columns of the training that are missing, and those that are more."""
    missing = [name for name in wanted if name not in names]
    known = {*wanted, *ignored}
    extra = [name for name in names if name not in known]
    if missing or extra:
        said = [f"{where}: the columns are not those of the training"]
        said += [f"missing: {shown(missing)}"] if missing else []
        said += [f"unknown: {shown(extra)}"] if extra else []
        raise UsageError("; ".join(said) + f"; it has {shown(wanted)}")


def shown(names: Sequence[str]) -> str:
    """Some of the names.

    >>> shown(["a", "b, c", ""])
    "a, 'b, c', ''"
    """
    text = ", ".join(
        name if name.isprintable() and name and "," not in name else repr(name)
        for name in (n[:40] for n in names[:SHOWN])
    )
    return text if len(names) <= SHOWN else f"{text}, ... ({len(names)} in all)"
