"""Read a text table on ranks that are threads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpcadmm.datasets.tabular.dialect import Dialect
from hpcadmm.datasets.tabular.raw import Kind, Raw
from hpcadmm.datasets.tabular.text import read_text
from hpcadmm.testing.threads import on_ranks


def read(path: Path, ranks: int = 1, kinds: Mapping[str, Kind] | None = None, **asked: Any) -> list[Raw]:
    return on_ranks(ranks, lambda world: read_text(path, Dialect(**asked), world, kinds or {}))


def values(raws: list[Raw]) -> list[list[Any]]:
    """The rows of all ranks, in the file's order; checks that the shards fit together."""
    shards = sorted((shard for raw in raws for shard in raw.shards), key=lambda shard: shard.start)
    rows: list[list[Any]] = []
    for shard in shards:
        assert shard.start == len(rows)
        rows += map(list, zip(*(column.to_pylist() for column in shard.columns), strict=True))
    assert all(raw.rows == len(rows) for raw in raws)
    return rows
