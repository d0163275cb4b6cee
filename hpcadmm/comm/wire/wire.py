"""How an array is encoded in messages between layers: unchanged, rounded, or as a quantized difference.

Both ends of a link keep `known`, the agreed value of the array. The sender encodes x - known; then both ends add the
decoded difference to known with the same loop, so that they hold the same bits. The error of one message is part of
the difference that the next one encodes, so that errors do not add up, and vanish as the iterates converge [the
quantizer of Q-GADMM, Elgabli et al.; pdADMM-G-Q, Wang et al., TNNLS 2022, quantizes the values themselves].
Deviation from Q-GADMM: codes are rounded to the nearest one, not at random, since known feeds the error back.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.wire import wire_kernels as kernels
from hpcadmm.model.state import Array

WireName = Literal["float64", "float32", "float16", 8, 16]
NAMES = get_args(WireName)

LEVELS: dict[Any, int] = {8: 127, 16: 32767}  # the largest code
SCALE = 8  # bytes of a tile's scale, a float64, before its codes
INTEGER = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


def quantum(scale: float, levels: int, dtype: Any) -> Any:
    """scale / levels as a `dtype` number; a denormal one is rounded up, so that `levels` steps reach scale.

    >>> float(quantum(254.0, 127, np.float32)), float(quantum(190 * 2.0**-1074, 127, np.float64)) / 2.0**-1074
    (2.0, 2.0)
    """
    real = np.dtype(dtype).type
    step = real(scale / levels)
    return step if float(step) * levels >= scale else np.nextafter(step, real(math.inf))


@dataclass(frozen=True)
class Wire:
    """The code of an array's tiles. A tile is (rows, columns), its entries of type `dtype`, float32 or float64.

    name: "float64" or "float32": the values, rounded to this type, infinite beyond its range. If the type holds dtype
    exactly, the array is sent unchanged, in its own type (float64 would only pad float32).
    "float16": the difference x - known, clipped to +-65504 and rounded to half precision, to 0 below 2^-25.
    8 or 16: the difference in this number of bits, as integer multiples of s / 127 or s / 32767, s = max |x - known|
    over the tile. An entry's error is at most half such a step, plus the rounding of known.

    Values that are not finite stay visible at both ends: with 8 and 16 one infinite or NaN entry (or a difference
    beyond the range of dtype) makes the whole tile of known NaN, with float16 its own entry, from then on.
    """

    name: WireName
    dtype: Any

    def __post_init__(self) -> None:
        if type(self.name) not in (str, int) or self.name not in NAMES:
            raise ValueError(f"there is no wire {self.name!r}, only {', '.join(map(repr, NAMES))}")
        if self.real not in INTEGER:
            raise TypeError(f"arrays of {self.real} cannot be sent, only float32 and float64")

    @property
    def lossless(self) -> bool:
        """The array itself is sent, and known is x."""
        return self.name == "float64" or self.name == self.real.name

    @cached_property
    def real(self) -> np.dtype[Any]:
        """The type of the arrays."""
        return np.dtype(self.dtype)

    @cached_property
    def unit(self) -> np.dtype[Any]:
        """The type of an entry in a message; float16 as int16, which numba can read."""
        if self.lossless:
            return self.real
        return np.dtype({"float32": np.float32, "float16": np.int16, 8: np.int8, 16: np.int16}[self.name])

    @cached_property
    def head(self) -> int:
        """Bytes before the entries: the scale of 8 and 16 bits."""
        return SCALE if isinstance(self.name, int) else 0

    def packed_bytes(self, entries: int, tiles: int = 1) -> int:
        """Bytes of this many packed entries in this many tiles, including their scales.

        >>> Wire(8, np.float32).packed_bytes(100), Wire("float16", np.float32).packed_bytes(100)
        (108, 200)
        """
        return self.head * tiles + self.unit.itemsize * entries

    def encode(self, x: Array, known: Array, out: NDArray[np.uint8]) -> None:
        """Pack a tile x (rows, columns) into out (packed_bytes,); known (rows, columns) becomes the agreed value.

        x and known are contiguous in Fortran order, as are column slices of such arrays.
        Raises TypeError for another dtype, shape, order or size.
        """
        if x.shape != known.shape:
            raise TypeError(f"x is {x.shape}, known {known.shape}")
        flat, base, units = self._flat(x, "x"), self._flat(known, "known"), self._units(out, x.size)
        if not known.flags.writeable or not out.flags.writeable:
            raise TypeError(f"encode writes to known {known.shape} and out {out.shape}, but one of them is read-only")
        if self.head:
            out[:SCALE].view(np.float64)[0] = self._quantize(flat, base, units)
        elif self.name == "float16":
            kernels.halve(flat, base, units)
        else:
            kernels.narrow(flat, units)
        self.decode(out, known)

    def decode(self, packed: NDArray[np.uint8], known: Array) -> None:
        """Unpack a tile (packed_bytes,); known (rows, columns) becomes the agreed value, as at the sender.

        Raises TypeError for another dtype, order or size.
        """
        if not known.flags.writeable:
            raise TypeError(f"decode writes to known {known.shape}, but it is read-only")
        base, units = self._flat(known, "known"), self._units(packed, known.size)
        if self.head:
            self._add(units, float(packed[:SCALE].view(np.float64)[0]), base)
        elif self.name == "float16":
            kernels.add_halves(units, base)
        else:
            np.copyto(base, units)

    def _quantize(self, x: Array, known: Array, codes: Array) -> float:
        """Fill the codes and return their scale; the codes are 0 if the scale is 0 or not finite."""
        scratch = np.empty(kernels.BLOCK, INTEGER[self.real])
        scale = float(kernels.largest(x, known, scratch))
        if scale and math.isfinite(scale):
            kernels.quantize(x, known, quantum(scale, LEVELS[self.name], self.real), codes)
        else:
            codes[...] = 0
        return scale

    def _add(self, codes: Array, scale: float, known: Array) -> None:
        """known += the decoded difference."""
        if not math.isfinite(scale):
            known[...] = np.nan
        elif scale:
            kernels.add_codes(codes, quantum(scale, LEVELS[self.name], self.real), known)

    def _flat(self, tile: Array, what: str) -> Array:
        """A view of a tile as a vector."""
        if tile.dtype != self.real:
            raise TypeError(f"{what} is {tile.dtype}, but the wire encodes {self.real}")
        if not tile.flags.f_contiguous:
            raise TypeError(f"{what} {tile.shape} is not contiguous in Fortran order: its strides are {tile.strides}")
        return tile.reshape(-1, order="F")

    def _units(self, packed: NDArray[np.uint8], entries: int) -> Array:
        """A view of the entries of a packed tile."""
        size = self.packed_bytes(entries)
        if packed.dtype != np.uint8 or packed.shape != (size,) or not packed.flags.c_contiguous:
            found = f"{packed.dtype} {packed.shape}, strides {packed.strides}"
            raise TypeError(f"a packed tile of {entries} entries is uint8 ({size},) and contiguous, not {found}")
        return packed[self.head :].view(self.unit)
