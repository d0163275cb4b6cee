"""The loops behind narrow.py, over the entries of a vector x of float64.

error = x minus the decoded codes, in its own type; an empty error stays empty.
"""

import numpy as np

from hpcadmm.comm.wire.wire_kernels import highest
from hpcadmm.kernels import kernel
from hpcadmm.products.rounding import upper_half, widened

BLOCK = 512  # entries of one step; their intermediate values stay in the first-level cache
LEVELS = 127  # the largest code of 8 bits


@kernel
def encode_halves(x, error, codes):  # type: ignore[no-untyped-def]
    """codes = x rounded to float32, then to bfloat16."""
    for i in range(codes.size):
        codes[i] = upper_half(np.float32(x[i]))
    for i in range(error.size):
        error[i] = x[i] - widened(codes[i])


@kernel
def add_halves(codes, x):  # type: ignore[no-untyped-def]
    """x += the decoded codes."""
    for i in range(x.size):
        x[i] += widened(codes[i])


@kernel
def encode_bytes(x, error, steps, codes):  # type: ignore[no-untyped-def]
    """codes = x / step rounded to the nearest integer, step = max |x| / 127 of each block, as float32; NaN if that is
    not finite."""
    size = np.empty(BLOCK)
    bits = size.view(np.int64)
    for k in range(steps.size):
        mine, code = x[k * BLOCK : (k + 1) * BLOCK], codes[k * BLOCK : (k + 1) * BLOCK]
        for i in range(mine.size):
            size[i] = abs(mine[i])
        bits[0] = highest(bits[: mine.size], np.int64(0))
        step = np.float32(size[0] / LEVELS)
        if not np.isfinite(step):
            step = np.float32(np.nan)
        steps[k] = step
        quantize(mine, np.float64(step), code)
        left = error[k * BLOCK : (k + 1) * BLOCK]
        for i in range(left.size):
            left[i] = mine[i] - np.float64(step) * np.float64(code[i])


@kernel
def quantize(x, step, codes):  # type: ignore[no-untyped-def]
    """codes = x / step rounded; 0 where step is 0 or NaN. 127 steps that were rounded down do not reach max |x|."""
    if step > 0:
        inverse = 1.0 / step
        for i in range(codes.size):
            codes[i] = np.int8(min(max(np.rint(x[i] * inverse), -127.0), 127.0))
    else:
        codes[:] = 0


@kernel
def add_bytes(steps, codes, x):  # type: ignore[no-untyped-def]
    """x += the decoded codes."""
    for k in range(steps.size):
        step, code, out = np.float64(steps[k]), codes[k * BLOCK : (k + 1) * BLOCK], x[k * BLOCK : (k + 1) * BLOCK]
        for i in range(out.size):
            out[i] += step * np.float64(code[i])
