"""The figures of a benchmark: lines `FOM name = value unit`, or strict JSON."""

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from hpcadmm.errors import UsageError

PARTS = ("machine", "floor", "iteration", "first")


@dataclass(frozen=True)
class Options:
    """`iterations` rounds of the parts `only` (all if empty), maybe `against` the same job with these overrides.

    warm: iterations before the first round: kernels are compiled, buffers made, grids of the sums settled.
    """

    iterations: int = 7
    warm: int = 3
    against: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    target: float | None = None

    def wants(self, part: str) -> bool:
        """Is this part to be measured? Against another job the floor is left out unless asked for, the first iteration
        always."""
        return part in self.only if self.only else part != "first" and not (self.against and part == "floor")

    def check(self, job: bool, overrides: Sequence[str] = ()) -> None:
        """Raise UsageError for options that do not go together."""
        if overrides and not job:
            raise UsageError(f"--set {overrides[0]} changes a job: name the JOB")
        if self.against and not job:
            raise UsageError("--against KEY=VALUE compares a job with a variant of itself: name the JOB")
        if not job and self.only and "machine" not in self.only:
            raise UsageError(f"--only {self.only[0]} measures a job: name the JOB")
        if self.against and "floor" in self.only:
            raise UsageError("--against and --only floor: two measurements, run one after the other")
        if self.wants("first") and len(set(self.only)) > 1:
            raise UsageError("--only first: a job has one first iteration in a process; measure the others in another")
        if self.target is not None and (not job or not (self.against or self.wants("floor") or self.wants("first"))):
            raise UsageError("--target RATIO needs a ratio: a JOB with its floor or first, --against or --scaling")


@dataclass
class Report:
    """Figures by name, each a finite number with its unit; notes are text; samples are what the figures come from;
    problem is what was solved: solver, sizes of the network, samples, those of an iteration, grid, precision."""

    figures: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    problem: dict[str, Any] = field(default_factory=dict)
    missed: bool = False  # the target

    def add(self, name: str, value: float, unit: str = "") -> None:
        """A figure. One that is not finite becomes a note."""
        if not math.isfinite(value):
            self.notes[name] = f"{value}: not measurable here"
            return
        self.figures[name] = int(value) if isinstance(value, int) else float(value)
        if unit:
            self.units[name] = unit

    def seconds(self, name: str, samples: Sequence[float]) -> None:
        """`name`, the median, and `name_min` of samples in seconds."""
        self.add(name, median(samples), "s")
        self.add(ending(name, "_min"), min(samples), "s")

    def rate(self, name: str, work: float, samples: Sequence[float], unit: str) -> None:
        """`name`, work over the median of samples in seconds, and `name_best`, over the least."""
        self.add(name, work / median(samples), unit)
        self.add(ending(name, "_best"), work / min(samples), unit)

    def ratio(self, name: str, over: Sequence[float], under: Sequence[float]) -> None:
        """`name`, the median of paired ratios; `_q1` and `_q3`, their quartiles; `_min`, the ratio of the minima."""
        if not all(under):
            self.notes[name] = "not measurable here: too short for the clock"
            return
        paired = [a / b for a, b in zip(over, under, strict=True)]
        low, middle, high = quantiles(paired, n=4, method="inclusive") if len(paired) > 1 else paired * 3
        for end, value in (("", middle), ("_q1", low), ("_q3", high), ("_min", min(over) / min(under))):
            self.add(ending(name, end), value)

    def load(self, when: str) -> None:
        """The load average of the last minute, `load_before` or `load_after`: who else was computing?"""
        if hasattr(os, "getloadavg"):
            self.add(f"load_{when}", os.getloadavg()[0])

    def aim(self, name: str, target: float | None, *, at_least: bool = False) -> None:
        """Compare a figure with the target, if there is one."""
        if target is None:
            return
        value = self.figures.get(name, math.nan)
        self.missed = not (value >= target if at_least else value <= target)
        wanted = f"{name} {'>=' if at_least else '<='} {target:g}"
        self.notes["target"] = f"{wanted}: {'missed' if self.missed else 'met'}, it is {value:.4g}"

    def lines(self) -> Iterator[str]:
        """`FOM name = value unit` for each figure, then `NOTE name = text` for each note."""
        for name, value in self.figures.items():
            shown = str(value) if isinstance(value, int) else f"{value:.6g}"
            yield f"FOM {name} = {shown} {self.units.get(name, '')}".rstrip()
        for name, text in self.notes.items():
            yield f"NOTE {name} = {text}"

    def text(self) -> str:
        return "\n".join(self.lines())

    def json(self) -> str:
        """All of it as one JSON object."""
        parts = ("figures", "units", "notes", "samples", "environment", "problem")
        return json.dumps({part: getattr(self, part) for part in parts}, indent=1, allow_nan=False)


def ending(name: str, end: str) -> str:
    """A figure's name with an ending, which stands before what is in brackets.

    >>> ending("gemm_gflops[float32]", "_best"), ending("floor_seconds", "_min")
    ('gemm_gflops_best[float32]', 'floor_seconds_min')
    """
    stem, bracket, rest = name.partition("[")
    return stem + end + bracket + rest
