"""Small tables of columns, as a reader returns them, on any number of ranks."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hpcadmm.comm.world import World
from hpcadmm.datasets.tabular.raw import Raw, Shard

Lists = dict[str, list[Any]]
ALONE = World.alone()


def kind_of(values: list[Any]) -> Any:
    return "text" if any(isinstance(one, str) for one in values) else "number"


def column(values: list[Any], kind: str) -> Any:
    """An array as a reader makes it; None is a missing value."""
    if kind == "text":
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, pa.float64())


def table(
    columns: Lists, world: World = ALONE, header: bool = True, kinds: dict[str, Any] | None = None, **how: Any
) -> Raw:
    """The rows dealt to the ranks in shards of at most 7 rows."""
    names = list(columns)
    said = [(kinds or {}).get(name, kind_of(values)) for name, values in columns.items()]
    rows = len(columns[names[0]])
    bounds = np.linspace(0, rows, world.size + 1).astype(int)
    mine = range(bounds[world.rank], bounds[world.rank + 1], 7)
    shards = []
    for lo in mine:
        hi = min(lo + 7, bounds[world.rank + 1])
        parts = [column(columns[name][lo:hi], kind) for name, kind in zip(names, said, strict=True)]
        shards.append(Shard(lo, parts))
    if not header:
        names = [str(i + 1) for i in range(len(names))]

    def place(row: int, at: int) -> str:
        return f"t.csv: line {row + 1 + header}, column {at + 1} ({names[at]})"

    return Raw(Path(how.get("path", "t.csv")), names, header, said, rows, shards, place)
