"""Rows of a file that is mapped into memory: taken, transformed and put into their columns in one pass."""

import mmap
from collections.abc import Iterator
from itertools import pairwise, zip_longest
from typing import Any

import numpy as np

from hpcadmm.datasets.table import Array
from hpcadmm.kernels import kernel

TOUCHED = 1 << 24  # bytes of a mapped file that may count as this process's memory


@kernel
def place(raw, rows, shift, divisor, out, put, largest):  # type: ignore[no-untyped-def]
    """out[put[i]] = (raw[rows[i]] - shift) / divisor, in float64; returns the first i with a value that is beyond
    `largest` or no number, or -1."""
    first = -1
    for i in range(rows.size):
        read, found, bad = raw[rows[i]], out[put[i]], 0
        for j in range(shift.size):
            found[j] = (np.float64(read[j]) - shift[j]) / divisor[j]
            bad |= not (abs(found[j]) <= largest)
        if bad and first < 0:
            first = i
    return first


def suits(raw: Array) -> bool:
    """Does `place` give the values that numpy gives: are all values exact in float64, and in this machine's order?"""
    return raw.dtype.isnative and (raw.dtype.kind == "f" or (raw.dtype.kind in "iu" and raw.dtype.itemsize <= 4))


def near(mapped: Array, rows: Array) -> Iterator[slice]:
    """Slices of increasing rows, those of each within TOUCHED bytes of the mapped file; its pages are given back.

    The system reads the bytes of the next slice meanwhile."""
    if not len(rows):
        return
    firsts = np.arange(rows[0], rows[-1] + 1, max(1, TOUCHED // mapped.strides[0]))
    edges = [*np.unique(np.searchsorted(rows, firsts)).tolist(), len(rows)]
    every = [slice(lo, hi) for lo, hi in pairwise(edges)]
    for now, after in zip_longest(every, every[1:]):
        if after is not None:
            advise(mapped, "MADV_WILLNEED", int(rows[after.start]), int(rows[after.stop - 1]) + 1)
        yield now
        advise(mapped, "MADV_DONTNEED", 0, len(mapped))


def advise(mapped: Array, what: str, start: int, stop: int) -> None:
    """Tell the system what will happen to rows of a mapped file, where it can be told. With MADV_DONTNEED their pages
    no longer count as this process's memory; the system's cache keeps them."""
    base: Any = mapped
    while not isinstance(base, mmap.mmap) and base is not None:
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, what):
        ahead = mapped.ctypes.data - np.frombuffer(base, np.uint8, 1).ctypes.data
        lo, hi = (ahead + row * mapped.strides[0] for row in (start, stop))
        lo -= lo % mmap.PAGESIZE
        base.madvise(getattr(mmap, what), lo, hi - lo)
