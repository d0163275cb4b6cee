"""Columns of a table that exceed data.memory: kept in a scratch file until they are encoded."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from hpcadmm.comm import memory
from hpcadmm.datasets.disk.unnamed import full, unnamed

Arrays = Sequence[Any]


@dataclass(frozen=True)
class Stored:
    """A column of a shard in a scratch file."""

    file: IO[bytes]
    at: int
    size: int

    def array(self) -> Any:
        """Its values."""
        data = os.pread(self.file.fileno(), self.size, self.at)
        return pa.ipc.open_stream(data).read_next_batch().column(0)


class Spilled(Sequence[Any]):
    """The columns of a shard, each read when it is asked for."""

    def __init__(self, held: list[Any], rows: int) -> None:
        self.held, self.rows = held, rows

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, place: Any) -> Any:
        held = self.held[place]
        return held.array() if isinstance(held, Stored) else held


class Spill:
    """Keeps the columns of this rank's shards: in memory as long as they take at most `most` bytes (None: always)."""

    def __init__(self, most: int | None) -> None:
        self.most, self.bytes, self.end = most, 0, 0
        self.file: IO[bytes] | None = None

    def keep(self, columns: Arrays, form: Callable[[Arrays], Arrays] = list) -> Arrays:
        """The columns, by `form` if they stay in memory. Raises UsageError if the disk is full."""
        self.bytes += sum(column.nbytes for column in columns)
        if self.most is None or self.bytes <= self.most:
            return form(columns)
        with full(self.bytes):
            self.file = self.file or unnamed()
            held: list[Any] = [self.stored(column, self.file) for column in columns]
            self.file.flush()
        return Spilled(held, len(columns[0]))

    def stored(self, column: Any, file: IO[bytes]) -> Stored:
        """Write a column."""
        sink, batch = pa.BufferOutputStream(), pa.RecordBatch.from_arrays([column], ["x"])
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        at, self.end = self.end, self.end + file.write(sink.getvalue())
        return Stored(file, at, self.end - at)

    def release(self) -> None:
        """Give the memory that was used to read columns back to the system, if some went to the file."""
        if self.file is not None:
            pa.default_memory_pool().release_unused()
            memory.trim()
