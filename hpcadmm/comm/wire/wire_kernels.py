"""The loops behind wire.py, over the entries of a tile as vectors of float32 or float64.

The encoding loops read `x` and `known`; only the adding loops, which both ends of a link run, write `known`. LLVM
vectorises each of them without fastmath, so that no bit changes.
"""

import numpy as np

from hpcadmm.kernels import kernel

BLOCK = 2048  # entries whose intermediate values fit the first-level cache
LARGEST_HALF = np.float32(65504)

FRACTION = 23  # bits of a float32 below its exponent
EXPONENT = 0x7F800000  # bits of its exponent; all set: infinite or NaN
SUBNORMAL = 113 << FRACTION  # the exponent of 2^-14; smaller halves are multiples of 2^-24
QUIET_HALF, QUIET = 0x7E00, 0x7FC00000  # NaN as a half and as a float32


@kernel
def distance(x, known, d):  # type: ignore[no-untyped-def]
    """d = |x - known|."""
    for i in range(x.size):
        d[i] = abs(x[i] - known[i])


@kernel
def highest(bits, top):  # type: ignore[no-untyped-def]
    """max(bits, top) of integers."""
    for i in range(bits.size):
        size = bits[i]
        top = size if size > top else top
    return top


@kernel
def largest(x, known, bits):  # type: ignore[no-untyped-def]
    """max |x - known|, NaN if any difference is; bits: scratch of integers as wide as x, at least 1 entry.

    IEEE numbers without sign are ordered as their bits are, NaN above infinity, and an integer maximum does not depend
    on the order, so that it can be vectorised.
    """
    d = bits.view(x.dtype)
    d[0] = 0.0
    top = bits[0]
    for lo in range(0, x.size, bits.size):
        n = min(bits.size, x.size - lo)
        distance(x[lo : lo + n], known[lo : lo + n], d)
        top = highest(bits[:n], top)
    bits[0] = top
    return d[0]


@kernel
def quantize(x, known, step, codes):  # type: ignore[no-untyped-def]
    """codes = (x - known) / step rounded to the nearest integer, half to even; all must be finite and fit."""
    for i in range(x.size):
        codes[i] = np.rint((x[i] - known[i]) / step)


@kernel
def add_codes(codes, step, known):  # type: ignore[no-untyped-def]
    """known += codes step; product and sum are each rounded once to the type of known."""
    for i in range(codes.size):
        known[i] += known.dtype.type(codes[i]) * step


@kernel
def narrow(x, values):  # type: ignore[no-untyped-def]
    """values = x rounded to their type, infinite beyond its range, without a warning."""
    for i in range(x.size):
        values[i] = x[i]


@kernel
def clipped(x, known, d):  # type: ignore[no-untyped-def]
    """d = x - known clipped to +-65504, as float32; NaN if x is not finite (then x - x is NaN)."""
    for i in range(x.size):
        e = x[i] - known[i]
        e = LARGEST_HALF if e > LARGEST_HALF else e
        e = -LARGEST_HALF if e < -LARGEST_HALF else e
        d[i] = e + (x[i] - x[i])


@kernel
def round_to_halves(d, power, halves):  # type: ignore[no-untyped-def]
    """halves = the bits of d, float32 within +-65504 or NaN, as halves: nearest, half to even; power: float32 scratch.

    With 2^e the largest power of two up to |d|, at least 2^-14, the sum |d| + 2^(e+13) is rounded to multiples of
    2^(e-10), as a half is; its bits minus those of 2^(e+13) are |d| / 2^(e-10), the half's leading bit included.
    """
    bits, powers = d.view(np.int32), power.view(np.int32)
    for i in range(halves.size):
        powers[i] = max(bits[i] & EXPONENT, SUBNORMAL) + (13 << FRACTION)
    for i in range(halves.size):
        power[i] += abs(d[i])
    for i in range(halves.size):
        exponent = max(bits[i] & EXPONENT, SUBNORMAL)
        half = powers[i] - exponent - (13 << FRACTION) + ((exponent - SUBNORMAL) >> 13)
        half = QUIET_HALF if exponent == EXPONENT else half
        halves[i] = half | ((bits[i] >> 16) & 0x8000)


@kernel
def halve(x, known, halves):  # type: ignore[no-untyped-def]
    """halves = the bits of x - known as halves, clipped to +-65504; NaN if x is not finite or known is NaN."""
    d, power = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    for lo in range(0, x.size, BLOCK):
        hi = min(lo + BLOCK, x.size)
        clipped(x[lo:hi], known[lo:hi], d)
        round_to_halves(d, power, halves[lo:hi])


@kernel
def widen(halves, d, power):  # type: ignore[no-untyped-def]
    """d = the halves as float32, exact; NaN for infinite ones; power: float32 scratch."""
    powers = power.view(np.int32)
    for i in range(halves.size):
        exponent = (halves[i] >> 10) & 31
        fraction = (halves[i] & 1023) + (1024 if exponent else 0)
        d[i] = -fraction if halves[i] < 0 else fraction
        scale = (max(exponent, 1) + 127 - 25) << FRACTION
        powers[i] = QUIET if exponent == 31 else scale
    for i in range(halves.size):
        d[i] *= power[i]


@kernel
def add(d, known):  # type: ignore[no-untyped-def]
    """known += d."""
    for i in range(known.size):
        known[i] += d[i]


@kernel
def add_halves(halves, known):  # type: ignore[no-untyped-def]
    """known += the halves, given as int16; each sum is rounded once to the type of known."""
    d, power = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    for lo in range(0, known.size, BLOCK):
        hi = min(lo + BLOCK, known.size)
        widen(halves[lo:hi], d, power)
        add(d, known[lo:hi])
