"""Time and efficiency against ranks: measured points filled, predictions dashed, in a shaded area that says so."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from hpcadmm import plotting
from hpcadmm.performance.curves import Curve
from hpcadmm.plotting import COLOURS, GREY, MODELLED, PAPER, entry

MEASURED: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 4}
HEIGHT = 2.3  # inches of a row of panels


def drawn(curves: Sequence[Curve], network: str) -> Any:
    """A matplotlib figure with a row for each solver: seconds per iteration, and efficiency; None without a curve."""
    if not curves:
        return None
    rows = list(grouped(curves))
    heights = [HEIGHT + 0.3 + 0.17 * plotting.legend_rows(entries(row)) for row in rows]
    figure = import_module("matplotlib.figure").Figure((PAPER, sum(heights) + 0.2), layout="constrained")
    for part, row in zip(figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights).flat, rows, strict=True):
        panels(part, row)
    figure.supxlabel(f"Network of the model: {network}", fontsize=7, color=GREY)
    return figure


def grouped(curves: Sequence[Curve]) -> Iterator[list[Curve]]:
    """The curves by solver, in parts of as many as there are colours."""
    for solver in dict.fromkeys(one.series.case.solver.name for one in curves):
        own = [one for one in curves if one.series.case.solver.name == solver]
        for begin in range(0, len(own), len(COLOURS)):
            yield own[begin : begin + len(COLOURS)]


def panels(part: Any, curves: Sequence[Curve]) -> None:
    """The two panels of some curves and their legend, in a part of the figure."""
    time, efficiency = part.subplots(1, 2)
    last = max((known.point.ranks for one in curves for known in one.series.points), default=1)
    ranks = [p.ranks for one in curves for p in one.found]
    for one, colour in zip(curves, COLOURS, strict=False):
        line(time, efficiency, one, colour)
    for place, label in ((time, "time per iteration (s)"), (efficiency, "efficiency (%)")):
        plotting.log_axis(place, "x", [1, *ranks], 0.6)
        place.set_xlabel("ranks")
        place.set_ylabel(label)
        place.axvspan(last * 1.25, place.get_xlim()[1], color="#f3f3f3", zorder=0)
        place.text(0.98, 1.01, "modelled", transform=place.transAxes, ha="right", va="bottom", fontsize=7, color="#666")
    seconds = [p.seconds for one in curves for p in one.found]
    plotting.log_axis(time, "y", [*seconds, *(known.seconds for one in curves for known in one.series.points)])
    efficiency.set_ylim(0, 118)
    plotting.legend(part, list(entries(curves)))


def line(time: Any, efficiency: Any, one: Curve, colour: str) -> None:
    """One curve, and its measured points."""
    ranks = [p.ranks for p in one.found]
    time.plot(ranks, [p.seconds for p in one.found], color=colour, **MODELLED)
    efficiency.plot(ranks, [100 * one.efficiency(p) for p in one.found], color=colour, **MODELLED)
    points = sorted(one.series.points, key=lambda known: known.point.ranks)
    if not points:
        return
    first, weak = points[0], one.series.kind == "weak"
    counts, seconds = [known.point.ranks for known in points], [known.seconds for known in points]
    gained = [
        100 * first.seconds / s * (1 if weak else first.point.ranks / n) for n, s in zip(counts, seconds, strict=True)
    ]
    for place, values in ((time, seconds), (efficiency, gained)):
        place.plot(counts, values, color=colour, zorder=4, **MEASURED)


def entries(curves: Sequence[Curve]) -> Iterator[Any]:
    """The legend: the series, what is measured and what is modelled."""
    for one, colour in zip(curves, COLOURS, strict=False):
        yield entry(one.series.name, color=colour)
    if any(one.series.points for one in curves):
        yield entry("measured", color="#333333", **MEASURED)
    yield entry("modelled", color="#333333", **MODELLED)
