"""The figure of a study: time, efficiency, shares of the time and, of trainings, accuracy against time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import cycle
from typing import Any

from hpcadmm import plotting
from hpcadmm.plotting import COLOURS, IDEAL, TARGET, curve, entry, patch
from hpcadmm.scaling.rows import Row
from hpcadmm.scaling.study import Study

PARTS = {"compute": "#0072B2", "communicate": "#E69F00", "wait": "#bbbbbb"}
Series = dict[str, list[Row]]


@dataclass(frozen=True)
class Axis:
    """The x axis: an attribute of a row, and its label."""

    key: str
    label: str

    def of(self, row: Row) -> int:
        return int(getattr(row, self.key))


def drawn(study: Study) -> Any:
    """A matplotlib figure, its panels in one row or two; None if nothing was measured."""
    if not any(row.speedup is not None for row in study.rows):
        return None
    across, series = axis(study), grouped(study)
    curves = study.experiment.kind == "accuracy"
    figure, grid = plotting.panels(*((2, 2) if curves else (1, 3)), 2.2, entries(study, series))
    places = grid.flat
    time_panel(places[0], study, across, series)
    efficiency_panel(places[1], study, across, series)
    breakdown_panel(places[2], study)
    if curves:
        curve_panel(places[3], study)
    return figure


def axis(study: Study) -> Axis:
    """Layers or neurons in such studies; otherwise cores, called ranks where each has one thread."""
    if study.experiment.values:
        return Axis("value", {"layers": "layers of weights", "neurons": "units per layer"}[study.experiment.kind])
    return Axis("cores", "ranks" if study.experiment.threads == [1] else "cores (ranks x threads)")


def grouped(study: Study) -> Series:
    """The rows that a line joins, by its name: the same number of ranks if layers or neurons are on the x axis,
    otherwise the same threads and kind of grid. The row that the others are compared with is in each.
    """
    several = len(study.experiment.threads) > 1
    found: Series = {}
    for row in study.rows:
        words = [f"{row.ranks} rank{'s' if row.ranks > 1 else ''}"] if study.experiment.values else []
        words += [f"{row.threads} thread{'s' if row.threads > 1 else ''}"] if several else []
        words += [grid_kind(row)] if study.experiment.grids and row.ranks > 1 else []
        found.setdefault(", ".join(words), []).append(row)
    alone = found.get("", [])
    if len(found) > 1 and not study.experiment.values and "" in found:
        found = {name: [*alone, *rows] for name, rows in found.items() if name}
    return found


def grid_kind(row: Row) -> str:
    """What the ranks share.

    >>> from types import SimpleNamespace as Of
    >>> [grid_kind(Of(grid=grid)) for grid in ("1 x 4", "4 x 1", "2 x 2")]
    ['by samples', 'by layers', 'by both']
    """
    layers, samples = row.grid.split(" x ")
    return "by samples" if layers == "1" else "by layers" if samples == "1" else "by both"


def points(place: Any, rows: Sequence[Row], across: Axis, key: str, colour: str, scale: float = 1.0) -> None:
    """A line through the rows; markers of oversubscribed ones are hollow."""
    good = [row for row in rows if getattr(row, key) is not None and row.speedup is not None]
    x, y = [across.of(row) for row in good], [scale * getattr(row, key) for row in good]
    place.plot(x, y, color=colour, zorder=2)
    faces = ["white" if row.oversubscribed else colour for row in good]
    place.scatter(x, y, s=18, facecolors=faces, edgecolors=colour, linewidths=1.0, zorder=4)


def time_panel(place: Any, study: Study, across: Axis, series: Series) -> None:
    """Seconds with their intervals, both axes logarithmic, and the ideal line."""
    values: list[float] = []
    for colour, rows in zip(cycle(COLOURS), series.values()):
        points(place, rows, across, "seconds", colour)
        for row in rows:
            if row.seconds_low is not None and row.seconds_high is not None:
                place.errorbar(across.of(row), row.seconds, [[row.seconds - row.seconds_low],
                               [row.seconds_high - row.seconds]], color=colour, **INTERVAL)  # fmt: skip
                values += [row.seconds_low, row.seconds_high]
        values += [row.seconds for row in rows if row.speedup is not None]
    if across.key == "cores":
        values += ideal(place, study, across)
    plotting.log_axis(place, "y", values, 2)
    across_axis(place, study, across)
    place.set_ylabel("time to the target (s)" if study.experiment.kind == "accuracy" else "time per iteration (s)")


INTERVAL: dict[str, Any] = {"elinewidth": 0.9, "capsize": 2, "capthick": 0.9}


def ideal(place: Any, study: Study, across: Axis) -> list[float]:
    """Draw the time that cores without any loss would take; returns the values."""
    rows = [row for row in study.rows if row.speedup is not None]
    first = min(rows, key=across.of)
    x = sorted({across.of(row) for row in rows})
    weak = study.experiment.kind == "weak"
    y = [first.seconds if weak else first.seconds * across.of(first) / cores for cores in x]
    place.plot(x, y, zorder=1, **IDEAL)
    return y


def across_axis(place: Any, study: Study, across: Axis) -> None:
    """A logarithmic x axis with the numbers that were measured, thinned out where they are many."""
    ticker = import_module("matplotlib.ticker")
    found = sorted({across.of(row) for row in study.rows})
    plotting.log_axis(place, "x", found, 3 if len(found) > 1 else 20)
    place.xaxis.set_major_locator(ticker.FixedLocator(apart(found)))
    place.xaxis.set_major_formatter("{x:.0f}")
    place.set_xlabel(across.label)


def apart(values: Sequence[int]) -> list[int]:
    """The increasing values whose labels do not overlap on a logarithmic axis; the last is always one of them.

    >>> apart([500, 1000, 1500, 2000, 2400]), apart([1, 2, 4, 8])
    ([2400, 1500, 1000, 500], [8, 4, 2, 1])
    """
    place, kept = [math.log(value / values[0]) for value in values], [len(values) - 1]
    for k in reversed(range(len(values) - 1)):
        if place[kept[-1]] - place[k] > (0.1 + 0.02 * len(f"{values[k]:.0f}")) * place[-1]:
            kept.append(k)
    return [values[k] for k in kept]


def efficiency_panel(place: Any, study: Study, across: Axis, series: Series) -> None:
    """Per cent, with the line at 100."""
    for colour, rows in zip(cycle(COLOURS), series.values()):
        points(place, rows, across, "efficiency", colour, 100)
    place.axhline(100, zorder=1, **IDEAL)
    best = max(100 * row.efficiency for row in study.rows if row.efficiency is not None)
    place.set_ylim(0, max(110.0, 1.05 * best))
    across_axis(place, study, across)
    place.set_ylabel("efficiency (%)")


def breakdown_panel(place: Any, study: Study) -> None:
    """Stacked bars: computing, communication and waiting, as shares of the time."""
    largest = max(study.experiment.values, default=None)
    rows = [row for row in study.rows if row.compute_seconds is not None and row.value == largest]
    whole = [sum(getattr(row, f"{part}_seconds") for part in PARTS) for row in rows]
    floor = [0.0] * len(rows)
    for part, fill in PARTS.items():
        shares = [100 * getattr(row, f"{part}_seconds") / total for row, total in zip(rows, whole, strict=True)]
        bars = place.bar(range(len(rows)), shares, 0.7, floor, color=fill, zorder=2)
        for bar, row in zip(bars, rows, strict=True):
            if row.oversubscribed:
                bar.set(facecolor="white", edgecolor=fill, hatch="/////", linewidth=0.8)
        floor = [a + b for a, b in zip(floor, shares, strict=True)]
    several = {"ranks": True, "threads": len(study.experiment.threads) > 1, "grid": bool(study.experiment.grids)}
    names = [name for name, shown in several.items() if shown]
    labels = [[str(getattr(row, name)).replace(" ", "") for name in names] for row in rows]
    place.set_xticks(range(len(rows)), ["\n".join(words) for words in labels], fontsize=7 if len(rows) < 7 else 5.5)
    place.set_ylim(0, 100)
    only = "" if largest is None else f" ({largest} {axis(study).label})"
    place.set_xlabel(", ".join(names) + only)
    place.set_ylabel("share of the time (%)")
    place.grid(visible=False, axis="x")


def curve_panel(place: Any, study: Study) -> None:
    """Test accuracy against the solver's seconds, one training of each point, and the target."""
    reached: list[float] = []
    for colour, (point, samples) in zip(cycle(COLOURS), study.kept.items()):
        if samples:
            pairs = [(s, 100 * a) for s, a in samples[0].report["samples"]["curve"] if a is not None]
            curve(place, [s for s, _ in pairs], [a for _, a in pairs], label=point.name, color=colour)
            reached += [value for _, value in pairs]
    target = 100 * (study.experiment.target or 1.0)
    place.axhline(target, **TARGET)
    plotting.accuracy_axis(place, reached, target=target)
    place.margins(x=0.04)
    place.legend(loc="lower right", title="ranks", title_fontsize=8, handlelength=1.6)
    place.set_xlabel("solver time (s)")
    place.set_ylabel("test accuracy (%)")


def entries(study: Study, series: Series) -> list[Any]:
    """The legend: lines by colour, intervals, oversubscribed points, the ideal, the target, the parts of the bars."""
    mark: dict[str, Any] = {"marker": "o", "markersize": 4}
    handles = [entry(name or "measured", color=colour, **mark) for colour, name in zip(cycle(COLOURS), series)]
    if any(row.seconds_low is not None for row in study.rows):
        handles.append(entry("95 % interval", color="#888888", linestyle="", marker="$\\mathrm{I}$", markersize=7))
    if any(row.oversubscribed for row in study.rows):
        handles.append(entry("oversubscribed", color="#888888", linestyle="", markerfacecolor="white", **mark))
    handles.append(entry("ideal", **IDEAL))
    if study.experiment.target:
        handles.append(entry(f"target: {100 * study.experiment.target:g} %", **TARGET))
    return [*handles, *(patch(part, color=fill) for part, fill in PARTS.items())]
