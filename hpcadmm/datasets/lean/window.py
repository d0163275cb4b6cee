"""The buffer of streamed samples, and when samples are streamed: data.memory."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from hpcadmm.comm.memory import size
from hpcadmm.comm.world import World
from hpcadmm.datasets.lean.keeping import Keeping
from hpcadmm.datasets.table import Array
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import Tiles

UNITS = {"": 1, "B": 1} | {
    f"{prefix}{kind}": base**power
    for power, prefix in enumerate("kMGT", 1)
    for kind, base in (("B", 1000), ("iB", 1024))
}
AMOUNT = re.compile(r"(\d+(?:\.\d*)?) *([kKMGT]?i?B?)")
COLUMN = 16  # bytes of bookkeeping for a column: its number in the part, then in the file, and the place in the buffer
ARRAY = 400  # for an array of columns that are asked for together


def amount(given: int | str) -> int:
    """Bytes of data.memory. Raises UsageError.

    >>> amount("2 GB"), amount("1.5 MiB"), amount(4096)
    (2000000000, 1572864, 4096)
    """
    found = AMOUNT.fullmatch(str(given).strip())
    unit = found and found[2].replace("K", "k")
    if found is None or unit not in UNITS or float(found[1]) * UNITS[unit] < 1:
        raise UsageError(f'data.memory = {given!r}: must be bytes, as "2 GB", "500 MB" or 1073741824')
    return int(float(found[1]) * UNITS[unit])


class Window:
    """The buffer of a rank: columns of one streamed part. Parts take turns in it.

    size: bytes of the buffer and of its bookkeeping.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._flat = np.empty(0, np.uint8)
        self.empty()

    def empty(self) -> None:
        """Forget the contents."""
        self.owner: Any = None
        self.first = self.last = 0  # of columns that follow one another
        self.held: list[Array] = []  # columns that are asked for together
        self.places: dict[int, int] = {}  # by the id of such an array: where its columns begin
        self.x: Array = np.empty((0, 0))

    def capacity(self, column: int) -> int:
        """Columns of this many bytes that fit, if they are asked for together."""
        return max(1, (self.size - ARRAY) // (column + COLUMN))

    def need(self, arrays: Sequence[Array], column: int) -> int:
        """Bytes of these arrays of columns and of their bookkeeping."""
        return sum(map(len, arrays)) * (column + COLUMN) + ARRAY * len(arrays)

    def array(self, rows: int, columns: int, dtype: Any) -> Array:
        """An array (rows, columns) in the buffer, which grows if it must."""
        need = rows * columns * np.dtype(dtype).itemsize
        if need > self._flat.size:
            self._flat = np.empty(0, np.uint8)  # free it first
            self._flat = np.empty(need, np.uint8)
        return self._flat[:need].view(dtype).reshape((rows, columns), order="F")


def window_for(
    memory: int | str | None, parts: Sequence[Tiles], column: int, keeping: Keeping, world: World
) -> Window | None:
    """The buffer for the parts' columns of this many bytes, None if they fit into `memory` on every rank. Collective.

    Raises UsageError, on all ranks, if they do not fit and the solver cannot stream.
    """
    if memory is None:
        return None
    most, need = amount(memory), float(world.max(float(column * sum(t.hi - t.lo for t in parts)))[0])
    if need <= most:
        return None
    said = f"data.memory = {memory!r}: a rank's samples take {size(need)}"
    if not keeping.streams:
        cure = f"use more ranks, more data.memory, or a solver that streams: {', '.join(keeping.streaming())}"
        raise UsageError(f"{said}, and {keeping.who} cannot stream them: it needs them all in every iteration; {cure}")
    return Window(most)
