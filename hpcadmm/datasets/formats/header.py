"""The first line of a table: is it a header, and do its names match those of the training?"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.formats.lines import number
from hpcadmm.errors import UsageError


def is_header(first: Sequence[str], asked: bool | None, where: str) -> bool:
    """Is the first line a header? `asked` (data.header) decides; by default it is if none of its fields is a number.

    Raises UsageError if a header is asked for and the first line holds numbers that are not names: names count
    (0, 1, 2, ... or 1, 2, 3, ...) or increase.
    """
    if asked is None:
        return not any(map(number, first))
    if asked and all(map(number, first)) and not counts(first):
        values = [float(text) for text in first]
        if len(values) < 3 or any(a >= b for a, b in pairwise(values)):  # not years or wavelengths either
            raise numbers_for_header(first, where)
    return asked


def numbers_for_header(first: Sequence[str], where: str) -> UsageError:
    """The error for a file that is said to have a header and has none."""
    said = f"{where}: data.header = true, but the first line holds numbers: {shown(first)}"
    return UsageError(f"{said}; set header = false if this file has no header, or leave it out")


def counts(first: Sequence[str]) -> bool:
    """Are the fields 0, 1, 2, ... or 1, 2, 3, ..., the names that pandas gives?

    >>> counts(["0", "1", "2"]), counts(["1", "0", "2"])
    (True, False)
    """
    n = len(first)
    return n > 2 and list(first) in (list(map(str, range(n))), list(map(str, range(1, n + 1))))


def doubtful(first: Sequence[str], header: bool, asked: bool | None, where: str) -> str | None:
    """A warning if the first line may have been misread as a header or as a sample; None if it is clear."""
    if not first or not all(map(number, first)):
        return None
    if header and not counts(first):
        return f"{where}: the first line, {shown(first)}, is read as a header because data.header = true"
    if asked is None and counts(first):
        cure = "if these are names, set data.header = true; if not, false"
        return f"{where}: the first line, {shown(first)}, is read as a sample; {cure}"
    return None


def check_names(names: Sequence[str], row: Sequence[str], where: str) -> None:
    """Raise UsageError unless the header names each column of the first row, with different names."""
    if len(names) != len(row):
        cure = "name each column"
        if not row[-1]:
            cure = "remove the delimiter at the end of the rows"
        elif len(names) == len(row) - 1:
            cure = "R's write.table does not name the row names: write with row.names = FALSE, or name each column"
        said = f"the header has {len(names)} names, the rows have {len(row)} columns"
        raise UsageError(f"{where}: {said}: {shown(names)}; {cure}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        at = " and ".join(str(i + 1) for i, name in enumerate(names) if name == twice[0])
        raise UsageError(f"{where}: the header has the name {twice[0]!r} twice (columns {at}); rename one")


def check_match(names: Sequence[str], wanted: Sequence[str], ignored: Sequence[str | None], where: str) -> None:
    """Raise UsageError that lists the columns of the training that are missing, and the unknown ones."""
    missing = [name for name in wanted if name not in names]
    extra = [name for name in names if name not in {*wanted, *ignored}]
    if missing or extra:
        said = [f"{where}: the columns differ from those of the training"]
        said += [f"missing: {shown(missing)}"] if missing else []
        said += [f"unknown: {shown(extra)}"] if extra else []
        raise UsageError("; ".join(said) + f"; the training has {shown(wanted)}")
