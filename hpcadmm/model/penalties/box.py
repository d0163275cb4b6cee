"""Bounds of the coefficients."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from annotated_types import Ge, Le

from hpcadmm.errors import UsageError
from hpcadmm.model.penalties.base import Penalty
from hpcadmm.model.state import Array


@dataclass(frozen=True)
class Box(Penalty):
    """P(W) = 0 for lower <= W <= upper.

    strength: 0.
    lower, upper: of every coefficient, numbers or tables of numbers by the name of the feature; features that are not
        named have no bound. Default: none.
    """

    name: ClassVar[str] = "box"
    scalable: ClassVar[bool] = False
    when: ClassVar[str] = "bounds of the coefficients"

    strength: Annotated[float, Ge(0), Le(0)] = 0.0
    lower: float | dict[str, float] | None = None
    upper: float | dict[str, float] | None = None
    bounds: ClassVar[Any] = None  # (2, features), once bound

    def bound(self, names: Sequence[str]) -> Self:
        bounds = np.array([[-inf], [inf]]) * np.ones(len(names))
        place = {name: j for j, name in enumerate(names)}
        for row, (key, given) in zip(bounds, (("lower", self.lower), ("upper", self.upper)), strict=True):
            if isinstance(given, float | int):
                row[:] = given
            for name, value in given.items() if isinstance(given, dict) else ():
                if name not in place:
                    raise UsageError(f'penalty.{key}: "{name}" is no feature of the data')
                row[place[name]] = value
        wrong = np.flatnonzero(~(bounds[0] <= bounds[1]))
        if wrong.size:
            j = int(wrong[0])
            raise UsageError(
                f"penalty.lower = {bounds[0, j]:g} of {names[j]} is above penalty.upper = {bounds[1, j]:g}"
            )
        found = replace(self)
        object.__setattr__(found, "bounds", bounds)
        return found

    def value(self, W: Array) -> float:
        return 0.0

    def prox(self, V: Array, t: float) -> Array:
        low, high = self.bounds.astype(V.dtype)
        return np.clip(V, low, high)

    def dual(self, G: Array) -> tuple[float, float] | None:
        """G may push a coefficient only towards a finite bound."""
        low, high = self.bounds
        if np.isinf(np.where(G > 0, high, np.where(G < 0, low, 0.0))).any():
            return None
        return 1.0, float((np.where(G > 0, high, np.where(G < 0, low, 0.0)) * G).sum(dtype=np.float64))
