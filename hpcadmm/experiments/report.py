"""Tables as CSV and as Markdown, and the figures of a benchmark: lines `FOM name = value unit`, or strict JSON."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from hpcadmm.errors import printable
from hpcadmm.storage.durable import spoken, write_text


def mark(oversubscribed: bool) -> str:
    """Prefix of figures measured with more ranks than cores, so that nobody compares them with others."""
    return "oversubscribed_" if oversubscribed else ""


@dataclass
class Report:
    """figures: finite numbers by name; units: theirs; notes: text; samples: the raw values behind the figures.

    problem: what was solved, that is solver, network sizes, samples, samples per iteration, grid, precision.
    """

    figures: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    problem: dict[str, Any] = field(default_factory=dict)
    missed: bool = False  # the target was missed

    def add(self, name: str, value: float, unit: str = "") -> None:
        """Add a figure; a value that is not finite becomes a note."""
        if not math.isfinite(value):
            self.notes[name] = f"{value}: not measurable here"
            return
        self.figures[name] = int(value) if isinstance(value, int) else float(value)
        if unit:
            self.units[name] = unit

    def seconds(self, name: str, samples: Sequence[float]) -> None:
        """Add `name`, the median of samples in seconds, and `name_min`, the least."""
        self.add(name, median(samples), "s")
        self.add(ending(name, "_min"), min(samples), "s")

    def rate(self, name: str, work: float, samples: Sequence[float], unit: str) -> None:
        """Add `name`, work over the median of samples in seconds, and `name_best`, work over the least."""
        self.add(name, work / median(samples), unit)
        self.add(ending(name, "_best"), work / min(samples), unit)

    def ratio(self, name: str, over: Sequence[float], under: Sequence[float]) -> None:
        """Add the median of paired ratios, their quartiles `_q1` and `_q3`, and `_min`, the ratio of the minima."""
        if not all(under):
            self.notes[name] = "not measurable here: too short for the clock"
            return
        paired = [a / b for a, b in zip(over, under, strict=True)]
        low, middle, high = quantiles(paired, n=4, method="inclusive") if len(paired) > 1 else paired * 3
        for end, value in (("", middle), ("_q1", low), ("_q3", high), ("_min", min(over) / min(under))):
            self.add(ending(name, end), value)

    def load(self, when: str) -> None:
        """Add the load average of the last minute as `load_before` or `load_after`: was the machine busy?"""
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
        """Yield `FOM name = value unit` for each figure, then `NOTE name = text` for each note."""
        for name, value in self.figures.items():
            shown = str(value) if isinstance(value, int) else f"{value:.6g}"
            yield f"FOM {name} = {shown} {self.units.get(name, '')}".rstrip()
        for name, text in self.notes.items():
            yield f"NOTE {name} = {text}"

    def text(self) -> str:
        return "\n".join(self.lines())

    def json(self) -> str:
        """The whole report as one JSON object."""
        parts = ("figures", "units", "notes", "samples", "environment", "problem")
        return json.dumps({part: getattr(self, part) for part in parts}, indent=1, allow_nan=False)


def ending(name: str, end: str) -> str:
    """Append an ending to the name of a figure, before the part in brackets.

    >>> ending("gemm_gflops[float32]", "_best"), ending("floor_seconds", "_min")
    ('gemm_gflops_best[float32]', 'floor_seconds_min')
    """
    stem, bracket, rest = name.partition("[")
    return stem + end + bracket + rest


def write(path: Path, text: str) -> None:
    """Write or replace a file. Raises UsageError if that fails."""
    with spoken(f"write {path}"):
        write_text(path, text)


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of the same keys as a Markdown table, its columns aligned.

    >>> print(markdown([{"job": "a|b", "seconds": "1"}]))
    | job  | seconds |
    | :--- | :------ |
    | a\\|b | 1       |
    """
    lines = [[safe(key) for key in rows[0]], *([safe(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [lines[0], [":" + "-" * (width - 1) for width in widths], *lines[1:]]
    padded = ([text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in table)
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def safe(text: str) -> str:
    """Text that stays in its cell and is not taken for markup."""
    text = printable(" ".join(text.split())).replace("\\", "\\\\")
    return text.replace("|", "\\|").replace("&", "&amp;").replace("<", "&lt;")


def cell(value: tuple[float, float, float] | None) -> str:
    """Median, least and largest as one cell.

    >>> cell((2.0, 1.0, 3.0)), cell((1.5, 1.5, 1.5)), cell((math.inf, 1.0, math.inf)), cell(None)
    ('2 (1-3)', '1.5', 'never (1-never)', '')
    """
    if value is None:
        return ""
    middle, low, high = map(number, value)
    return middle if low == high else f"{middle} ({low}-{high})"


def number(value: float) -> str:
    """Three or more significant digits, whole numbers as they are.

    >>> number(12.345), number(0.012345), number(123456.0), number(27260832.0), number(math.inf)
    ('12.3', '0.0123', '123456', '27260832', 'never')
    """
    if math.isinf(value):
        return "never"
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
