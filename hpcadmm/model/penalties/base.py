"""The interface of a penalty P(W) of a linear model's coefficients."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from hpcadmm.model.state import Array


class Penalty:
    """P(W), its `strength` included; W (outputs, features) are the coefficients without the intercepts.

    A subclass is a frozen dataclass of the keys of [penalty]. Arrays keep their precision.
    """

    name: ClassVar[str]
    when: ClassVar[str] = ""  # what to use it for, in one line
    strength: float
    scalable: ClassVar[bool] = True  # has it a strength that may be chosen?
    quadratic: ClassVar[float | None] = None  # c, if P(W) = c/2 |W|^2

    def bound(self, names: Sequence[str]) -> Self:
        """The penalty of these features. Raises UsageError for names that they do not have."""
        return self

    def at(self, strength: float) -> Self:
        """The same penalty of another strength."""
        return replace(self, strength=strength)  # type: ignore[type-var]

    def value(self, W: Array) -> float:
        """P(W), in float64; bounds count as met."""
        raise NotImplementedError

    def prox(self, V: Array, t: float) -> Array:
        """argmin_W P(W) + 1/(2 t) |W - V|^2, t > 0."""
        raise NotImplementedError

    def dual(self, G: Array) -> tuple[float, float] | None:
        """The largest s in [0, 1] for which the conjugate P*(s G) = sup_W <s G, W> - P(W) is finite, and P*(s G); None:
        it is finite at 0 only."""
        raise NotImplementedError

    @property
    def vanishing(self) -> bool:
        """Is there a strength for which all coefficients are 0?"""
        return False

    def largest(self, G: Array) -> float:
        """The least strength for which W = 0 is a minimiser, if G is minus the loss's gradient there and the penalty
        is `vanishing`."""
        raise NotImplementedError


def shrunk(V: Any, by: float, positive: bool) -> Any:
    """V moved towards 0 by `by`, at most to 0; `positive`: negative entries become 0."""
    if positive:
        return (V - V.dtype.type(by)).clip(min=0)
    return V - V.clip(-by, by)
