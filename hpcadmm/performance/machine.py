"""A machine: the measurements of its probes, under the launcher, and the rates fitted to them, saved as JSON."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from hpcadmm import __version__
from hpcadmm.errors import UsageError
from hpcadmm.experiments.launcher import child, launcher, refuse_other, usable_cores
from hpcadmm.products import PRECISIONS
from hpcadmm.products.base import pays
from hpcadmm.solvers.shared.case import Case
from hpcadmm.solvers.shared.ops import Dense, Gemm, Kernel, Passes
from hpcadmm.storage.durable import spoken, write_text

Say = Callable[[str], None]
FORMAT = 1
ROUGH = 0.1
Terms = list[float]


def gemm_terms(m: float, n: float, k: float) -> Terms:
    """Of a product (m, k) (k, n): a call; entries read, m k and k n; entries written, m n; multiply-adds."""
    return [1.0, m * k, k * n, m * n, m * n * k]


def dense_terms(n: float, columns: float) -> Terms:
    """Of algebra with a matrix (n, n) and right sides."""
    return [1.0, n * n, n**3] if not columns else [1.0, n * n, n * columns, n * n * columns]


def fitted(terms: Sequence[Terms], seconds: Sequence[float]) -> tuple[Terms, float]:
    """Coefficients >= 0 with the least squared relative errors, and the median of |error|.

    A sample that is off by more than ROUGH counts less, since another process may have used the core.
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
    """The rates of one rank while others work on its machine: seconds by entry, byte or term."""

    gemm: Mapping[str, Mapping[str, Terms]]  # by precision and kind
    kernels: Mapping[str, Mapping[str, float]]  # by precision and name
    dense: Mapping[str, Terms]
    near: float
    far: float
    call: float

    def seconds(self, op: Any, precision: str) -> tuple[str, float]:
        """The factor that an operation (not a message) belongs to, and its seconds."""
        arrays = np.dtype(PRECISIONS[precision]).name
        if isinstance(op, Gemm):
            rounded = precision == "bfloat16" and pays(*op.factor)
            gemm = self.gemm["bfloat16" if rounded else arrays]
            return "products", op.calls * value(gemm[op.kind], gemm_terms(*op.shape))
        if isinstance(op, Dense):
            return "serial", op.times * value(self.dense[op.kind], dense_terms(op.n, op.columns))
        if isinstance(op, Kernel):
            return "passes", op.entries * self.kernels[arrays][op.name] + op.calls * self.call
        assert isinstance(op, Passes)
        return "passes", op.near * self.near + op.far * self.far + op.calls * self.call


def value(coefficients: Terms, terms: Terms) -> float:
    """Their scalar product."""
    return math.fsum(c * t for c, t in zip(coefficients, terms, strict=True))


@dataclass(frozen=True)
class Machine:
    """`probes`: raw seconds by the number of ranks that work at once, in rising order; on several nodes, the rates are
    those of this number of ranks on each node."""

    about: Mapping[str, Any]
    probes: Sequence[Mapping[str, Any]]
    rates: Mapping[int, Rates] = field(init=False)
    errors: Mapping[str, float] = field(init=False)  # of the fits: the median of |relative error|

    def __post_init__(self) -> None:
        if not self.probes:
            raise ValueError("no probes")
        errors: dict[str, float] = {}
        rates = {of_a_node(one): rates_of(one, errors) for one in self.probes}
        object.__setattr__(self, "rates", dict(sorted(rates.items())))
        object.__setattr__(self, "errors", errors)

    @property
    def cores(self) -> int:
        """The largest number of ranks a node that were measured at once."""
        return max(self.rates)

    def at(self, ranks: int) -> Rates:
        """The rates with this many ranks running, interpolated between those that were measured."""
        known = list(self.rates)
        ranks = min(max(ranks, known[0]), known[-1])
        lower, upper = max(n for n in known if n <= ranks), min(n for n in known if n >= ranks)
        if lower == upper:
            return self.rates[lower]
        share = (ranks - lower) / (upper - lower)
        return Rates(**mixed(vars(self.rates[lower]), vars(self.rates[upper]), share))

    def messages(self, verb: str, where: str = "messages") -> Terms:
        """[latency, seconds a byte] of "send" or "sum" within a node or `where` = "between" nodes, from the probe with
        most ranks."""
        rows = [one[where][verb] for one in self.probes if one.get(where)]
        if not rows:
            return [1e-6, 1e-10 if verb == "send" else 3e-10]  # a node of one core: assumed
        if where == "between":  # many networks let some bytes through at once, and limit what follows
            (_, latency), (size, seconds) = rows[-1][0], rows[-1][-1]
            return [latency, max(seconds - latency, 0.0) / size]
        return fitted([[1.0, row[0]] for row in rows[-1]], [row[1] for row in rows[-1]])[0]

    @property
    def nodes(self) -> int:
        """The number of nodes between which messages were measured."""
        return max(int(one.get("nodes", 1)) for one in self.probes)

    def text(self) -> str:
        """As JSON: raw seconds, and the fitted numbers for the reader."""
        fits = {str(n): vars(rates) for n, rates in self.rates.items()}
        network = {
            where: {verb: self.messages(verb, where) for verb in ("send", "sum")} for where in ("messages", "between")
        }
        one = {"format": FORMAT, "about": self.about, "fitted": fits, "network": network, "errors": self.errors,
               "probes": self.probes}  # fmt: skip
        return json.dumps(one, indent=1, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> "Machine":
        """Read a file of `hpcadmm scaling machine`. Raises UsageError for any other."""
        try:
            one = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(one, dict) or one.get("format") != FORMAT:
                raise UsageError(f"{path} is not a machine file (format {FORMAT}) of hpcadmm scaling machine")
            return cls(one["about"], one["probes"])
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the machine file {path}: {error}") from None
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise UsageError(f"the machine file {path} is damaged: {type(error).__name__}: {error}") from None


def of_a_node(one: Mapping[str, Any]) -> int:
    """Ranks of a node in a probe."""
    return int(one["ranks"]) // int(one.get("nodes", 1))


def rates_of(one: Mapping[str, Any], errors: dict[str, float]) -> Rates:
    """The rates of one probe; `errors` gets the error of each fit."""

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


def counts(text: str | None, cores: int, far: bool = False) -> list[int]:
    """Rank counts from "1,2"; by default 1 and all cores. far: ranks may be on other nodes, too. Raises UsageError for
    others."""
    if text is None:
        return sorted({1, cores})
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] < 1 or (found[-1] > cores and not far):
        raise UsageError(
            f"--ranks {text}: write numbers of ranks from 1 to {cores} (the cores here), for example 1,{cores}"
        )
    return found


def measured(ranks: Sequence[int], given: str | None, options: Sequence[str], say: Say) -> Machine:
    """Probe with each number of ranks. Starts processes; RuntimeError if one fails."""
    probes: list[Any] = []
    about: dict[str, Any] = {"hpcadmm": __version__, "cores": usable_cores(), "loads": []}
    for n in ranks:
        say(f"measuring this machine with {n} rank{'s' if n > 1 else ''} at once")
        about["loads"].append(os.getloadavg()[0] if hasattr(os, "getloadavg") else None)
        found = child(launcher(n, given).command("scaling", "probe", *options))
        about["environment"] = found.pop("environment")
        refuse_other(n, found["ranks"])
        probes.append(found)
    return Machine(about, probes)


def write(machine: Machine, out: Path) -> None:
    """Write the machine file. Raises UsageError if the disk refuses."""
    with spoken(f"write {out}"):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, machine.text())


def on_the_spot(case: Case, say: Say) -> Machine:
    """A machine from a measurement of a few seconds, of what one case needs."""
    options = ["--quick", "--precision", case.precision, "--activation", case.activation, "--loss", case.loss]
    return measured(counts(None, usable_cores()), None, options, say)


def doubts(machine: Machine) -> list[str]:
    """Warnings: fits whose median error is over a quarter, and other load during the measurement."""
    poor: dict[str, Any] = {name: error for name, error in machine.errors.items() if error > 0.25}
    found = [f"the fit of {name} has a median error of {error:.0%}" for name, error in poor.items()]
    loads = [load for load in machine.about.get("loads", []) if load is not None]
    if loads and max(loads) > 0.5 * machine.cores + 0.5:
        found.append(f"other processes ran while this machine was measured (load {max(loads):.1f})")
    return found
