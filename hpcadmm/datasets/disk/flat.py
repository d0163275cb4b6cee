"""Rows of numbers that lie one after the other in an open file, and can be read from anywhere."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.disk.stream import blamed
from hpcadmm.errors import UsageError


@dataclass(frozen=True)
class Flat:
    """shape: (rows, numbers in a row). offset: bytes before the first row. path: for messages."""

    path: Path
    file: IO[bytes]
    offset: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self.shape[1] * self.dtype.itemsize

    def buffer(self, rows: int) -> NDArray[Any]:
        """An array with room for this many rows."""
        return np.empty((rows, self.shape[1]), self.dtype)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """The rows start..stop."""
        return self.read_into(self.buffer(stop - start), start)

    def read_into(self, out: NDArray[Any], start: int) -> NDArray[Any]:
        """Fill `out` (any, numbers in a row) with the rows from `start` on. Raises UsageError that names the file."""
        bytes_: Any = out.reshape(-1).view(np.uint8)
        left, file = memoryview(bytes_), cast(io.RawIOBase, self.file)
        with blamed(self.path):
            file.seek(self.offset + start * self.width)
            while left and (count := file.readinto(left)):
                left = left[count:]
        if left:
            raise UsageError(f"{self.path}: ends {len(left)} bytes too early; the file has changed, start again")
        return out
