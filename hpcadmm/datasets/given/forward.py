"""A table to predict from: its rows are read when they are asked for, and not kept."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from hpcadmm.datasets.table import Array, Read
from hpcadmm.datasets.tabular.raw import Shard
from hpcadmm.datasets.tabular.table import Piece, RawTable
from hpcadmm.errors import UsageError


class Forward(RawTable):
    """A file whose values are not kept (`Raw.again`). Its rows have no labels."""

    apart = True

    @contextmanager
    def reader(self) -> Iterator[Read]:
        yield Pass(self).read


class Pass:
    """Reads rows of a file, each once, and encodes them."""

    def __init__(self, table: Forward) -> None:
        self.raw, self.schema = table.raw, table.known
        self.shard: Shard | None = None
        self.shards: Iterator[Shard] | None = None  # those that follow

    def read(self, start: int, stop: int) -> tuple[Array, Array]:
        """The features of rows after those read before, and 0 as their labels."""
        features = np.concatenate([*self.parts(start, stop)])
        return features, np.zeros(len(features), np.int64)

    def parts(self, start: int, stop: int) -> Iterator[Array]:
        """The features, shard by shard."""
        while start < stop:
            shard = self.holding(start)
            end = min(stop, shard.start + shard.rows)
            yield self.encoded(shard, start, end)
            start = end

    def holding(self, row: int) -> Shard:
        """The shard that has the row."""
        if self.shards is None:
            assert self.raw.again is not None, "the values are kept"
            self.shards = self.raw.again.shards(row)
        while self.shard is None or row >= self.shard.start + self.shard.rows:
            self.shard = next(self.shards)
        return self.shard

    def encoded(self, shard: Shard, start: int, stop: int) -> Array:
        """The features of some rows of a shard. Raises UsageError for the first row that has a fault."""
        try:
            return self.schema.encode(Piece(shard, start, stop))
        except UsageError:
            if stop - start == 1:
                raise
        middle = (start + stop) // 2
        return np.concatenate([self.encoded(shard, start, middle), self.encoded(shard, middle, stop)])
