"""The elastic net and its ends: absolute values, squares, or both."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le, Lt

from hpcadmm.model.penalties.base import Penalty, shrunk
from hpcadmm.model.state import Array

Strength = Annotated[float, Ge(0), Lt(np.inf)]


@dataclass(frozen=True)
class Elastic(Penalty):
    """P(W) = l1 |W|_1 + l2/2 |W|^2, over W >= 0 if `nonnegative`. A subclass names the two."""

    strength: Strength = 0.01
    nonnegative: bool = False

    @property
    def l1(self) -> float:
        return 0.0

    @property
    def l2(self) -> float:
        return 0.0

    @property
    def quadratic(self) -> float | None:  # type: ignore[override]
        return None if self.l1 or self.nonnegative else self.l2

    def value(self, W: Array) -> float:
        return float(self.l1 * np.abs(W).sum(dtype=np.float64) + 0.5 * self.l2 * np.square(W).sum(dtype=np.float64))

    def prox(self, V: Array, t: float) -> Array:
        found: Array = shrunk(V, t * self.l1, self.nonnegative) / V.dtype.type(1 + t * self.l2)
        return found

    def dual(self, G: Array) -> tuple[float, float] | None:
        if self.l2:
            return 1.0, float(np.square(shrunk(G, self.l1, self.nonnegative)).sum(dtype=np.float64)) / (2 * self.l2)
        largest = float((G if self.nonnegative else np.abs(G)).max(initial=0.0))
        if not self.l1:
            return None
        return min(1.0, self.l1 / largest) if largest > 0 else 1.0, 0.0

    @property
    def vanishing(self) -> bool:
        return self.at(1.0).l1 > 0

    def largest(self, G: Array) -> float:
        return float((G if self.nonnegative else np.abs(G)).max(initial=0.0)) / self.at(1.0).l1


@dataclass(frozen=True)
class NoPenalty(Elastic):
    """P(W) = 0.

    strength: 0.
    nonnegative: W >= 0. Default false.
    """

    name: ClassVar[str] = "none"
    scalable: ClassVar[bool] = False
    when: ClassVar[str] = "no penalty, or coefficients >= 0 only"

    strength: Annotated[float, Ge(0), Le(0)] = 0.0


@dataclass(frozen=True)
class L1(Elastic):
    """P(W) = strength |W|_1: the lasso [Tibshirani, J. R. Statist. Soc. B 1996].

    strength: lambda, >= 0. Default 0.01.
    nonnegative: W >= 0. Default false.
    """

    name: ClassVar[str] = "l1"
    when: ClassVar[str] = "few coefficients that are not 0 (lasso)"

    @property
    def l1(self) -> float:
        return self.strength


@dataclass(frozen=True)
class L2(Elastic):
    """P(W) = strength/2 |W|^2: ridge regression.

    strength: lambda, >= 0. Default 0.01.
    nonnegative: W >= 0. Default false.
    """

    name: ClassVar[str] = "l2"
    when: ClassVar[str] = "small coefficients (ridge): correlated features, too few samples"

    @property
    def l2(self) -> float:
        return self.strength


@dataclass(frozen=True)
class ElasticNet(Elastic):
    """P(W) = strength (ratio |W|_1 + (1 - ratio)/2 |W|^2) [Zou, Hastie, J. R. Statist. Soc. B 2005].

    strength: lambda, >= 0. Default 0.01.
    ratio: share of |W|_1, in [0, 1]. Default 0.5.
    nonnegative: W >= 0. Default false.
    """

    name: ClassVar[str] = "elastic-net"
    when: ClassVar[str] = "few coefficients among correlated features"

    ratio: Annotated[float, Ge(0), Le(1)] = 0.5

    @property
    def l1(self) -> float:
        return self.strength * self.ratio

    @property
    def l2(self) -> float:
        return self.strength * (1 - self.ratio)
