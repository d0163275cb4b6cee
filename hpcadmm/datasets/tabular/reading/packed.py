"""Columns of numbers held in one to five bytes a value, where that loses no bit, and unpacked when they are used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST = 13  # decimals
BOUND = 2.0**39  # of whole numbers in five bytes
FEW = 64  # values that show the form
FAR = 12  # bytes of a value that is far; where one in so many is, five bytes a value are no more


@dataclass(frozen=True)
class Packed:
    """low + 2^32 high: float32, or whole numbers of 10^-decimals. valid: Arrow's bitmap of those that are there.

    far: the places and the values of a few that four bytes cannot hold.
    """

    low: NDArray[Any]
    high: NDArray[np.int8] | None
    decimals: int
    valid: Any
    far: tuple[NDArray[np.int32], Floats] | None = None

    @classmethod
    def of(cls, array: Any) -> "Packed":
        """Pack a float64 array; one that has no smaller form is held as it is."""
        values = np.frombuffer(array.buffers()[1], np.float64)[array.offset : array.offset + len(array)]
        valid = None
        if array.null_count:
            present = pc.is_valid(array)
            valid, values = present.buffers()[1], np.where(present.to_numpy(zero_copy_only=False), values, 0.0)
        found, decimals = decimal(values)
        low, high = (values, None) if found is None else narrowest(found)
        if found is None or high is not None:
            with np.errstate(over="ignore"):
                single = values.astype(np.float32)
            if same(single.astype(np.float64), values):
                return cls(single, None, 0, valid)
        if found is not None and high is not None:
            places = np.flatnonzero(np.abs(found) >= 2.0**31).astype(np.int32)
            if FAR * len(places) < len(found):
                found[places] = 0
                return cls(found.astype(np.int32), None, decimals, valid, (places, values[places]))
        return cls(low, high, decimals, valid)

    def array(self) -> Any:
        """The float64 array."""
        values = self.low.astype(np.float64)
        if self.high is not None:
            values += self.high * 2.0**32
        if self.decimals:
            values /= 10.0**self.decimals
        if self.far is not None:
            values[self.far[0]] = self.far[1]
        return pa.Array.from_buffers(pa.float64(), len(values), [self.valid, pa.py_buffer(values)])


def decimal(values: Floats) -> tuple[Floats | None, int]:
    """The values as whole numbers of 10^-decimals, with the fewest decimals; (None, 0) if they have more than MOST."""
    for decimals in range(MOST + 1):
        if wholes(values[:FEW], decimals) is not None and (found := wholes(values, decimals)) is not None:
            return found, decimals
    return None, 0


def wholes(values: Floats, decimals: int) -> Floats | None:
    """The values times 10^decimals, if they are whole numbers of up to five bytes from which all bits come back.

    The quotient of a whole number below 2^53 and a power of ten up to 10^22 is the float64 next to the decimal number.
    """
    with np.errstate(over="ignore"):
        found = np.rint(values * 10.0**decimals) + 0.0  # -0.0 is no whole number
    return found if (np.abs(found) < BOUND).all() and same(found / 10.0**decimals, values) else None


def same(a: Floats, b: Floats) -> bool:
    """Have they the same bits?"""
    return bool((a.view(np.int64) == b.view(np.int64)).all())


def narrowest(values: Floats) -> tuple[NDArray[Any], NDArray[np.int8] | None]:
    """Whole numbers in the smallest integers: low and, for five bytes, high."""
    low, high = values.min(initial=0), values.max(initial=0)
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind), None
    upper = np.floor(values / 2.0**32)
    return (values - upper * 2.0**32).astype(np.uint32), upper.astype(np.int8)


class Columns(Sequence[Any]):
    """The columns of a shard as Arrow arrays; numbers are unpacked whenever they are asked for."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.rows = len(arrays[0])
        self.held = [Packed.of(array) if pa.types.is_float64(array.type) else array for array in arrays]

    def __len__(self) -> int:
        return len(self.held)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    def __getitem__(self, place: Any) -> Any:
        held = self.held[place]
        return held.array() if isinstance(held, Packed) else held
