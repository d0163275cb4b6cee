"""What `hpcadmm scaling model` writes for a reader: the page, in Markdown, and the figure, time and efficiency against
ranks: measured points filled, predictions dashed, in a shaded area that says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hpcadmm import plotting
from hpcadmm.performance.curves import Curve, named, words
from hpcadmm.performance.fabric import Network
from hpcadmm.performance.fit import BAR, Known, Miss, middle, shapes
from hpcadmm.performance.machine import Machine, doubts
from hpcadmm.performance.predict import FACTORS, TERMS, Factors, Prediction
from hpcadmm.plotting import COLOURS, GREY, MODELLED, PAPER, entry

SHOWN = 14  # rows of a curve's table
MEASURED: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 4}
HEIGHT = 2.3  # inches of a row of panels


@dataclass(frozen=True)
class Study:
    """The content of the page."""

    machine: Machine
    network: Network
    known: tuple[Known, ...]
    skipped: tuple[str, ...]
    factors: dict[str, Factors]
    by_shape: tuple[Miss, ...]
    by_ranks: tuple[Miss, ...]
    curves: tuple[Curve, ...]


def validation_words(found: Study) -> str:
    """One line on the error of predictions for points left out of the fit."""
    count, error = shapes(found.known), middle(found.by_shape)
    told = f"leave-one-out over {count} measured shape{'s' if count != 1 else ''}: median error {error:.1%}"
    if count < 8:
        told += " (the bar, 10 %, is for 8 shapes or more)"
    else:
        told += f" (bar: {BAR:.0%}, {'met' if error <= BAR else 'missed'})"
    if found.by_ranks:
        told += f"; rank counts left out: {middle(found.by_ranks):.1%}"
    return told


def markdown(found: Study) -> str:
    """The whole page."""
    lines = [
        "# Model of the scaling",
        "",
        "Everything in the tables named *modelled* is predicted, not measured.",
        f"Network: {found.network.name}. Machine: {found.machine.cores} cores measured at once.",
        "",
        *[f"- Note: {doubt}." for doubt in doubts(found.machine)],
        *[f"- Left out: {text}." for text in found.skipped],
        "",
        "## Error of the model",
        "",
        validation_words(found) + ".",
        "",
        *misses(found.by_shape),
        "",
        "Factors fitted to all points (1: the rates of the machine are right):",
        "",
        *row(["solver", *FACTORS], head=True),
        *[line for name, f in found.factors.items() for line in row([name, *(f"{f[k]:.2f}" for k in FACTORS)])],
        "",
        "## Where it stops",
        "",
        *[f"- {words(one)}" for one in found.curves],
        "",
        *[line for one in found.curves for line in section(one)],
    ]
    return "\n".join(lines).rstrip() + "\n"


def misses(some: Sequence[Miss]) -> list[str]:
    """A table of the points, each predicted by a fit without its job."""
    lines = row(["job", "ranks", "grid", "measured s", "predicted s", "error"], head=True)
    for one in some:
        case, point = one.known.case, one.known.point
        name = named(case, False, "strong", case.samples)
        grid = "x".join(map(str, point.grid))
        lines += row([name, point.ranks, grid, f"{one.known.seconds:.4g}", f"{one.predicted:.4g}", f"{one.error:+.1%}"])
    return lines


def section(one: Curve) -> list[str]:
    """The table of a curve."""
    measured = {known.point.ranks: known.seconds for known in one.series.points}
    head = ["ranks", "grid", "measured s", "modelled s", "modelled efficiency", *TERMS, "MB a rank"]
    lines = [f"## {one.series.name} ({one.series.kind})", "", "Modelled terms in per cent of the time.", ""]
    lines += row(head, head=True)
    for p in chosen(one.found, set(measured)):
        seconds = f"{measured[p.ranks]:.4g}" if p.ranks in measured else ""
        shares = [f"{100 * p.terms[name] / p.seconds:.0f}" for name in TERMS]
        grid = "x".join(map(str, p.grid))
        lines += row([f"{p.ranks:,}", grid, seconds, f"{p.seconds:.4g}", f"{one.efficiency(p):.0%}", *shares,
                      f"{p.memory / 1e6:.0f}"])  # fmt: skip
    return [*lines, ""]


def chosen(some: Sequence[Prediction], wanted: set[int]) -> list[Prediction]:
    """The predictions to show: measured rank counts, the last, and some powers of two."""
    last = some[-1].ranks
    kept = [p for p in some if p.ranks in wanted or p.ranks == last or p.ranks & (p.ranks - 1) == 0]
    if len(kept) < 4:
        kept = list(some)
    step = max(1, -(-len(kept) // SHOWN))
    return [p for k, p in enumerate(kept) if k % step == 0 or p.ranks in wanted or p.ranks == last]


def row(cells: Sequence[object], head: bool = False) -> list[str]:
    """A line of a Markdown table; with the rule below if it is the head."""
    line = "| " + " | ".join(map(str, cells)) + " |"
    return [line, "|" + "---|" * len(cells)] if head else [line]


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
