"""Rows of a file wherever they lie: sorted by the block of the file, each block read once, transformed and put into
their columns in one pass.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.datasets.disk.flat import Flat
from hpcadmm.datasets.table import Array
from hpcadmm.kernels import kernel

BLOCK = 1 << 20  # bytes of the file that are read at once: they stay in a core's cache
KNOWN = frozenset({"f4", "f8", "i1", "i2", "i4", "u1", "u2", "u4"})  # to numba, and exact in float64
SKIPPED = 1 << 15  # bytes that are read in the time in which another read begins


@kernel
def sort(rows, shift, ends, at, order):  # type: ignore[no-untyped-def]
    """Sort rows by their block of 2^shift rows, and within it as they come: ends[b] is where block b ends, order[i]
    tells which row is the i-th, at[i] where in its block it is. ends: zeros."""
    inside = (1 << shift) - 1
    for i in range(rows.size):
        ends[rows[i] >> shift] += 1
    before = 0
    for b in range(ends.size):
        ends[b], before = before, before + ends[b]
    for i in range(rows.size):
        place = ends[rows[i] >> shift]
        order[place], at[place] = i, rows[i] & inside
        ends[rows[i] >> shift] = place + 1


@kernel
def place(raw, at, shift, divisor, out, put):  # type: ignore[no-untyped-def]
    """out[put[i]] = (raw[at[i]] - shift) / divisor, in float64, and 1 in the columns of `out` beyond those of raw."""
    for i in range(at.size):
        read, found = raw[at[i]], out[put[i]]
        for j in range(shift.size):
            found[j] = (np.float64(read[j]) - shift[j]) / divisor[j]
        found[shift.size :] = 1


@kernel
def copy(raw, at, out, put):  # type: ignore[no-untyped-def]
    """The same with shift = 0 and divisor = 1."""
    for i in range(at.size):
        read, found = raw[at[i]], out[put[i]]
        for j in range(raw.shape[1]):
            found[j] = np.float64(read[j])
        found[raw.shape[1] :] = 1


def suits(dtype: np.dtype[Any]) -> bool:
    """Do `place` and `copy` give the values that numpy gives? A type must be in this machine's order and in KNOWN."""
    return dtype.isnative and dtype.str[1:] in KNOWN


def visits(flat: Flat, rows: NDArray[np.int64]) -> Iterator[tuple[Array, Array, Array]]:
    """Read the rows, in any order, by increasing reads of at most BLOCK bytes: raw, at and put, so that raw[at] are the
    rows[put]. The next visit overwrites raw."""
    if not rows.size:
        return
    shift = max(0, (BLOCK // flat.width).bit_length() - 1)
    ends = np.zeros((flat.shape[0] - 1 >> shift) + 1, np.int64)
    at, order = np.empty(rows.size, np.int32), np.empty(rows.size, np.int64 if rows.size >> 31 else np.int32)
    sort(rows, shift, ends, at, order)
    del rows
    raw = flat.buffer(min(1 << shift, flat.shape[0]))
    sizes = np.diff(ends, prepend=0)
    for block in np.flatnonzero(sizes).tolist():
        mine = slice(int(ends[block] - sizes[block]), int(ends[block]))
        yield raw, gathered(flat, block << shift, at[mine], raw), order[mine]


def gathered(flat: Flat, first: int, at: Array, raw: Array) -> Array:
    """Read the rows first + at into raw; where each of them is there. Few rows are read one by one."""
    count = min(len(raw), flat.shape[0] - first)
    if len(at) * SKIPPED >= count * flat.width:
        flat.read_into(raw[:count], first)
        return at
    each, found = np.unique(at, return_inverse=True)
    for k, row in enumerate(each.tolist()):
        flat.read_into(raw[k : k + 1], first + row)
    return found
