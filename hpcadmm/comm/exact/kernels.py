"""Compiled loops of sums.py: add partials, compute their loads, check and update the bounds.

Matrices are transposed: their columns are rows, in C order. A line is a row or a column: a matrix (rows, columns) has a
line for each row, then one for each column; a symmetric one has a line for each row, which is its column too.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from hpcadmm.kernels import kernel

UNKNOWN = -(1 << 20)  # the scale of a line that has held only zeros
LOWEST, HIGHEST = -450, 490  # of a scale: bounds (products of two) and their units stay within float64
SLACK = 10  # bits that a scale of a patient sum may exceed the need of the last sums before it decreases
LIMIT = 0.25  # the largest load of a line
GRAIN = 2.0**-54  # loads are multiples of it, so that their sums are exact up to 2 LIMIT and stay above if larger
ENDLESS = 2.0**1000  # loads from here on, like that of an infinity or NaN, get no scale
HELD, EXCEEDED, LOOSE = 0, 1, 2


def _bits(_, x):  # type: ignore[no-untyped-def]
    """A float64 number's bits as an integer; the order of nonnegative numbers is kept, NaN is above infinity."""

    def cast(_, builder, __, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(x), cast


bits: Any = intrinsic(_bits)


@kernel
def fold(acc, rest, partials, up, down, finer, sizes, fresh, last):  # type: ignore[no-untyped-def]
    """acc += each partial rounded to multiples of 2^-52 B_ij, B_ij = up_i up_j; rest (unless None) += the rounding
    errors, in units finer by the power of two `finer`. Both begin at 0 if `fresh`; if `last`, acc += rest at the end.
    sizes, a row for each partial: max_j |p_ij| down_j of row i, max_i |p_ij| down_i of column j."""
    count, columns, rows = partials.shape
    sizes[:, :rows] = 0.0
    for j in range(columns):
        begin(acc[j], None if rest is None else rest[j], fresh)
        scale, inverse = 1.5 * up[rows + j], down[rows + j]
        for k in range(count):
            top, seen_in = np.int64(0), sizes[k]
            for i in range(rows):
                x = np.float64(partials[k, j, i])
                magic = up[i] * scale
                rounded = (x + magic) - magic
                acc[j, i] += rounded
                if rest is not None:
                    little = magic * finer
                    rest[j, i] += ((x - rounded) + little) - little
                size = abs(x)
                seen = bits(size * down[i])
                top = seen if seen > top else top
                size *= inverse
                seen_in[i] = size if size > seen_in[i] else seen_in[i]
            seen_in[rows + j : rows + j + 1].view(np.int64)[0] = top
        end(acc[j], None if rest is None else rest[j], last)


@kernel
def fold_triangle(acc, rest, partials, up, down, finer, sizes, fresh, last):  # type: ignore[no-untyped-def]
    """The same for the lower triangles of positive semidefinite matrices, |p_ij| <= sqrt(p_ii p_jj).

    sizes: p_ii down_i.
    """
    for j in range(partials.shape[1]):
        scale, sum_, ups = 1.5 * up[j], acc[j, j:], up[j:]
        left = None if rest is None else rest[j, j:]
        begin(sum_, left, fresh)
        for k in range(len(partials)):
            column = partials[k, j, j:]
            for i in range(column.size):
                x = np.float64(column[i])
                magic = ups[i] * scale
                rounded = (x + magic) - magic
                sum_[i] += rounded
                if left is not None:
                    little = magic * finer
                    left[i] += ((x - rounded) + little) - little
            sizes[k, j] = abs(np.float64(column[0])) * down[j]
        end(sum_, left, last)


@kernel
def begin(acc, rest, fresh):  # type: ignore[no-untyped-def]
    """If `fresh`: acc = rest = 0."""
    if fresh:
        acc[:] = 0.0
        if rest is not None:
            rest[:] = 0.0


@kernel
def end(acc, rest, last):  # type: ignore[no-untyped-def]
    """If `last`: acc += rest."""
    if rest is not None and last:
        for i in range(acc.size):
            acc[i] += rest[i]


@kernel
def add_plainly(acc, partial):  # type: ignore[no-untyped-def]
    """acc += partial in float64: a sum whose bits depend on the order, for comparison."""
    for i in range(partial.size):
        acc[i] += partial[i]


@kernel
def weigh(sizes, down, loads, peaks):  # type: ignore[no-untyped-def]
    """loads += sizes of this partial relative to the bounds, at most 1, rounded up to multiples of GRAIN.
    peaks: the largest so far, not rounded."""
    for k in range(sizes.size):
        weight = sizes[k] * down[k]
        if weight < ENDLESS:
            loads[k] += math.ceil(min(weight, 1.0) / GRAIN) * GRAIN
        else:
            weight = np.inf
            loads[k] += ENDLESS
        peaks[k] = max(peaks[k], weight)


@kernel
def prepare(scales, rows, guess, now, up, down):  # type: ignore[no-untyped-def]
    """now: the scales; for an UNKNOWN one the largest of the rows (or columns), or else `guess`. up = 2^now."""
    for lo, hi in ((0, rows), (rows, scales.size)):
        default = largest(scales[lo:hi])
        if default == UNKNOWN:
            default = guess
        for k in range(lo, hi):
            now[k] = min(max(default if scales[k] == UNKNOWN else scales[k], LOWEST), HIGHEST)
            up[k] = math.ldexp(1.0, now[k])
            down[k] = math.ldexp(1.0, -now[k])


@kernel
def judge(loads, scales, rows, free, least, patient):  # type: ignore[no-untyped-def]
    """EXCEEDED: an entry may have exceeded its bound. LOOSE: one of the first `free` lines, whose scales are not fixed,
    has a load below `least` (and, if `patient`, no row, or no column, had a scale before). Else, or not finite: HELD.
    """
    over_rows, over_columns, loose = False, rows == loads.size, False
    first_rows, first_columns = first(scales, rows, patient)
    for k in range(loads.size):
        load = loads[k]
        if load >= ENDLESS:
            return HELD
        if load > LIMIT:
            if k < rows:
                over_rows = True
            else:
                over_columns = True
        if 0 < load < least and k < free and (first_rows if k < rows else first_columns):
            loose = True
    if over_rows and over_columns:
        return EXCEEDED
    return LOOSE if loose else HELD


@kernel
def follow(loads, scales, rows, free, now, room, patient):  # type: ignore[no-untyped-def]
    """New bounds that leave `room` bits to the next sum: B_ij changes by 2^room sqrt(load_i load_j), since
    min(load_i, load_j) bounds sum |p_ij| / B_ij, or by 2^room load_i. If `patient`, after the first sum, a scale that
    is SLACK bits too high decreases by one bit per sum, others never; and no scale is so low that its line could not
    grow to the largest one: a unit that is active in one sample of millions may be active in all of them soon."""
    first_rows, first_columns = first(scales, rows, patient)
    for k in range(free):
        if 0 < loads[k] < ENDLESS:
            change = power(min(loads[k], 2 * LIMIT)) + room
            if change < 0 and not (first_rows if k < rows else first_columns):
                change = -1 if change < -SLACK else 0
            elif free == loads.size:
                change = half(change)
            scales[k] = now[k] + change
    if patient:
        reach = room // 2 if free == loads.size else room
        lift(scales[:rows], reach)
        lift(scales[rows:free], reach)
    balance(scales, rows, free)


@kernel
def lift(scales, reach):  # type: ignore[no-untyped-def]
    """Let no known scale be more than `reach` below the largest."""
    least = largest(scales) - reach
    for k in range(scales.size):
        if scales[k] != UNKNOWN:
            scales[k] = max(scales[k], least)


@kernel
def first(scales, rows, patient):  # type: ignore[no-untyped-def]
    """Is no row's scale known, and no column's? True, if not `patient`: each sum is judged like a first one."""
    return not patient or largest(scales[:rows]) == UNKNOWN, not patient or largest(scales[rows:]) == UNKNOWN


@kernel
def half(e):  # type: ignore[no-untyped-def]
    """e / 2, rounded up."""
    return -(-e // 2)


@kernel
def power(x):  # type: ignore[no-untyped-def]
    """The least e with x <= 2^e, for x > 0."""
    mantissa, e = math.frexp(x)
    return e - 1 if mantissa == 0.5 else e


@kernel
def balance(scales, rows, free):  # type: ignore[no-untyped-def]
    """Give rows and columns the same largest scale, which changes no bound, if all are free; keep the limits."""
    high, wide = largest(scales[:rows]), largest(scales[rows:])
    shift = (high - wide) // 2 if min(high, wide) > UNKNOWN and free == scales.size else 0
    for k in range(scales.size):
        if scales[k] != UNKNOWN:
            scales[k] = min(max(scales[k] + (-shift if k < rows else shift), LOWEST), HIGHEST)


@kernel
def largest(scales):  # type: ignore[no-untyped-def]
    """The largest known scale, or UNKNOWN."""
    found = UNKNOWN
    for k in range(scales.size):
        found = max(found, scales[k])
    return found
