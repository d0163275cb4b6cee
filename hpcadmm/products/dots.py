"""numkong's products of bfloat16 through its C functions, which write into any part of an array.

Matrices are in C order: A (rows, inner), B (columns, inner), C = A B^T (rows, columns). Entries of a row lie side by
side, rows any distance apart. The import of numkong chooses the kernels for this processor.
"""

from ctypes import CDLL, c_size_t, c_void_p
from dataclasses import dataclass
from typing import Any

import numkong._numkong as numkong
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
PANEL = 64  # rows of one panel of a symmetric product
LINE = 64  # bytes of a cache line

_library = CDLL(numkong.__file__)
_size = _library.nk_dots_packed_size_bf16
_size.argtypes, _size.restype = [c_size_t] * 2, c_size_t
_pack = _library.nk_dots_pack_bf16
_pack.argtypes, _pack.restype = [c_void_p, *[c_size_t] * 3, c_void_p], None
_multiply = _library.nk_dots_packed_bf16
_multiply.argtypes, _multiply.restype = [*[c_void_p] * 3, *[c_size_t] * 5], None


@dataclass(frozen=True)
class Packed:
    """A matrix (columns, inner) as the second factor of products, in the order in which the kernel reads it."""

    shape: tuple[int, int]
    memory: Array
    address: int


def room(columns: int, inner: int) -> Packed:
    """Memory for a second factor."""
    memory = np.empty(_size(columns, inner) + LINE, np.uint8)
    start = address(memory)
    return Packed((columns, inner), memory, start + -start % LINE)


def pack(B: Array, former: Packed | None = None) -> Packed:
    """B as the second factor, in the memory of a former one if that has its shape."""
    packed = former if former is not None and former.shape == B.shape else room(*B.shape)
    if B.size:
        _pack(address(B), *B.shape, B.strides[0], packed.address)
    return packed


def multiply(A: Array, B: Packed, C: Array) -> None:
    """C = A B^T, summed in float32; the bits of an entry do not depend on the number of rows and columns."""
    if A.size and B.shape[0]:
        _multiply(address(A), B.address, address(C), len(A), *B.shape, A.strides[0], C.strides[0])
    else:
        C[...] = 0


def square(A: Array, C: Array) -> None:
    """The upper triangle of C = A A^T, by panels of columns down to the diagonal; what is below it is not defined."""
    if not A.size:
        C[...] = 0
        return
    (rows, inner), step, wide = A.shape, A.strides[0], C.strides[0]
    first, target, panel = address(A), address(C), room(PANEL, inner)
    for lo in range(0, rows, PANEL):
        hi = min(lo + PANEL, rows)
        _pack(first + lo * step, hi - lo, inner, step, panel.address)
        _multiply(first, panel.address, target + C.itemsize * lo, hi, hi - lo, inner, step, wide)


def address(x: Array) -> int:
    """The address of its first entry."""
    found: int = x.__array_interface__["data"][0]
    return found
