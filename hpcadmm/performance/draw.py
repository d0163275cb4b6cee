"""Time and efficiency against ranks: measured points filled, predictions dashed, in an area that says so."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from hpcadmm.after.plot import COLOURS, PAPER, STYLE, library
from hpcadmm.after.words import shown
from hpcadmm.performance.curves import Curve
from hpcadmm.storage.outfile import written


def draw(curves: Sequence[Curve], network: str, out: Path) -> bool:
    """Write the figure; False if there is nothing. Raises UsageError without matplotlib."""
    if not curves:
        return False
    with library().rc_context(STYLE):
        written(out, drawn(curves, network).savefig)
    return True


def drawn(curves: Sequence[Curve], network: str) -> Any:
    """A matplotlib figure of two panels: seconds an iteration, and efficiency."""
    figure = import_module("matplotlib.figure").Figure((PAPER, 2.9 + 0.16 * (len(curves) + 2)), layout="constrained")
    time, efficiency = figure.subplots(1, 2)
    last = max((known.point.ranks for one in curves for known in one.series.points), default=1)
    most = max(one.found[-1].ranks for one in curves)
    for number, one in enumerate(curves):
        line(time, efficiency, one, COLOURS[number % len(COLOURS)])
    for place, label in ((time, "seconds an iteration"), (efficiency, "efficiency (%)")):
        place.set_xscale("log")
        place.set_xlim(0.8, most * 1.3)
        place.set_xlabel("ranks")
        place.set_ylabel(label)
        place.axvspan(last * 1.25, most * 1.3, color="#f3f3f3", zorder=0)
        place.text(0.98, 1.01, "modelled", transform=place.transAxes, ha="right", va="bottom", fontsize=7, color="#666")
    time.set_yscale("log")
    efficiency.set_ylim(0, 118)
    legend(figure, curves, network)
    return figure


def line(time: Any, efficiency: Any, one: Curve, colour: str) -> None:
    """One curve, and its measured points."""
    ranks = [p.ranks for p in one.found]
    dashed = {"color": colour, "linestyle": (0, (4, 1.5)), "linewidth": 1.0}
    time.plot(ranks, [p.seconds for p in one.found], **dashed)
    efficiency.plot(ranks, [100 * one.efficiency(p) for p in one.found], **dashed)
    points = sorted(one.series.points, key=lambda known: known.point.ranks)
    if not points:
        return
    first, weak = points[0], one.series.kind == "weak"
    counts, seconds = [known.point.ranks for known in points], [known.seconds for known in points]
    gained = [
        100 * first.seconds / s * (1 if weak else first.point.ranks / n) for n, s in zip(counts, seconds, strict=True)
    ]
    for place, values in ((time, seconds), (efficiency, gained)):
        place.plot(counts, values, color=colour, linestyle="none", marker="o", markersize=4, zorder=4)


def legend(figure: Any, curves: Sequence[Curve], network: str) -> None:
    """Above the panels: the series by colour, what is measured and what is modelled."""
    lines = import_module("matplotlib.lines")
    handles = [
        lines.Line2D([], [], color=COLOURS[k % len(COLOURS)], label=shown(one.series.name))
        for k, one in enumerate(curves)
    ]
    handles.append(lines.Line2D([], [], color="#333333", linestyle="none", marker="o", markersize=4, label="measured"))
    label = shown(f"modelled; network: {network}")
    dashed = lines.Line2D([], [], color="#333333", linestyle=(0, (4, 1.5)), label=label)
    figure.legend(handles=[*handles, dashed], loc="outside upper left", ncols=1, handlelength=2.4)
