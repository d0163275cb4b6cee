"""How a vector of float64 travels in 2 bytes or 1 an entry in sums over the ranks; see narrow_sum.py."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.wire import narrow_kernels as kernels
from hpcadmm.comm.wire.narrow_kernels import BLOCK
from hpcadmm.model.state import Array
from hpcadmm.model.tiles import block

NarrowName = Literal["bfloat16", 8]
NARROW = get_args(NarrowName)
Packed = NDArray[np.uint8]
WORD = 8  # bytes; packed vectors are whole words, so that all are aligned


def packed_bytes(entries: int, code: Any) -> int:
    """Bytes of the code of a vector, padded to whole words.

    >>> packed_bytes(1000, "bfloat16"), packed_bytes(1000, 8)
    (2000, 1008)
    """
    size = 2 * entries if code == "bfloat16" else _head(entries) + entries
    return -(-size // WORD) * WORD


def _head(entries: int) -> int:
    """Bytes of the steps of 8 bits."""
    return 4 * -(-entries // BLOCK)


@dataclass(frozen=True)
class Narrow:
    """A rank's part of a sum, and its code.

    x (n,): float64; the total afterwards. error (n,): what this rank has not sent, float32 or float64; empty: what is
    rounded off is lost.
    code: "bfloat16": each entry is rounded to the nearest bfloat16, half to even, infinite beyond its range. 8: integer
    multiples of s / 127 in 8 bits, s = max |x| of each block of 512 entries; the block is NaN where s is not finite.
    """

    x: NDArray[np.float64]
    code: NarrowName
    error: Array

    @property
    def packed_bytes(self) -> int:
        """Bytes of the code."""
        return packed_bytes(self.x.size, self.code)

    def share(self, count: int, k: int) -> Self:
        """Share k of `count`, in whole blocks."""
        lo, hi = (BLOCK * edge for edge in block(-(-self.x.size // BLOCK), count, k))
        return type(self)(self.x[lo:hi], self.code, self.error[lo:hi])

    def take_error(self) -> None:
        """x += error, which becomes 0."""
        if self.error.size:
            np.add(self.x, self.error, out=self.x)
            self.error[...] = 0

    def encode(self, packed: Packed) -> None:
        """Pack x; error becomes what the code lacks."""
        packed[-WORD:] = 0
        if self.code == 8:
            kernels.encode_bytes(self.x, self.error, *self._bytes(packed))
        else:
            kernels.encode_halves(self.x, self.error, self._halves(packed))

    def add(self, packed: Packed) -> None:
        """x += the decoded vector."""
        if self.code == 8:
            kernels.add_bytes(*self._bytes(packed), self.x)
        else:
            kernels.add_halves(self._halves(packed), self.x)

    def take(self, packed: Packed) -> None:
        """x = the decoded vector."""
        self.x[...] = 0
        self.add(packed)

    def _bytes(self, packed: Packed) -> tuple[Any, Any]:
        """The steps and the codes."""
        head = _head(self.x.size)
        codes = packed[head : head + self.x.size]
        return packed[:head].view(np.float32), codes.view(np.int8)

    def _halves(self, packed: Packed) -> Any:
        return packed[: 2 * self.x.size].view(np.uint16)


def empty(vectors: Sequence[Narrow]) -> Packed:
    """Memory for the codes of the vectors, one after another."""
    return np.empty(sum(v.packed_bytes for v in vectors), np.uint8)


def encoded(vectors: Sequence[Narrow]) -> Packed:
    """The codes of the vectors, one after another."""
    out = empty(vectors)
    for v, packed in split(vectors, out):
        v.encode(packed)
    return out


def split(vectors: Sequence[Narrow], packed: Packed) -> Iterator[tuple[Narrow, Packed]]:
    """Each vector that has entries, with its own codes."""
    start = 0
    for v in vectors:
        if v.x.size:
            yield v, packed[start : start + v.packed_bytes]
        start += v.packed_bytes
