"""float32 rounded to bfloat16, its upper half, to nearest, ties to even; as uint16, in the two layouts of `Rounded`.

Arrays here are transposed: rows are samples. plain: (samples, rows); turned: (rows, samples); rows are contiguous.
Blocks of SIDE x SIDE entries are transposed in vector registers: 0.1 ns an entry, a sixth of numpy's time.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from hpcadmm.kernels import kernel

SIDE = 16
BAND = 64  # samples that are transposed together: two cache lines of every row of `turned`

i16, i32, i64 = (ir.IntType(size) for size in (16, 32, 64))


def rounded_bits(builder: Any, x: Any) -> Any:
    """Code for the bfloat16 nearest to a float32, or to each of a vector, as integers; NaN stays NaN."""
    wide, narrow = (ir.VectorType(kind, SIDE) if isinstance(x.type, ir.VectorType) else kind for kind in (i32, i16))

    def number(v: int) -> Any:
        return ir.Constant(wide, [v] * SIDE if wide is not i32 else v)

    bits = builder.bitcast(x, wide)
    upper = builder.lshr(bits, number(16))
    odd = builder.and_(upper, number(1))
    nearest = builder.lshr(builder.add(builder.add(bits, number(0x7FFF)), odd), number(16))
    quiet = builder.or_(upper, number(0x40))
    return builder.trunc(builder.select(builder.fcmp_unordered("uno", x, x), quiet, nearest), narrow)


def transposed(builder: Any, lines: list[Any]) -> list[Any]:
    """Code for the transpose of SIDE vectors of SIDE entries: log2 SIDE perfect shuffles of the lines."""
    half = SIDE // 2
    masks = [[v for k in range(lo, lo + half) for v in (k, k + SIDE)] for lo in (0, half)]
    masks = [ir.Constant(ir.VectorType(i32, SIDE), mask) for mask in masks]
    for _ in range(SIDE.bit_length() - 1):
        lines = [
            builder.shuffle_vector(a, b, mask) for a, b in zip(lines, lines[half:], strict=False) for mask in masks
        ]
    return lines


def _block(_, x, source, step, target, wide):  # type: ignore[no-untyped-def]
    """Write the transpose of the SIDE x SIDE block at address `source` of x to `target`; lines are `step` and `wide`
    bytes apart. Entries of float32 are rounded."""
    floats = x.dtype == types.float32

    def code(context, builder, _, args):  # type: ignore[no-untyped-def]
        def line(start, step, k, entry):  # type: ignore[no-untyped-def]
            address = builder.add(start, builder.mul(step, ir.Constant(i64, k)))
            return builder.inttoptr(address, ir.PointerType(ir.VectorType(entry, SIDE)))

        _, source, step, target, wide = args
        entry, size = (ir.FloatType(), 4) if floats else (i16, 2)
        lines = [builder.load(line(source, step, k, entry), align=size) for k in range(SIDE)]
        lines = [rounded_bits(builder, x) for x in lines] if floats else lines
        for k, x in enumerate(transposed(builder, lines)):
            builder.store(x, line(target, wide, k, i16), align=2)
        return context.get_dummy_value()

    return types.void(x, *[types.int64] * 4), code


def _upper_half(_, x):  # type: ignore[no-untyped-def]
    """The bfloat16 nearest to a float32, as bits; bits stay as they are."""

    def code(_, builder, __, args):  # type: ignore[no-untyped-def]
        return rounded_bits(builder, args[0]) if x == types.float32 else args[0]

    return types.uint16(x), code


upper_half: Any = intrinsic(_upper_half)
turn_block: Any = intrinsic(_block)


@kernel
def round_plain(x, plain):  # type: ignore[no-untyped-def]
    """plain = x."""
    for j in range(x.shape[0]):
        for i in range(x.shape[1]):
            plain[j, i] = upper_half(x[j, i])


@kernel
def turn(x, turned):  # type: ignore[no-untyped-def]
    """turned = x^T, x plain or float32, which is rounded."""
    samples, rows = x.shape
    if samples < SIDE or rows < SIDE:
        for i in range(rows):
            for j in range(samples):
                turned[i, j] = upper_half(x[j, i])
        return
    source, step, target, wide = x.ctypes.data, x.strides[0], turned.ctypes.data, turned.strides[0]
    for band in range(0, samples, BAND):
        for column in range(0, rows, SIDE):
            i = min(column, rows - SIDE)  # the last blocks overlap those before them
            for row in range(band, min(band + BAND, samples), SIDE):
                j = min(row, samples - SIDE)
                turn_block(x, source + j * step + i * x.itemsize, step, target + i * wide + j * 2, wide)


@kernel
def widened(bits):  # type: ignore[no-untyped-def]
    """The float32 number of these upper bits."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@kernel
def widen(plain, x):  # type: ignore[no-untyped-def]
    """x = plain, in float32."""
    for j in range(plain.shape[0]):
        for i in range(plain.shape[1]):
            x[j, i] = widened(plain[j, i])


@kernel
def scale(plain, factors, out):  # type: ignore[no-untyped-def]
    """out = plain, each row times its factor; bfloat16 in and out."""
    for j in range(plain.shape[0]):
        for i in range(plain.shape[1]):
            out[j, i] = upper_half(factors[j] * widened(plain[j, i]))


def lines(rows: int, columns: int) -> Any:
    """Memory for a layout (rows, columns), whose rows do not lie a multiple of 1,024 bytes apart: of such lines the
    first-level cache holds only a few at once."""
    wide = -(-columns // 32) * 32
    return np.empty((rows, wide + 32 * (wide % 512 == 0)), np.uint16)[:, :columns]
