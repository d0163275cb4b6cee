"""Published tables of numbers in text: comma separated, without a header, all columns but one are features."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hpcadmm.comm.world import World
from hpcadmm.datasets.table import Source
from hpcadmm.datasets.tabular.dialect import Dialect
from hpcadmm.datasets.tabular.options import Asked
from hpcadmm.datasets.tabular.raw import Kind
from hpcadmm.datasets.tabular.table import RawTable
from hpcadmm.datasets.tabular.target import target_of
from hpcadmm.datasets.tabular.text import read_text
from hpcadmm.errors import UsageError


def number_table(path: Path, asked: Asked, columns: int, world: World, most: int | None = None) -> RawTable:
    """The file. columns: that it must have; most: as in `read_text`. Collective."""
    kinds: dict[str, Kind] = {str(column + 1): "number" for column in range(columns)}
    raw = read_text(path, Dialect(delimiter=",", header=False), world, kinds, most)
    if len(raw.names) != columns:
        raise UsageError(f"{path}: {len(raw.names)} columns, must be {columns}")
    return RawTable(raw, target_of(raw, [], asked, None, world))


def learn_numbers(train: Source, columns: int, world: World, only: Sequence[int] | None = None) -> None:
    """Each column is a feature; only: use these (numbers from 0) in this order. Collective."""
    table = train.table
    assert isinstance(table, RawTable)
    table.learn(train.rows, Asked(types={str(column + 1): "number" for column in range(columns)}), world)
    if only is not None:
        known = table.known
        count = len(known.columns)
        if not only or len(set(only)) < len(only) or not set(only) <= set(range(count)):
            said = f"{table.where} has features 0 to {count - 1}"
            raise UsageError(f"data.columns = {list(only)}: {said}; choose at least one, each once")
        picked = [known.columns[k] for k in only], [known.at[k] for k in only]
        table.use(replace(known, columns=picked[0], at=picked[1]))
