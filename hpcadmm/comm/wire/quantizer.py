"""The stochastic quantizer of Q-GADMM: a vector with b bits an entry, relative to the last known one.

A. Elgabli, J. Park, A. S. Bedi, C. Ben Issaid, M. Bennis, V. Aggarwal: Q-GADMM, IEEE Trans. Commun. 69 (2021), 164-181.
With known the vector that the neighbours hold,

    R = |theta - known|_inf,   Delta = 2 R / (2^b - 1),   c = (theta - known + R) / Delta  in 0..2^b - 1,
    q = c rounded up with probability c - floor(c), else down,   known += Delta q - R  at both ends,

so the expected value of known is theta, and its error is at most Delta. While theta stays the same, a message leaves at
most 2 / (2^b - 1) of the error; with b = 1 the error may even double. The literature has two misprints:
with R = |theta^k - theta^(k-1)| (iterates instead of known) c leaves its range; with c - floor(c) as the probability of
rounding *down* the expected value is wrong.

A message is 8 + ceil(b d / 8) bytes: R as a float32, b as a uint32, both little-endian; then the codes q, bit j of code
i in bit (b i + j) % 8 of byte (b i + j) // 8, the remaining bits 0. R is rounded up to float32 before it is used, so c
stays in its range. If R = 0 nothing changes, but the message is sent.

Divergence stays visible: an infinite or NaN entry, or a difference beyond the range of float32, makes all of
`known` NaN at both ends.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.wire import quantizer_kernels as kernels
from hpcadmm.model.state import Array

MOST = 32  # bits
HEAD_BITS = 8 * kernels.HEAD
REAL = (np.dtype(np.float32), np.dtype(np.float64))
Bits = int | Sequence[int] | NDArray[np.integer[Any]]  # of all workers, or of each


def payload_bits(bits: Any, d: int) -> Any:
    """b d + 64: the bits of information in the message of a vector (d,).

    >>> payload_bits(2, 6)
    76
    """
    return bits * d + HEAD_BITS


def message_bytes(bits: Any, d: int) -> Any:
    """8 + ceil(b d / 8): the bytes of such a message.

    >>> message_bytes(2, 6)
    10
    """
    return kernels.HEAD + (bits * d + 7) // 8


def radius(theta: Array, known: Array) -> NDArray[np.float32]:
    """R (k,) of the rows of theta and known (k, d), as the messages hold it; NaN if not finite."""
    check_stack(theta, known)
    found = np.empty(len(theta), np.float32)
    kernels.radii(theta, known, found)
    return found


def adapted_bits(bits: Bits, R: Array, R_before: Array) -> NDArray[np.int64]:
    """b^k >= ceil(log2(1 + (2^b - 1) R / R_before)), from 1 to 32, so that Delta does not grow.

    bits (k,) or one for all: those of the messages with R_before (k,). Found as the least b whose computed Delta is not
    larger than before (more than 32 bits are not available). If R or R_before is 0 or NaN, b stays. Since b is rounded
    up, Delta also falls while R only rises and falls, so b climbs.

    >>> adapted_bits([2, 2, 2, 2], np.array([1, 0.3, 2, 0]), np.array([1, 1, 1, 1])).tolist()
    [2, 1, 3, 2]
    """
    R, R_before = np.asarray(R, np.float64), np.asarray(R_before, np.float64)
    b = checked(bits, len(R))
    allowed = kernels.step(R_before, b)
    steps = kernels.step(R[:, None], np.arange(1, MOST + 1))
    least = np.minimum(1 + (steps > allowed[:, None]).sum(axis=1), MOST)
    return np.where((R > 0) & (R_before > 0), least, b)


def adapt(theta: Array, known: Array, bits: Bits, R: Array) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The bits (k,) of the next messages by `adapted_bits`, and the R to compare the ones after them with: R (k,), the
    last one that was not 0, stays if there is no change to send."""
    now = radius(theta, known)
    return adapted_bits(bits, now, R), np.where(now > 0, now, R)


def encode(theta: Array, known: Array, bits: Bits, uniform: NDArray[np.float64]) -> list[NDArray[np.uint8]]:
    """The messages of k workers; each row of `known` becomes what its receivers decode.

    theta, known (k, d): float32 or float64, rows contiguous. bits: 1 to 32, for all or for each (k,). uniform (k, d):
    numbers in [0, 1) drawn by the caller, because they belong to worker and iteration, not to a rank.
    TypeError: other types or shapes. ValueError: other bits.
    """
    check_stack(theta, known)
    if uniform.shape != theta.shape or uniform.dtype != np.float64 or not uniform.flags.c_contiguous:
        raise TypeError(f"uniform is {described(uniform)}, but must be contiguous float64 {theta.shape}")
    check_writeable(known)
    b = checked(bits, len(theta))
    starts = np.zeros(len(b) + 1, np.int64)
    np.cumsum(message_bytes(b, theta.shape[1]), out=starts[1:])
    ends = starts.tolist()
    packed = np.empty(ends[-1], np.uint8)
    kernels.encode(theta, known, b, uniform, starts, packed)
    return [packed[ends[n] : ends[n + 1]] for n in range(len(b))]


def decode(message: NDArray[np.uint8], known: Array) -> None:
    """Apply a worker's message to known (d,), its row, which then equals the sender's, bit for bit.

    TypeError: other types or shapes. ValueError: a message of other bits, or of a vector of another length.
    """
    if known.ndim != 1 or known.dtype not in REAL or not known.flags.c_contiguous:
        raise TypeError(f"known is {described(known)}, but must be contiguous float32 or float64 (d,)")
    check_writeable(known)
    if message.ndim != 1 or message.dtype != np.uint8 or not message.flags.c_contiguous:
        raise TypeError(f"a message is contiguous uint8, not {described(message)}")
    bits = bits_of(message)
    if len(message) != message_bytes(bits, known.size):
        size = f"{message_bytes(bits, known.size)} bytes, not {len(message)}"
        raise ValueError(f"a message of {known.size} entries of {bits} bits has {size}")
    kernels.decode_alone(message, known)


def bits_of(message: NDArray[np.uint8]) -> int:
    """b of a message. ValueError if there is none."""
    bits = int.from_bytes(message[4:8].tobytes(), "little")
    if len(message) < kernels.HEAD or not 1 <= bits <= MOST:
        raise ValueError(f"a message of {len(message)} bytes says {bits} bits an entry: must be 1 to {MOST}")
    return bits


def checked(bits: Bits, k: int) -> NDArray[np.int64]:
    """The bits of each of k workers as int64 (k,), or a TypeError or ValueError."""
    given = np.asarray(bits)
    if given.dtype.kind not in "iu" or given.shape not in ((), (k,)):
        raise TypeError(f"bits are {described(given)}, but must be one whole number or {k}")
    if k and not (given.min() >= 1 and given.max() <= MOST):
        raise ValueError(f"bits = {given.tolist()}: must be 1 to {MOST}")
    return np.full(k, given, np.int64)


def check_stack(theta: Array, known: Array) -> None:
    """Raise TypeError unless both are stacks of vectors alike."""
    for array, what in ((theta, "theta"), (known, "known")):
        if array.ndim != 2 or array.dtype not in REAL or not array.flags.c_contiguous:
            raise TypeError(f"{what} is {described(array)}, but must be contiguous float32 or float64 (k, d)")
    if theta.shape != known.shape or theta.dtype != known.dtype:
        raise TypeError(f"theta is {described(theta)}, known {described(known)}")


def check_writeable(known: Array) -> None:
    """Raise TypeError if known cannot be changed."""
    if not known.flags.writeable:
        raise TypeError(f"known {known.shape} is written to, but read-only")


def described(array: Array) -> str:
    """An array in words, for messages."""
    return f"{array.dtype} {array.shape}, strides {array.strides}"
