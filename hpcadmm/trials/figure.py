"""Test accuracy (or error) against seconds, iterations, synchronisations and bytes: median and range over the seeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from hpcadmm import plotting
from hpcadmm.plotting import BAND, GREY, TARGET, curve, entry, finite, logarithmic, patch
from hpcadmm.trials.reading import Result

AXES = {
    "seconds": "solver time (s)",
    "iterations": "iterations",
    "synchronisations": "synchronisations",
    "bytes": "bytes sent, all ranks",
}
UNIT = {"accuracy": "test accuracy (%)", "error": "test mean squared error\n(target units, squared)"}


@dataclass(frozen=True)
class Band:
    """A job's curve: at each point the median cost of its seeds, and the median and range of what they reached."""

    label: str
    method: str  # its solver; of another program, what it does
    measure: str
    costs: dict[str, list[float]]
    middle: list[float]
    low: list[float]
    high: list[float]


def bands(results: Sequence[Result]) -> list[Band]:
    """The curves of the jobs that have finished runs with test scores, in the order of the jobs."""
    done = [one for one in results if one.finished and one.scores()]
    labels = dict.fromkeys(one.planned.label for one in done)
    return [band(label, [one for one in done if one.planned.label == label]) for label in labels]


def band(label: str, runs: Sequence[Result]) -> Band:
    """The curve over the iterations that all these runs measured: it ends with the run that stopped first."""
    key = f"test_{runs[0].measure}"
    by_iteration = [{row["iterations"]: row for row in one.rows if finite(row.get(key))} for one in runs]
    common = sorted(set.intersection(*map(set, by_iteration)))
    points = [[rows[iteration] for rows in by_iteration] for iteration in common]
    unit = 100.0 if runs[0].measure == "accuracy" else 1.0
    solver = runs[0].planned.job.solver
    reached = [[unit * row[key] for row in rows] for rows in points]
    return Band(
        label,
        f"{solver.name} {getattr(solver, 'title', '')}",
        runs[0].measure,
        {cost: [median(float(row.get(cost) or 0) for row in rows) for rows in points] for cost in AXES},
        [median(values) for values in reached],
        [min(values) for values in reached],
        [max(values) for values in reached],
    )


def drawn(found: Sequence[Band], targets: Sequence[float]) -> Any:
    """A matplotlib figure, two panels in a row, those of errors below those of accuracies; None without a curve."""
    if not found:
        return None
    measures = list(dict.fromkeys(one.measure for one in found))
    places = [(measure, cost) for measure in measures for cost in AXES if sent(found, measure, cost)]
    figure, grid = plotting.panels(-(-len(places) // 2), 2, 2.2, list(entries(found, targets)))
    for place, (measure, cost) in zip(grid.flat, places, strict=False):
        panel(place, found, measure, cost, targets)
    for place in grid.flat[len(places) :]:
        place.remove()
    return figure


def sent(found: Sequence[Band], measure: str, cost: str) -> bool:
    """Is there anything but zeros on this axis? On one rank nothing is sent."""
    return any(max(one.costs[cost], default=0) > 0 for one in found if one.measure == measure)


def looks(found: Sequence[Band]) -> list[dict[str, Any]]:
    """The style of each curve."""
    return plotting.styles([one.method for one in found])


def panel(place: Any, found: Sequence[Band], measure: str, cost: str, targets: Sequence[float]) -> None:
    """The curves of one measure against one cost."""
    chosen = [(one, look) for one, look in zip(found, looks(found), strict=True) if one.measure == measure]
    for one, look in chosen:
        curve(place, one.costs[cost], one.middle, **look)
        place.fill_between(one.costs[cost], one.low, one.high, color=look["color"], alpha=BAND, linewidth=0)
    costs = [value for one, _ in chosen for value in one.costs[cost] if value > 0]
    middle = [value for one, _ in chosen for value in one.middle]
    high = [value for one, _ in chosen for value in one.high]
    if logarithmic(costs):
        plotting.log_axis(place, "x", costs, 0.5)
    else:
        plotting.large_numbers(place.xaxis)
    for target in targets:
        place.axhline(100 * target if measure == "accuracy" else target, **TARGET)
    if measure == "accuracy":
        plotting.accuracy_axis(place, middle, high, 100 * max(targets) if targets else None)
    elif logarithmic(middle):
        plotting.log_axis(place, "y", [*middle, *high])
    place.set_xlabel(AXES[cost])
    place.set_ylabel(UNIT[measure])


def entries(found: Sequence[Band], targets: Sequence[float]) -> Iterator[Any]:
    """The legend: the jobs, the range, the target."""
    for one, look in zip(found, looks(found), strict=True):
        yield entry(one.label, **look)
    if any(one.low != one.high for one in found):
        yield patch("range over the seeds", color=GREY, alpha=BAND, linewidth=0)
    if targets:
        accuracy = any(one.measure == "accuracy" for one in found)
        shown = ", ".join(f"{100 * target:g} %" if accuracy else f"{target:g}" for target in targets)
        yield entry(f"target{'s' if len(targets) > 1 else ''}: {shown}", **TARGET)
