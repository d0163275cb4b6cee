"""float32 rounded to bfloat16, its upper half, to nearest, ties to even; as uint16, in the two layouts of `Rounded`.

Arrays here are transposed: rows are samples. plain: (samples, rows); turned: (rows, samples); both in C order.
"""

import numpy as np

from hpcadmm.kernels import kernel

BLOCK = 32  # a block of 32 x 32 entries is read and written within the first-level cache


@kernel
def upper_half(x):  # type: ignore[no-untyped-def]
    """The bfloat16 nearest to the float32 x, as bits; NaN stays NaN."""
    b = np.float32(x).view(np.uint32)
    rounded = (b + np.uint32(0x7FFF) + ((b >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    quiet = (b >> np.uint32(16)) | np.uint32(0x40)
    return np.uint16(rounded if x == x else quiet)


@kernel
def widened(bits):  # type: ignore[no-untyped-def]
    """The float32 number of these upper bits."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@kernel
def round_plain(x, plain):  # type: ignore[no-untyped-def]
    """plain = x."""
    for j in range(x.shape[0]):
        for i in range(x.shape[1]):
            plain[j, i] = upper_half(x[j, i])


@kernel
def turn(plain, turned):  # type: ignore[no-untyped-def]
    """turned = plain^T."""
    for j0 in range(0, plain.shape[0], BLOCK):
        j1 = min(j0 + BLOCK, plain.shape[0])
        for i0 in range(0, plain.shape[1], BLOCK):
            for i in range(i0, min(i0 + BLOCK, plain.shape[1])):
                for j in range(j0, j1):
                    turned[i, j] = plain[j, i]


@kernel
def round_turned(x, turned):  # type: ignore[no-untyped-def]
    """turned = x^T."""
    for j0 in range(0, x.shape[0], BLOCK):
        j1 = min(j0 + BLOCK, x.shape[0])
        for i0 in range(0, x.shape[1], BLOCK):
            for i in range(i0, min(i0 + BLOCK, x.shape[1])):
                for j in range(j0, j1):
                    turned[i, j] = upper_half(x[j, i])


@kernel
def scale(plain, factors, out):  # type: ignore[no-untyped-def]
    """out = plain, each row times its factor; bfloat16 in and out."""
    for j in range(plain.shape[0]):
        for i in range(plain.shape[1]):
            out[j, i] = upper_half(factors[j] * widened(plain[j, i]))
