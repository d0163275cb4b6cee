"""A machine: what its probes measured, and the few numbers fitted to them; kept as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from hpcadmm.errors import UsageError
from hpcadmm.solvers.shared.ops import Dense, Gemm, Kernel, Passes

FORMAT = 1
ROUGH = 0.1
Terms = list[float]


def gemm_terms(m: float, n: float, k: float) -> Terms:
    """A product (m, k) (k, n): a call; what is read and packed, m k and k n; what is written, m n; and the flops."""
    return [1.0, m * k, k * n, m * n, m * n * k]


def dense_terms(n: float, columns: float) -> Terms:
    """Algebra of (n, n), with right sides."""
    return [1.0, n * n, n**3] if not columns else [1.0, n * n, n * columns, n * n * columns]


def message_terms(size: float) -> Terms:
    """Latency and bandwidth."""
    return [1.0, size]


def fitted(terms: Sequence[Terms], seconds: Sequence[float]) -> tuple[Terms, float]:
    """Coefficients >= 0 with the least squared relative errors, and the median of |error|.

    A sample that is off by more than ROUGH counts less: another process may have had the core.
    """
    t = np.array(seconds)
    A = np.array(terms) / t[:, None]
    scale, weight = A.max(axis=0), np.ones(len(t))
    for _ in range(12):
        coefficients = nnls(A / scale * weight[:, None], weight)[0] / scale
        weight = 1 / np.sqrt(1 + ((A @ coefficients - 1) / ROUGH) ** 2)
    return [float(c) for c in coefficients], float(np.median(np.abs(A @ coefficients - 1)))


@dataclass(frozen=True)
class Rates:
    """Of one rank while so many are at work on its machine. Everything in seconds, by entry, byte or term."""

    gemm: Mapping[str, Mapping[str, Terms]]  # by precision and kind
    kernels: Mapping[str, Mapping[str, float]]  # by precision and name
    dense: Mapping[str, Terms]
    near: float
    far: float
    call: float

    def seconds(self, op: Any, precision: str) -> tuple[str, float]:
        """Of an operation that is no message: what it counts as, and how long it takes."""
        if isinstance(op, Gemm):
            return "products", op.calls * value(self.gemm[precision][op.kind], gemm_terms(*op.shape))
        if isinstance(op, Dense):
            return "serial", op.times * value(self.dense[op.kind], dense_terms(op.n, op.columns))
        if isinstance(op, Kernel):
            return "passes", op.entries * self.kernels[precision][op.name] + op.calls * self.call
        assert isinstance(op, Passes)
        return "passes", op.near * self.near + op.far * self.far + op.calls * self.call


def value(coefficients: Terms, terms: Terms) -> float:
    """Their scalar product."""
    return math.fsum(c * t for c, t in zip(coefficients, terms, strict=True))


@dataclass(frozen=True)
class Machine:
    """`probes`: raw seconds for each number of ranks at once; the largest is all of its cores."""

    about: Mapping[str, Any]
    probes: Sequence[Mapping[str, Any]]
    rates: Mapping[int, Rates] = field(init=False)
    errors: Mapping[str, float] = field(init=False)  # of the fits: the median of |relative error|

    def __post_init__(self) -> None:
        if not self.probes:
            raise ValueError("no probes")
        errors: dict[str, float] = {}
        rates = {int(one["ranks"]): rates_of(one, errors) for one in self.probes}
        object.__setattr__(self, "rates", dict(sorted(rates.items())))
        object.__setattr__(self, "errors", errors)

    @property
    def cores(self) -> int:
        """As many ranks as were at work at most."""
        return max(self.rates)

    def at(self, ranks: int) -> Rates:
        """With so many ranks at work on a machine; between two that were measured by a straight line."""
        known = list(self.rates)
        ranks = min(max(ranks, known[0]), known[-1])
        lower, upper = max(n for n in known if n <= ranks), min(n for n in known if n >= ranks)
        if lower == upper:
            return self.rates[lower]
        share = (ranks - lower) / (upper - lower)
        return Rates(**mixed(vars(self.rates[lower]), vars(self.rates[upper]), share))

    def messages(self, verb: str) -> Terms:
        """[latency, seconds a byte] of "send" or "sum" through the memory of this machine, as most ranks saw it."""
        rows = [one["messages"][verb] for one in self.probes if one["messages"]]
        if not rows:
            return [1e-6, 1e-10 if verb == "send" else 3e-10]  # a machine of one core: assumed
        return fitted([message_terms(row[0]) for row in rows[-1]], [row[1] for row in rows[-1]])[0]

    def text(self) -> str:
        """As JSON: raw seconds, and the fitted numbers for whoever reads it."""
        fits = {str(n): vars(rates) for n, rates in self.rates.items()}
        network = {verb: self.messages(verb) for verb in ("send", "sum")}
        one = {"format": FORMAT, "about": self.about, "fitted": fits, "network": network, "errors": self.errors,
               "probes": self.probes}  # fmt: skip
        return json.dumps(one, indent=1, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> "Machine":
        """A file that `hpcadmm scaling machine` wrote. Raises UsageError for any other."""
        try:
            one = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(one, dict) or one.get("format") != FORMAT:
                raise UsageError(f"{path} is not a machine file (format {FORMAT}) of hpcadmm scaling machine")
            return cls(one["about"], one["probes"])
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the machine file {path}: {error}") from None
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise UsageError(f"the machine file {path} is damaged: {type(error).__name__}: {error}") from None


def rates_of(one: Mapping[str, Any], errors: dict[str, float]) -> Rates:
    """The fits of one probe; their errors are noted by name."""

    def fit(name: str, terms: list[Terms], rows: Sequence[Sequence[float]]) -> Terms:
        found, errors[f"{name} ({one['ranks']} ranks)"] = fitted(terms, [row[-1] for row in rows])
        return found

    gemm = {
        precision: {kind: fit(f"{kind} {precision}", [gemm_terms(*row[:3]) for row in rows], rows)
                    for kind, rows in kinds.items()}
        for precision, kinds in one["gemm"].items()
    }  # fmt: skip
    dense = {kind: fit(kind, [dense_terms(*row[:2]) for row in rows], rows) for kind, rows in one["dense"].items()}
    return Rates(gemm, one["kernels"], dense, one["passes"]["near"], one["passes"]["far"], one["call"])


def mixed(one: Any, other: Any, share: float) -> Any:
    """Numbers between those of two nested dicts and lists of the same form."""
    if isinstance(one, Mapping):
        return {key: mixed(value, other[key], share) for key, value in one.items()}
    if isinstance(one, list | tuple):
        return [mixed(a, b, share) for a, b in zip(one, other, strict=True)]
    return one + share * (other - one)
