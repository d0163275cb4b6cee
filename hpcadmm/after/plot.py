"""Curves of runs: objective, residual, accuracy or error, against iterations and against seconds; several overlaid."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeGuard

from hpcadmm.after.words import LONGEST, any_glyph, shown
from hpcadmm.errors import UsageError
from hpcadmm.storage.outfile import kind, written
from hpcadmm.storage.run import read_metrics

FORMATS = (".png", ".svg", ".pdf")
AXES = {  # what may lie across: the key of metrics.jsonl, and what stands there
    "iterations": ("iteration", "iteration"),
    "seconds": ("seconds", "solver time (s)"),
    "rounds": ("rounds", "rounds of messages"),
    "payload": ("payload_bits", "payload (bits)"),
    "bytes": ("bytes", "bytes between ranks"),
}
USUAL = ("iterations", "seconds")
# Okabe and Ito's colours, which the colour-blind can tell apart, without the yellow that paper swallows; and black
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLE = {
    "text.usetex": False,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}
PAPER = 6.3  # inches: the text width of a page
SPREAD = 20.0  # longest over shortest run from which what lies across is logarithmic
SPARSE = 5  # points of a curve that are marked if there are fewer


@dataclass(frozen=True)
class Panel:
    """One quantity: what stands on its axis, and the keys of metrics.jsonl with the style of their lines."""

    label: str
    keys: dict[str, str]
    decade: float = 20.0  # largest over smallest value from which its axis is logarithmic
    per_cent: bool = False


PANELS = (
    Panel("objective", {"objective": "-"}),
    Panel("objective error", {"objective_error": "-"}, decade=3.0),
    Panel("primal residual", {"primal_residual": "-"}, decade=3.0),
    Panel("accuracy (%)", {"train_accuracy": ":", "test_accuracy": "-"}, decade=math.inf, per_cent=True),
    Panel("mean squared error", {"train_error": ":", "test_error": "-"}),
)


@dataclass(frozen=True)
class Curves:
    """A run's rows of metrics.jsonl under the name of the legend."""

    name: str
    rows: list[dict[str, Any]]

    def points(self, x: str, y: str, scale: float = 1.0) -> tuple[list[float], list[float]]:
        """The measured pairs; rows in which either is missing or not finite are left out."""
        pairs = [(row.get(x), row.get(y)) for row in self.rows]
        good = [(float(a), scale * float(b)) for a, b in pairs if finite(a) and finite(b)]
        return [a for a, _ in good], [b for _, b in good]

    def measured(self, panel: Panel) -> bool:
        """Has the run anything to show there?"""
        return any(finite(row.get(key)) for row in self.rows for key in panel.keys)


def finite(value: Any) -> TypeGuard[float]:
    """Is this a number to draw?"""
    return isinstance(value, int | float) and math.isfinite(value)


def plot(folders: Sequence[Path], out: Path, x: Sequence[str] = USUAL, y: Sequence[str] = ()) -> Path:
    """Draw the runs' curves to a .png, .svg or .pdf file; x: names of AXES; y: names of PANELS, all if none.

    Raises UsageError for what is no run, has no measured row, or for a file that cannot be written.
    """
    kind(out, FORMATS)
    names = labels(folders)
    runs = [Curves(name, read_metrics(folder)) for name, folder in zip(names, folders, strict=True)]
    for run, folder in zip(runs, folders, strict=True):
        if not any(run.measured(panel) for panel in PANELS):
            raise UsageError(f"{folder}: nothing has been measured yet; see evaluate.every in its job")
    panels = [
        p for p in PANELS if (not y or p.label.removesuffix(" (%)") in y) and any(run.measured(p) for run in runs)
    ]
    if not panels:
        raise UsageError(f"none of these runs has measured {' or '.join(y)}")
    for axis in x:
        if not any(run.points(AXES[axis][0], key)[0] for run in runs for panel in panels for key in panel.keys):
            raise UsageError(f"none of these runs has counted {axis}: draw against others of {', '.join(AXES)}")
    with library().rc_context(STYLE), any_glyph():
        figure = drawn(runs, panels, x)
        written(out, figure.savefig)
    return out


def labels(folders: Sequence[Path]) -> list[str]:
    """What the legend calls the runs: as little of their paths as tells them apart.

    >>> labels([Path("results/a/run"), Path("results/b/run")]), labels([Path("results/runs/digits")])
    (['a/run', 'b/run'], ['digits'])
    """
    paths = [Path(os.path.abspath(folder)).parts for folder in folders]
    for depth in range(1, max(map(len, paths), default=1) + 1):
        names = ["/".join(path[-depth:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            break
    return names


def library() -> Any:
    """matplotlib with a backend that needs no screen."""
    try:
        matplotlib = import_module("matplotlib")
    except ImportError as error:
        raise UsageError(f"plot needs matplotlib: pip install 'hpcadmm[plot]' ({error})") from None
    matplotlib.use("Agg")
    return matplotlib


def drawn(runs: Sequence[Curves], panels: Sequence[Panel], axes: Sequence[str]) -> Any:
    """A matplotlib figure: a row for each of these panels, a column for each of these AXES."""
    figures = import_module("matplotlib.figure")
    width = PAPER if len(axes) > 1 else 0.6 * PAPER
    height = 1.55 * len(panels) + 0.5 + 0.16 * legend_rows(runs, width)
    figure = figures.Figure((width, height), layout="constrained")
    grid = figure.subplots(len(panels), len(axes), sharex="col", sharey="row", squeeze=False)
    for panel, places in zip(panels, grid, strict=True):
        for place, axis in zip(places, axes, strict=True):
            draw(place, panel, runs, AXES[axis][0])
        places[0].set_ylabel(panel.label)
    for place, axis in zip(grid[-1], axes, strict=True):
        place.set_xlabel(AXES[axis][1])
        ends = [across[-1] for run in runs if (across := run.points(AXES[axis][0], AXES[axis][0])[0])]
        if ends and min(ends) > 0 and max(ends) > SPREAD * min(ends):
            place.set_xscale("log")
    figure.align_ylabels()
    legend(figure, panels, runs, width)
    return figure


def draw(place: Any, panel: Panel, runs: Sequence[Curves], x: str) -> None:
    """One panel: the curves of all runs."""
    values: list[float] = []
    for number, run in enumerate(runs):
        for key, style in panel.keys.items():
            across, up = run.points(x, key, 100.0 if panel.per_cent else 1.0)
            marker = "o" if len(across) < SPARSE else None
            place.plot(across, up, style, color=COLOURS[number % len(COLOURS)], marker=marker, markersize=3)
            values += up
    if panel.per_cent and values:
        low, high = lowest(values), max(values)
        place.set_ylim(low, min(high + 0.05 * (high - low), 100.5))
    elif logarithmic(values, panel.decade):
        place.set_yscale("log")
        if max(values) < 100 * min(values):  # with powers of ten alone there would be no two numbers on the axis
            ticker = import_module("matplotlib.ticker")
            place.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            place.yaxis.set_major_formatter("{x:g}")
            place.yaxis.set_minor_formatter(ticker.NullFormatter())
    place.set_axisbelow(True)
    place.margins(x=0.02)


def logarithmic(values: Sequence[float], decade: float) -> bool:
    """Does a logarithmic axis suit the values? All positive, and the largest `decade` times the smallest.

    >>> logarithmic([1.0, 100.0], 20), logarithmic([1.0, 3.0], 20), logarithmic([-1.0, 100.0], 20)
    (True, False, False)
    """
    return bool(values) and min(values) > 0 and max(values) > decade * min(values)


def lowest(values: Sequence[float]) -> float:
    """Where an axis of accuracies begins: a steep start is cut off, so that the rest can be told apart.

    >>> lowest([10.0, *[90.0] * 10, *[95.0] * 10]), lowest([10.0, 50.0, 90.0])
    (88.0, 9.0)
    """
    tenth = sorted(values)[len(values) // 10]
    return max(tenth - 0.4 * (max(values) - tenth), min(values)) if tenth > min(values) else min(values) - 1.0


def legend_rows(runs: Sequence[Curves], width: float) -> int:
    """Lines of the legend."""
    return -(-(len(runs) + 2) // legend_columns(runs, width))


def legend_columns(runs: Sequence[Curves], width: float) -> int:
    """Names that stand side by side in the legend of a figure so many inches wide."""
    longest = max(min(len(run.name), LONGEST) for run in runs) + 6
    return max(1, min(len(runs) + 2, int(width * 15 / longest)))


def legend(figure: Any, panels: Sequence[Panel], runs: Sequence[Curves], width: float) -> None:
    """Above the panels: the runs by colour, train and test by line."""
    lines = import_module("matplotlib.lines")
    handles = [
        lines.Line2D([], [], color=COLOURS[number % len(COLOURS)], label=shown(run.name))
        for number, run in enumerate(runs)
    ]
    if any(len(panel.keys) > 1 for panel in panels):
        parts = (("-", "test"), (":", "train"))
        handles += [lines.Line2D([], [], color="#666666", linestyle=style, label=part) for style, part in parts]
    figure.legend(handles=handles, loc="outside upper center", ncols=legend_columns(runs, width), handlelength=1.8)
