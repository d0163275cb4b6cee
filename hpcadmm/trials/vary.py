"""`--vary`: a key of the job and its possible values; and the values that the trials take."""

import json
import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import qmc

from hpcadmm.errors import UsageError
from hpcadmm.job.typed import Raw

EXAMPLES = "solver.gamma=log:0.1:100, solver.eta=uniform:0:1, solver.T=int:1:20, solver.batch=choice:128,512"
RANGES = ("log", "uniform", "int")
SHIFT = 3  # seed of the shift of the points, so that the first is not the corner of all least values
TRIES = 64  # points drawn per trial before the values count as exhausted


@dataclass(frozen=True)
class Vary:
    """One key. text: as given; values: of a choice; low, high: of a range, both ends included."""

    key: str
    text: str
    kind: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def of(cls, text: str) -> "Vary":
        """Read KEY=log:LOW:HIGH, KEY=uniform:LOW:HIGH, KEY=int:LOW:HIGH or KEY=choice:A,B,... Raises UsageError."""
        key, equals, said = text.partition("=")
        kind, colon, rest = said.partition(":")
        if not (key.strip() and equals and colon) or kind not in (*RANGES, "choice"):
            raise UsageError(f"--vary {text}: write for example {EXAMPLES}")
        if kind == "choice":
            return cls(key.strip(), text, kind, values=choices(text, rest))
        low, high = ends(text, kind, rest)
        return cls(key.strip(), text, kind, low=low, high=high)

    def at(self, u: float) -> Any:
        """The value at u in [0, 1); numbers of a range are rounded to four digits.

        >>> [Vary.of("a.b=" + text).at(0.5) for text in ("log:0.1:100", "uniform:0:1", "int:1:20", "choice:x,y")]
        [3.162, 0.5, 11, 'y']
        """
        if self.kind == "choice":
            return self.values[int(u * len(self.values))]
        if self.kind == "int":
            return int(self.low) + int(u * (self.high - self.low + 1))
        whole = self.low * (self.high / self.low) ** u if self.kind == "log" else self.low + u * (self.high - self.low)
        return min(max(float(f"{whole:.4g}"), self.low), self.high)

    def probes(self) -> tuple[Any, ...]:
        """All values of a choice, or the two ends of a range."""
        if self.kind == "choice":
            return self.values
        return (int(self.low), int(self.high)) if self.kind == "int" else (self.low, self.high)

    def override(self, value: Any) -> str:
        """The override for --set; text that is not TOML stays as typed, and the key decides its type."""
        return f"{self.key}={value if isinstance(value, Raw) else json.dumps(value, ensure_ascii=False)}"


def choices(text: str, rest: str) -> tuple[Any, ...]:
    """The values between the commas, read as TOML; as typed if they are no TOML or dates. Raises UsageError.

    >>> choices("", "1,2.5"), choices("", "[100], [300, 300]"), choices("", "relu, tanh")
    ((1, 2.5), ([100], [300, 300]), ('relu', 'tanh'))
    """
    try:
        (values,) = tomllib.loads(f"values = [{rest}]").values()
        shown = {json.dumps(value) for value in values}
    except (ValueError, TypeError, RecursionError):  # not TOML, or more than one line, or a date: as typed
        values = [Raw(part.strip()) for part in rest.split(",")]
        shown = set(values)
    if not values or "" in values or len(shown) < len(values):
        raise UsageError(f"--vary {text}: a choice needs numbers, words or lists, separated by commas, each once")
    return tuple(values)


def ends(text: str, kind: str, rest: str) -> tuple[float, float]:
    """The two ends of a range. Raises UsageError."""
    try:
        low, high = (float(part) for part in rest.split(":"))
    except ValueError:
        raise UsageError(f"--vary {text}: {kind} takes two numbers, {kind}:LOW:HIGH") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--vary {text}: {kind} takes two finite numbers, the smaller first")
    if kind == "log" and low <= 0:
        raise UsageError(f"--vary {text}: a logarithmic range begins above 0")
    if kind == "int" and not (low.is_integer() and high.is_integer()):
        raise UsageError(f"--vary {text}: int takes two whole numbers")
    return low, high


def varied(texts: Sequence[str]) -> list[Vary]:
    """Read all --vary. Raises UsageError if there is none, or a key occurs twice."""
    found = [Vary.of(text) for text in texts]
    keys = [one.key for one in found]
    if not found or len(set(keys)) < len(keys):
        raise UsageError(f"name each key to vary once with --vary, for example --vary {EXAMPLES}")
    return found


def sampled(vary: Sequence[Vary], first: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The values of `count` trials: `first` and then a Sobol sequence, without repetition; fewer if there are no more.

    A longer list begins with a shorter one.
    """
    trials, seen = [first], {told(first)}
    for point in points(len(vary), count * TRIES):
        if len(trials) >= count:
            break
        values = {one.key: one.at(u) for one, u in zip(vary, point, strict=True)}
        if told(values) not in seen:
            seen.add(told(values))
            trials.append(values)
    return trials[:count]


def told(values: dict[str, Any]) -> str:
    """Values as text, equal for equal values; 1 and 1.0 are equal."""
    return json.dumps([float(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values.values()])


def points(dimensions: int, count: int) -> Iterator[list[float]]:
    """At least `count` points in the unit cube: a shifted Sobol sequence, always the same."""
    shift = np.random.PCG64([SHIFT, dimensions]).random_raw(dimensions) / 2.0**64
    sequence = qmc.Sobol(dimensions, scramble=False).random_base2(max(count - 1, 1).bit_length())
    return iter(((sequence + shift) % 1.0).tolist())
