"""How the scales of an exact sum change before it is repeated."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.exact.kernels import UNKNOWN

MARGIN = 3  # error, in bits, that the product of a new row scale and a new column scale may have
PASSES = 4  # with the previous scales, new ones, and two kinds that cannot be exceeded


def half(e: Any) -> Any:
    """Half of integers, rounded up."""
    return -(-e // 2)


def changes(
    peaks: NDArray[np.float64], attempt: int, rows: int, free: int, room: int, symmetric: bool
) -> NDArray[np.int64]:
    """By how many bits the scales change, from the largest entry of each row and column relative to its bound, with
    `room` bits to spare.

    First u_i v_j / max u, exact for rows times columns and possibly too low elsewhere; then by the columns alone, then
    by the rows alone, which are never too low. If the columns' scales are fixed, so that only `free` lines have scales
    of their own: by the rows. rows: of the sum.
    """
    needed = np.where(peaks > 0, np.frexp(peaks)[1] + room, UNKNOWN)
    is_row = np.arange(len(peaks)) < rows
    if symmetric:
        return np.asarray(half(needed))
    if free == rows:
        return needed
    if attempt == 0:
        return np.where(is_row, needed + MARGIN, needed - needed.max())
    return np.where(is_row == (attempt == PASSES - 2), needed, 0)
