"""Arrays rounded to bfloat16, in the layouts that products need, each made once."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from hpcadmm.products import rounding
from hpcadmm.products.base import Array

ONE = 0x3F80  # 1 in bfloat16


class Rounded:
    """x (rows, columns) in bfloat16, as uint16, in two layouts; each is made when it is first needed.

    plain: (columns, rows), a column of x contiguous: for products that sum over the rows
    turned: (rows, columns), a row of x contiguous: for products that sum over the columns

    Both come from the array of `hold`, or from a kernel that writes `plain` into what `fill` gives. The memory is kept.
    """

    dtype = np.dtype(np.float32)  # of the array

    def __init__(self, rows: int, columns: int) -> None:
        self.shape = rows, columns
        self._array: Array | None = None
        self._plain: Array | None = None
        self._turned: Array | None = None
        self._has_plain = self._has_turned = False
        self._packed: dict[Any, Any] = {}
        self._former: dict[Any, Any] = {}
        self._tiles: dict[tuple[int, int], Array] = {}

    def hold(self, array: Array) -> Self:
        """Be this float32 array (rows, columns), which must not change before the layouts are made."""
        self._array, self._has_plain, self._has_turned = array, False, False
        self._packed.clear()
        return self

    def fill(self) -> Array:
        """The memory of `plain`, for a kernel that writes it."""
        self._array, self._has_plain, self._has_turned = None, True, False
        self._packed.clear()
        return self._plain_memory()

    def settle(self) -> Self:
        """Make the layouts now; the array may change afterwards."""
        self._plain, self._turned, self._array = self.plain, self.turned, None
        return self

    @classmethod
    def ones(cls, rows: int, columns: int, ones: int) -> Self:
        """Memory whose last `ones` rows are 1; kernels write the others."""
        made = cls(rows, columns)
        made.fill()[:, rows - ones :] = ONE
        return made

    @property
    def plain(self) -> Array:
        """(columns, rows)"""
        memory = self._plain_memory()
        if not self._has_plain:
            rounding.round_plain(self._required().T, memory)
            self._has_plain = True
        return memory

    @property
    def turned(self) -> Array:
        """(rows, columns)"""
        memory = self._turned_memory()
        if not self._has_turned:
            if self._has_plain:
                rounding.turn(self.plain, memory)
            else:
                rounding.turn(self._required().T, memory)
            self._has_turned = True
        return memory

    @property
    def floats(self) -> Array:
        """(rows, columns), in float32: the rounded numbers."""
        if "floats" not in self._packed:
            found = np.empty(self.shape, np.float32, order="F")
            rounding.widen(self.plain, found.T)
            self._packed["floats"] = found
        made: Array = self._packed["floats"]
        return made

    def packed(self, key: Any, pack: Callable[[Any], Any]) -> Any:
        """What `pack` makes of this, made once until it changes; `pack` is given what it made before, or None."""
        if key not in self._packed:
            self._packed[key] = self._former[key] = pack(self._former.get(key))
        return self._packed[key]

    def unpacked(self) -> Self:
        """The same, so that a product packs it again."""
        self._packed.clear()
        return self

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> "Rounded":
        """The first n rows of columns, [:n, t], a view of `plain`; the same number of other columns reuses the memory
        of its other forms."""
        rows, t = key
        plain = self.plain[t, : rows.stop]
        part = Rounded(plain.shape[1], plain.shape[0])
        part._plain, part._has_plain, part._former = plain, True, self._former
        if part.shape not in self._tiles:
            self._tiles[part.shape] = part._turned_memory()
        part._turned = self._tiles[part.shape]
        return part

    def _required(self) -> Array:
        if self._array is None:
            raise ValueError("a rounded array without contents")
        return self._array

    def _plain_memory(self) -> Array:
        if self._plain is None:
            self._plain = np.empty(self.shape[::-1], np.uint16)
        return self._plain

    def _turned_memory(self) -> Array:
        if self._turned is None:
            self._turned = rounding.lines(*self.shape)
        return self._turned
