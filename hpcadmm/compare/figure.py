"""Test accuracy (or error) against seconds, iterations, synchronisations and bytes: median and range of the seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from hpcadmm.after.plot import COLOURS, PAPER, SPARSE, STYLE, finite, library, logarithmic, lowest
from hpcadmm.after.words import LONGEST, any_glyph, shown
from hpcadmm.compare.reading import Result
from hpcadmm.errors import UsageError
from hpcadmm.storage.outfile import written

AXES = {
    "seconds": "solver time (s)",
    "iterations": "iterations",
    "synchronisations": "synchronisations",
    "bytes": "bytes sent, all ranks",
}
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))  # after all colours were used once, the next
SPAN = 20  # an axis whose largest value is so many times its least is logarithmic
UNIT = {"accuracy": "test accuracy (%)", "error": "test error (mean squared)"}


@dataclass(frozen=True)
class Band:
    """A job's curve: at each point the medians of what its seeds cost and reached, and the range reached."""

    label: str
    measure: str
    costs: dict[str, list[float]]
    middle: list[float]
    low: list[float]
    high: list[float]


def bands(results: Sequence[Result]) -> list[Band]:
    """The curves of the jobs that have finished runs with test figures, in the order of the jobs."""
    done = [one for one in results if one.finished and one.scores()]
    labels = dict.fromkeys(one.planned.label for one in done)
    return [band(label, [one for one in done if one.planned.label == label]) for label in labels]


def band(label: str, runs: Sequence[Result]) -> Band:
    """The curve over the iterations that all these runs measured: it ends with the one that stopped first."""
    key = f"test_{runs[0].measure}"
    by_iteration = [{row["iterations"]: row for row in one.rows if finite(row.get(key))} for one in runs]
    common = sorted(set.intersection(*map(set, by_iteration)))
    points = [[rows[iteration] for rows in by_iteration] for iteration in common]
    unit = 100.0 if runs[0].measure == "accuracy" else 1.0
    reached = [[unit * row[key] for row in rows] for rows in points]
    return Band(
        label,
        runs[0].measure,
        {cost: [median(float(row.get(cost) or 0) for row in rows) for rows in points] for cost in AXES},
        [median(values) for values in reached],
        [min(values) for values in reached],
        [max(values) for values in reached],
    )


def draw(results: Sequence[Result], target: float | None, out: Path) -> bool:
    """Write the figure; False if no run finished. Raises UsageError without matplotlib."""
    found = bands(results)
    if not found:
        return False
    with library().rc_context(STYLE), any_glyph():
        written(out, drawn(found, target).savefig)
    return True


def drawn(found: Sequence[Band], target: float | None) -> Any:
    """A matplotlib figure: two panels in a row; a measure of regressions has panels of its own below."""
    figures = import_module("matplotlib.figure")
    measures = list(dict.fromkeys(one.measure for one in found))
    places = [(measure, cost) for measure in measures for cost in AXES if sent(found, measure, cost)]
    lines = -(-len(places) // 2)
    figure = figures.Figure((PAPER, 2.2 * lines + 0.3 + 0.17 * len(found) / 2), layout="constrained")
    grid = figure.subplots(lines, 2, squeeze=False).flat
    for place, (measure, cost) in zip(grid, places, strict=False):
        panel(place, found, measure, cost, target)
    for place in list(grid)[len(places) :]:
        place.set_visible(False)
    legend(figure, found)
    return figure


def sent(found: Sequence[Band], measure: str, cost: str) -> bool:
    """Is there anything but zeros on this axis? On one rank nothing is sent."""
    return any(max(one.costs[cost], default=0) > 0 for one in found if one.measure == measure)


def panel(place: Any, found: Sequence[Band], measure: str, cost: str, target: float | None) -> None:
    """The curves of one measure against one cost."""
    across: list[float] = []
    up: list[float] = []
    for number, one in enumerate(found):
        if one.measure != measure:
            continue
        style, marker = dressed(number), "o" if len(one.middle) < SPARSE else None
        place.plot(one.costs[cost], one.middle, marker=marker, markersize=3, **style)
        place.fill_between(one.costs[cost], one.low, one.high, color=style["color"], alpha=0.18, linewidth=0)
        across += [value for value in one.costs[cost] if value > 0]
        up += one.middle
    if logarithmic(across, SPAN):
        place.set_xscale("log")
    aim = None if target is None else 100 * target if measure == "accuracy" else target
    if aim is not None:
        place.axhline(aim, color="#666666", linewidth=0.8, linestyle=(0, (2, 2)))
    if measure == "accuracy":
        high = max(*up, aim or 0.0)
        low = min(lowest(up), high if aim is None else aim - 0.1 * (high - aim) - 0.5)
        place.set_ylim(low, min(high + 0.05 * (high - low), 100.5))
    elif logarithmic(up, SPAN):
        place.set_yscale("log")
    place.set_xlabel(AXES[cost])
    place.set_ylabel(UNIT[measure])
    place.set_axisbelow(True)
    place.margins(x=0.02)


def dressed(number: int) -> dict[str, Any]:
    """Colour and dashes of the job of this number."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number // len(COLOURS) % len(DASHES)]}


def legend(figure: Any, found: Sequence[Band]) -> None:
    """Above the panels."""
    lines = import_module("matplotlib.lines")
    handles = [lines.Line2D([], [], label=shown(one.label), **dressed(k)) for k, one in enumerate(found)]
    longest = max(min(len(one.label), LONGEST) for one in found) + 6
    columns = max(1, min(len(found), int(PAPER * 15 / longest)))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, handlelength=2.2)


def picture(out: Path, draw_to: Callable[[Path], bool], say: Callable[[str], None]) -> None:
    """Draw a figure if that is possible; what is in its way is said, and does not spoil the tables."""
    try:
        if not draw_to(out):
            say(f"{out.name}: there is nothing to draw")
    except UsageError as error:
        say(f"{out.name} is not drawn: {error}")
