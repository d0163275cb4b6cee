"""The figure of a study: time, efficiency, where the time went and, of trainings, the accuracy against time."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hpcadmm.after.plot import COLOURS, PAPER, SPARSE, STYLE, library, lowest
from hpcadmm.scaling.rows import Row
from hpcadmm.scaling.study import Study
from hpcadmm.storage.outfile import written

PARTS = {"compute": "#0072B2", "communicate": "#E69F00", "wait": "#bbbbbb"}
GREY = "#888888"
HEIGHT = 2.2  # inches of a row of panels
Series = dict[str, list[Row]]


@dataclass(frozen=True)
class Axis:
    """What lies across: the attribute of a row, and what stands there."""

    key: str
    label: str

    def of(self, row: Row) -> int:
        return int(getattr(row, self.key))


def draw(study: Study, out: Path) -> bool:
    """Write the figure; False if nothing was measured. Raises UsageError without matplotlib."""
    if not any(row.speedup is not None for row in study.rows):
        return False
    with library().rc_context(STYLE):
        written(out, drawn(study).savefig)
    return True


def drawn(study: Study) -> Any:
    """A matplotlib figure: its panels in a row, or in two."""
    across, series = axis(study), grouped(study)
    figures = import_module("matplotlib.figure")
    curves = study.experiment.kind == "accuracy"
    lines, columns = (2, 2) if curves else (1, 3)
    figure = figures.Figure((PAPER, HEIGHT * lines + 0.3), layout="constrained")
    places = list(figure.subplots(lines, columns, squeeze=False).flat)
    time_panel(places[0], study, across, series)
    efficiency_panel(places[1], study, across, series)
    breakdown_panel(places[2], study)
    if curves:
        curve_panel(places[3], study, series)
    legend(figure, study, series)
    return figure


def axis(study: Study) -> Axis:
    """Of layers or neurons these; else cores, called ranks where each has one thread."""
    if study.experiment.values:
        return Axis("value", {"layers": "layers of weights", "neurons": "units of a layer"}[study.experiment.kind])
    return Axis("cores", "ranks" if study.experiment.threads == [1] else "cores (ranks x threads)")


def grouped(study: Study) -> Series:
    """The rows that a line joins, by its name: those of as many ranks if layers or neurons lie across, else of the same
    threads and kind of grid. The row that the others are compared with is in each.
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
    """Seconds with their intervals, both axes logarithmic, and the ideal lines."""
    values: list[float] = []
    for number, rows in enumerate(series.values()):
        colour = COLOURS[number % len(COLOURS)]
        points(place, rows, across, "seconds", colour)
        for row in rows:
            if row.seconds_low is not None and row.seconds_high is not None:
                place.plot([across.of(row)] * 2, [row.seconds_low, row.seconds_high], color=colour, linewidth=0.9)
                values += [row.seconds_low, row.seconds_high]
        values += [row.seconds for row in rows if row.speedup is not None]
    if across.key == "cores":
        values += ideal(place, study, across)
    place.set_yscale("log")
    plain_numbers(place, values)
    across_ticks(place, study, across)
    whole = "time to the target" if study.experiment.kind == "accuracy" else "an iteration"
    place.set_ylabel(f"{whole} (s)")


def ideal(place: Any, study: Study, across: Axis) -> list[float]:
    """The time that cores without any loss would take, dashed; returns the values."""
    rows = [row for row in study.rows if row.speedup is not None]
    first = min(rows, key=across.of)
    x = sorted({across.of(row) for row in rows})
    weak = study.experiment.kind == "weak"
    y = [first.seconds if weak else first.seconds * across.of(first) / cores for cores in x]
    place.plot(x, y, color=GREY, linestyle=(0, (4, 2)), linewidth=0.9, zorder=1)
    return y


def plain_numbers(place: Any, values: Sequence[float]) -> None:
    """Numbers at 1, 2, 5 of each decade, or evenly where there is less than one; and room around the values."""
    ticker = import_module("matplotlib.ticker")
    low, high = min(values), max(values)
    narrow = high < 4 * low
    room = 1.1 if narrow else 1.3
    place.set_ylim(low / room, high * room)
    place.yaxis.set_major_locator(ticker.MaxNLocator(5) if narrow else ticker.LogLocator(subs=(1, 2, 5), numticks=20))
    place.yaxis.set_major_formatter("{x:g}")
    place.yaxis.set_minor_locator(ticker.NullLocator())


def across_ticks(place: Any, study: Study, across: Axis) -> None:
    """A logarithmic axis with the numbers that were measured, thinned out where they are many."""
    ticker = import_module("matplotlib.ticker")
    found = sorted({across.of(row) for row in study.rows})
    place.set_xscale("log")
    keep = found[:: -max(1, -(-len(found) // 8))]  # the last always
    place.xaxis.set_major_locator(ticker.FixedLocator(keep))
    place.xaxis.set_major_formatter("{x:.0f}")
    place.xaxis.set_minor_locator(ticker.NullLocator())
    room = (max(found) / min(found)) ** 0.12 if len(found) > 1 else 1.5
    place.set_xlim(min(found) / room, max(found) * room)
    place.set_xlabel(across.label)
    place.set_axisbelow(True)


def efficiency_panel(place: Any, study: Study, across: Axis, series: Series) -> None:
    """Per cent, with the line at 100."""
    for number, rows in enumerate(series.values()):
        points(place, rows, across, "efficiency", COLOURS[number % len(COLOURS)], 100)
    place.axhline(100, color=GREY, linestyle=(0, (4, 2)), linewidth=0.9, zorder=1)
    best = max(100 * row.efficiency for row in study.rows if row.efficiency is not None)
    place.set_ylim(0, max(110.0, 1.05 * best))
    across_ticks(place, study, across)
    place.set_ylabel("efficiency (%)")


def breakdown_panel(place: Any, study: Study) -> None:
    """Stacked bars: computing, communication and waiting, as shares of the time."""
    largest = max(study.experiment.values, default=None)
    rows = [row for row in study.rows if row.compute_seconds is not None and row.value == largest]
    floor = [0.0] * len(rows)
    for part, colour in PARTS.items():
        whole = [sum(getattr(row, f"{name}_seconds") for name in PARTS) for row in rows]
        shares = [100 * getattr(row, f"{part}_seconds") / total for row, total in zip(rows, whole, strict=True)]
        bars = place.bar(range(len(rows)), shares, 0.7, floor, color=colour, zorder=2)
        for bar, row in zip(bars, rows, strict=True):
            if row.oversubscribed:
                bar.set(facecolor="white", edgecolor=colour, hatch="/////", linewidth=0.8)
        floor = [a + b for a, b in zip(floor, shares, strict=True)]
    place.set_xticks(range(len(rows)), [bar_label(study, row) for row in rows])
    if len(rows) > 6:
        place.tick_params(axis="x", labelsize=5.5)
    place.set_ylim(0, 100)
    place.set_xlabel(bar_axis(study))
    place.set_ylabel("share of the time (%)")
    place.grid(visible=False, axis="x")


def bar_label(study: Study, row: Row) -> str:
    """Ranks, and below them what else varies."""
    words = [str(row.ranks)]
    words += [f"{row.threads} t"] if len(study.experiment.threads) > 1 else []
    words += [row.grid.replace(" ", "")] if study.experiment.grids else []
    return "\n".join(words)


def bar_axis(study: Study) -> str:
    """What these are; of layers or neurons only the most are shown."""
    words = ["ranks"]
    words += ["threads"] if len(study.experiment.threads) > 1 else []
    words += ["grid"] if study.experiment.grids else []
    unit = {"layers": "layers", "neurons": "units a layer"}.get(study.experiment.kind)
    return ", ".join(words) + (f" ({max(study.experiment.values)} {unit})" if study.experiment.values else "")


def curve_panel(place: Any, study: Study, series: Series) -> None:
    """Test accuracy against the solver's seconds, one training of each point; the target dotted."""
    reached: list[float] = []
    for number, (point, samples) in enumerate(study.folder.kept().items()):
        if samples:
            pairs = [(s, 100 * a) for s, a in samples[0].report["samples"]["curve"] if a is not None]
            marker = "o" if len(pairs) < SPARSE else None
            style = {"color": COLOURS[number % len(COLOURS)], "marker": marker, "markersize": 3}
            place.plot(*zip(*pairs, strict=True), label=point.name, **style)
            reached += [value for _, value in pairs]
    target = 100 * (study.experiment.target or 1.0)
    place.axhline(target, color=GREY, linestyle=(0, (1, 1.5)), linewidth=0.9)
    place.set_ylim(lowest(reached), max(target, *reached) + 0.1 * (max(target, *reached) - lowest(reached)))
    place.margins(x=0.04)
    place.legend(loc="lower right", title="ranks", title_fontsize=8, handlelength=1.6)
    place.set_xlabel("solver time (s)")
    place.set_ylabel("test accuracy (%)")
    place.set_axisbelow(True)


def legend(figure: Any, study: Study, series: Series) -> None:
    """Above the panels: lines by colour, the ideal, the parts of the bars, and what hollow means."""
    lines, patches = import_module("matplotlib.lines"), import_module("matplotlib.patches")
    handles = [
        lines.Line2D([], [], color=COLOURS[k % len(COLOURS)], marker="o", markersize=4, label=name or "measured")
        for k, name in enumerate(series)
    ]
    if any(row.oversubscribed for row in study.rows):
        handles.append(
            lines.Line2D([], [], color=GREY, linestyle="", marker="o", markersize=4, markerfacecolor="white",
                         label="oversubscribed")
        )  # fmt: skip
    handles.append(lines.Line2D([], [], color=GREY, linestyle=(0, (4, 2)), linewidth=0.9, label="ideal"))
    handles += [patches.Patch(color=colour, label=part) for part, colour in PARTS.items()]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=len(handles) if len(handles) < 7 else -(-len(handles) // 2),
        handlelength=1.6,
    )
