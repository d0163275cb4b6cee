"""The loops behind quantizer.py, over the workers of a stack and the entries of one message.

All arithmetic is float64 whatever the type of the vectors, and both ends of a link run `decode`. The loops are kept
separate so that LLVM vectorises them without fastmath, which would change bits.
"""

import numpy as np

from hpcadmm.comm.wire.wire_kernels import highest
from hpcadmm.kernels import kernel

BLOCK = 2048  # entries whose intermediate values stay in the first-level cache; their codes are whole bytes
HEAD = 8  # bytes of R, a float32, and b, a uint32, before the codes


@kernel
def step(radius, bits):  # type: ignore[no-untyped-def]
    """Delta = 2 R / (2^b - 1)."""
    return 2.0 * radius / ((1 << bits) - 1)


@kernel
def distance(theta, known, d):  # type: ignore[no-untyped-def]
    """d = |theta - known|."""
    for i in range(theta.size):
        d[i] = abs(np.float64(theta[i]) - np.float64(known[i]))


@kernel
def radius(theta, known, d):  # type: ignore[no-untyped-def]
    """R = max |theta - known| rounded up to a float32 number, NaN if it is not finite; d: float64 scratch (BLOCK,).

    The maximum is taken of the bits as integers: the same for numbers >= 0, with NaN above infinity.
    """
    whole = d.view(np.int64)
    top = np.int64(0)
    for lo in range(0, theta.size, BLOCK):
        n = min(BLOCK, theta.size - lo)
        distance(theta[lo : lo + n], known[lo : lo + n], d)
        top = highest(whole[:n], top)
    whole[0] = top
    found = d[0]
    single = np.float32(found)
    if single < found:
        single = np.nextafter(single, np.float32(np.inf))
    return single if np.isfinite(single) else np.float32(np.nan)


@kernel
def quantize(theta, known, uniform, reach, delta, top, codes):  # type: ignore[no-untyped-def]
    """codes = c = (theta - known + R) / Delta rounded up with probability c - floor(c), else down; reach: R.

    Rounding may put c slightly above top, hence the minimum.
    """
    for i in range(theta.size):
        c = (np.float64(theta[i]) - np.float64(known[i]) + reach) / delta
        low = np.floor(c)
        q = low + 1.0 if uniform[i] < c - low else low
        codes[i] = np.uint32(min(q, top))


@kernel
def add(codes, reach, delta, known):  # type: ignore[no-untyped-def]
    """known += Delta q - R, each operation rounded once, the sum also to the type of known."""
    for i in range(known.size):
        known[i] = np.float64(known[i]) + (delta * np.float64(codes[i]) - reach)


@kernel
def pack(codes, bits, out):  # type: ignore[no-untyped-def]
    """Bit j of code i is bit (b i + j) % 8 of byte (b i + j) // 8; bits after the last code are 0."""
    if bits == 8:
        for i in range(codes.size):
            out[i] = codes[i]
        return
    held, count, at = np.int64(0), 0, 0
    for i in range(codes.size):
        held |= np.int64(codes[i]) << count
        count += bits
        while count >= 8:
            out[at] = held & 255
            held >>= 8
            count -= 8
            at += 1
    if count:
        out[at] = held


@kernel
def unpack(packed, bits, codes):  # type: ignore[no-untyped-def]
    """The inverse of pack."""
    if bits == 8:
        for i in range(codes.size):
            codes[i] = packed[i]
        return
    mask = (np.int64(1) << bits) - 1
    held, count, at = np.int64(0), 0, 0
    for i in range(codes.size):
        while count < bits:
            held |= np.int64(packed[at]) << count
            count += 8
            at += 1
        codes[i] = held & mask
        held >>= bits
        count -= bits


@kernel
def write_head(reach, bits, message):  # type: ignore[no-untyped-def]
    """R and b, little-endian on every machine."""
    words = np.array([bits], np.uint32)
    code = np.array([reach], np.float32).view(np.uint32)[0]
    for i in range(4):
        message[i] = (np.int64(code) >> (8 * i)) & 255
        message[4 + i] = (np.int64(words[0]) >> (8 * i)) & 255


@kernel
def read_head(message):  # type: ignore[no-untyped-def]
    """R as float64 and b as int64."""
    code, bits = np.int64(0), np.int64(0)
    for i in range(4):
        code |= np.int64(message[i]) << (8 * i)
        bits |= np.int64(message[4 + i]) << (8 * i)
    return np.float64(np.array([code], np.uint32).view(np.float32)[0]), bits


@kernel
def decode(message, known, codes):  # type: ignore[no-untyped-def]
    """known += the difference in a message, NaN where R is not finite; codes: scratch (BLOCK,)."""
    reach, bits = read_head(message)
    if not np.isfinite(reach):
        known[:] = np.nan
    elif reach > 0:
        delta = step(reach, bits)
        for lo in range(0, known.size, BLOCK):
            n = min(BLOCK, known.size - lo)
            unpack(message[HEAD + lo // 8 * bits :], bits, codes[:n])
            add(codes[:n], reach, delta, known[lo : lo + n])


@kernel
def decode_alone(message, known):  # type: ignore[no-untyped-def]
    """`decode` with its own scratch."""
    decode(message, known, np.empty(BLOCK, np.uint32))


@kernel
def radii(theta, known, found):  # type: ignore[no-untyped-def]
    """found = R of each worker of a stack."""
    d = np.empty(BLOCK)
    for n in range(found.size):
        found[n] = radius(theta[n], known[n], d)


@kernel
def encode(theta, known, bits, uniform, starts, packed):  # type: ignore[no-untyped-def]
    """The message of each worker n of a stack, packed[starts[n] : starts[n + 1]], after which `known` decodes it."""
    d, codes = np.empty(BLOCK), np.empty(BLOCK, np.uint32)
    for n in range(bits.size):
        message, b = packed[starts[n] : starts[n + 1]], bits[n]
        single = radius(theta[n], known[n], d)
        write_head(single, b, message)
        reach = np.float64(single)
        if reach > 0:
            delta, top = step(reach, b), np.float64((1 << b) - 1)
            for lo in range(0, theta.shape[1], BLOCK):
                hi = min(lo + BLOCK, theta.shape[1])
                quantize(theta[n, lo:hi], known[n, lo:hi], uniform[n, lo:hi], reach, delta, top, codes[: hi - lo])
                pack(codes[: hi - lo], b, message[HEAD + lo // 8 * b :])
        else:
            message[HEAD:] = 0
        decode(message, known[n], codes)
