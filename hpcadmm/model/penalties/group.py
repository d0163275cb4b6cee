"""The group lasso: groups of coefficients are 0 together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.model.penalties.base import Penalty
from hpcadmm.model.penalties.elastic_net import Strength
from hpcadmm.model.state import Array


@dataclass(frozen=True)
class Group(Penalty):
    """P(W) = strength sum_g c_g |W_g|, the Euclidean norm of each group [Yuan, Lin, J. R. Statist. Soc. B 2006].

    strength: lambda, >= 0. Default 0.01.
    groups: "classes" (default): the coefficients of one feature, for all outputs, with c_g = 1. Or lists of names of
        features, [["a", "b"], ["c"]]: theirs, with c_g the square root of their number; each other feature by itself.
    """

    name: ClassVar[str] = "group"
    when: ClassVar[str] = "features that are in or out together, for all classes or by group"

    strength: Strength = 0.01
    groups: Literal["classes"] | list[list[str]] = "classes"
    of: ClassVar[Any] = None  # the group of each feature, once bound

    def bound(self, names: Sequence[str]) -> Self:
        of = np.arange(len(names))
        if self.groups != "classes":
            taken, place = set[str](), {name: j for j, name in enumerate(names)}
            for g, group in enumerate(self.groups):
                for name in group:
                    if name not in place or name in taken:
                        what = "stands in two groups" if name in taken else "is no feature of the data"
                        raise UsageError(f'penalty.groups: "{name}" {what}')
                    taken.add(name)
                    of[place[name]] = len(names) + g
            of = np.unique(of, return_inverse=True)[1]
        found = replace(self)
        object.__setattr__(found, "of", of)
        return found

    def at(self, strength: float) -> Self:
        found = super().at(strength)
        object.__setattr__(found, "of", self.of)
        return found

    @property
    def weights(self) -> Any:
        """c_g of each group."""
        return np.sqrt(np.bincount(self.of))

    def norms(self, W: Array) -> Any:
        """|W_g| of each group, in float64."""
        return np.sqrt(np.bincount(self.of, np.square(W, dtype=np.float64).sum(axis=0)))

    def value(self, W: Array) -> float:
        return float(self.strength * (self.weights @ self.norms(W)))

    def prox(self, V: Array, t: float) -> Array:
        norms = self.norms(V)
        keep = np.maximum(1 - t * self.strength * self.weights / np.where(norms > 0, norms, 1), 0)
        found: Array = V * keep[self.of].astype(V.dtype)
        return found

    def dual(self, G: Array) -> tuple[float, float] | None:
        largest = float((self.norms(G) / self.weights).max(initial=0.0))
        if not self.strength:
            return None
        return min(1.0, self.strength / largest) if largest > 0 else 1.0, 0.0

    @property
    def vanishing(self) -> bool:
        return True

    def largest(self, G: Array) -> float:
        return float((self.norms(G) / self.weights).max(initial=0.0))
