"""Rows of a file that is mapped into memory: taken, transformed and put into their columns in one pass."""

import mmap
from collections.abc import Iterator
from itertools import pairwise
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
    """Slices of increasing rows, those of each within TOUCHED bytes of the mapped file; its pages are given back."""
    if not len(rows):
        return
    firsts = np.arange(rows[0], rows[-1] + 1, max(1, TOUCHED // mapped.strides[0]))
    edges = np.append(np.searchsorted(rows, firsts), len(rows))
    for lo, hi in pairwise(edges):
        if lo < hi:
            yield slice(int(lo), int(hi))
            give_back(mapped)


def give_back(mapped: Array) -> None:
    """Let the pages of a mapped file no longer count as this process's memory; the system's cache keeps them."""
    base: Any = mapped
    while not isinstance(base, mmap.mmap) and base is not None:
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
