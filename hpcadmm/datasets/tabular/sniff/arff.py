"""The header of an ARFF file (Weka): the names and types of its columns."""

import re
from dataclasses import dataclass

from hpcadmm.datasets.tabular.raw import Kind
from hpcadmm.datasets.tabular.sniff.search import Search
from hpcadmm.errors import UsageError

NUMERIC = ("numeric", "real", "integer")
ATTRIBUTE = re.compile(r"""@attribute\s+('[^']*'|"[^"]*"|[^\s{]+)\s*(.*)""", re.I)


@dataclass(frozen=True)
class Declared:
    """What the header declares."""

    names: list[str]
    kinds: dict[int, Kind]


def declared(search: Search) -> Declared | None:
    """The names and kinds, None if this is no ARFF file; the search then begins after @data. Raises UsageError."""
    first = next((line for line in search.lines if line.strip() and not line.startswith("%")), "")
    if not first.lower().startswith("@relation"):
        return None
    names: list[str] = []
    kinds: dict[int, Kind] = {}
    for i, line in enumerate(search.lines):
        if found := ATTRIBUTE.match(line.strip()):
            kinds[len(names)] = "number" if found[2].lower().startswith(NUMERIC) else "text"
            names.append(found[1].strip("'\""))
        if line.strip().lower() == "@data":
            return begun(search, i + 1, Declared(names, kinds))
    raise UsageError(f"{search.where}: line {len(search.lines)}: an ARFF file without @data; save it as csv")


def begun(search: Search, start: int, found: Declared) -> Declared:
    """Set the search to read the data."""
    search.start, search.comment = start, "%"
    search.quote = "'" if any("'" in line for line in search.lines[start:]) else '"'
    if any(line.lstrip().startswith("{") for line in search.lines[start:]):
        raise UsageError(f"{search.where}: line {start + 1}: sparse ARFF is not read; save it as csv or LIBSVM")
    search.say(f"an ARFF file with {len(found.names)} attributes")
    return found
