"""`hpcadmm plot`: curves of runs against iterations, seconds and other costs."""

import math
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcadmm import plotting
from hpcadmm.errors import UsageError
from hpcadmm.model.scores import CHOICES, SCORES
from hpcadmm.plotting import GREY, PAPER, SPREAD, curve, entry, finite, logarithmic, styled
from hpcadmm.storage.durable import kind, written
from hpcadmm.storage.run import read_job, read_metrics

FORMATS = (".png", ".svg", ".pdf")
AXES = {  # the x axis: its key in metrics.jsonl, and its label
    "iterations": ("iteration", "iteration"),
    "seconds": ("seconds", "solver time (s)"),
    "rounds": ("rounds", "communication rounds"),
    "payload": ("payload_bits", "payload (bits)"),
    "bytes": ("bytes", "bytes between ranks"),
}
USUAL = ("iterations", "seconds")


@dataclass(frozen=True)
class Panel:
    """One quantity on the y axis: its name, its keys in metrics.jsonl with their line styles, and its unit.

    spread: the largest over the smallest value from which the axis is logarithmic.
    own: each solver has a quantity of its own by this name, so each solver has a panel of its own.
    """

    name: str
    keys: dict[str, str]
    unit: str = ""
    spread: float = SPREAD
    own: bool = False

    @property
    def per_cent(self) -> bool:
        return self.unit == "%"

    def label(self, solver: str) -> str:
        """The label of the axis."""
        gap = " " if self.per_cent else "\n"
        unit = f"{gap}({self.unit})" if self.unit else ""
        return self.name + (f"\nof {solver}" if solver else "") + unit


PANELS = (
    Panel("objective", {"objective": "-"}, own=True),
    Panel("objective error", {"objective_error": "-"}, spread=3.0),
    Panel("primal residual", {"primal_residual": "-"}, spread=3.0, own=True),
    Panel("accuracy", {"train_accuracy": ":", "test_accuracy": "-"}, "%", spread=math.inf),
    Panel("mean squared error", {"train_error": ":", "test_error": "-"}, "target units, squared"),
    *(Panel(SCORES[name].words, {f"train_{name}": ":", f"test_{name}": "-"}) for name in CHOICES),
)


@dataclass(frozen=True)
class Curves:
    """A run: its name in the legend, its rows of metrics.jsonl, and its solver."""

    name: str
    rows: list[dict[str, Any]]
    solver: str = ""

    @classmethod
    def of(cls, name: str, folder: Path) -> "Curves":
        """Read a run folder. Raises UsageError if it is none, or nothing has been measured yet."""
        rows = read_metrics(folder)
        try:
            solver = str(tomllib.loads(read_job(folder))["solver"]["name"])
        except (ValueError, KeyError, TypeError):
            solver = ""
        found = cls(name, rows, solver)
        if not any(found.measured(panel) for panel in PANELS):
            raise UsageError(f"{folder}: nothing has been measured yet; see evaluate.every in its job")
        return found

    def points(self, x: str, y: str, scale: float = 1.0) -> tuple[list[float], list[float]]:
        """The measured pairs; rows in which one of the two is missing or not finite are left out."""
        pairs = [(row.get(x), row.get(y)) for row in self.rows]
        good = [(float(a), scale * float(b)) for a, b in pairs if finite(a) and finite(b)]
        return [a for a, _ in good], [b for _, b in good]

    def measured(self, panel: Panel) -> bool:
        """Has the run a value for this panel?"""
        return any(finite(row.get(key)) for row in self.rows for key in panel.keys)


def plot(folders: Sequence[Path], out: Path, x: Sequence[str] = USUAL, y: Sequence[str] = ()) -> Path:
    """Draw the curves of runs to a .png, .svg or .pdf file; x: names of AXES; y: names of PANELS, by default all.

    Raises UsageError for what is no run, has no measured row, or for a file that cannot be written.
    """
    kind(out, FORMATS)
    runs = [Curves.of(name, folder) for name, folder in zip(labels(folders), folders, strict=True)]
    panels = [panel for panel in PANELS if (not y or panel.name in y) and any(run.measured(panel) for run in runs)]
    if not panels:
        raise UsageError(f"none of these runs has measured {' or '.join(y)}")
    for axis in x:
        if not any(run.points(AXES[axis][0], key)[0] for run in runs for panel in panels for key in panel.keys):
            raise UsageError(f"none of these runs has counted {axis}: choose another x axis of {', '.join(AXES)}")
    with styled():
        written(out, drawn(runs, panels, x).savefig)
    return out


def labels(folders: Sequence[Path]) -> list[str]:
    """The names of the runs in the legend: the shortest ends of their paths that differ.

    >>> labels([Path("results/a/run"), Path("results/b/run")]), labels([Path("results/runs/digits")])
    (['a/run', 'b/run'], ['digits'])
    """
    paths = [Path(os.path.abspath(folder)).parts for folder in folders]
    for depth in range(1, max(map(len, paths), default=1) + 1):
        names = ["/".join(path[-depth:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            break
    return names


def drawn(runs: Sequence[Curves], panels: Sequence[Panel], axes: Sequence[str]) -> Any:
    """A matplotlib figure: a column for each of these AXES, a row for each panel, and for each solver where it has one
    of its own."""
    rows = [(panel, solver) for panel in panels for solver in owners(panel, runs)]
    handles = entries(runs, panels)
    width = PAPER if len(axes) > 1 else 0.6 * PAPER
    height = 1.55 if len(rows) < 4 else 1.3
    figure, grid = plotting.panels(len(rows), len(axes), height, handles, width, sharex="col", sharey="row")
    for (panel, solver), places in zip(rows, grid, strict=True):
        for place, axis in zip(places, axes, strict=True):
            draw(place, panel, solver, runs, AXES[axis][0])
        places[0].set_ylabel(panel.label(solver))
    for place, axis in zip(grid[-1], axes, strict=True):
        across(place, axis, runs)
    figure.align_ylabels()
    return figure


def owners(panel: Panel, runs: Sequence[Curves]) -> list[str]:
    """The solvers that have a panel of their own; [""] if all runs share one."""
    solvers = list(dict.fromkeys(run.solver for run in runs if run.measured(panel)))
    return solvers if panel.own and len(solvers) > 1 else [""]


def draw(place: Any, panel: Panel, solver: str, runs: Sequence[Curves], x: str) -> None:
    """One panel: the curves of all runs, or of those of one solver."""
    values: list[float] = []
    for run, look in zip(runs, looks(runs), strict=True):
        if solver and run.solver != solver:
            continue
        for key, dashes in panel.keys.items():
            points = run.points(x, key, 100.0 if panel.per_cent else 1.0)
            curve(place, *points, **(look if len(panel.keys) == 1 else {**look, "linestyle": dashes}))
            values += points[1]
    if panel.per_cent and values:
        plotting.accuracy_axis(place, values)
    elif logarithmic(values, panel.spread):
        plotting.log_axis(place, "y", values)
    else:
        plotting.large_numbers(place.yaxis)
    place.margins(x=0.02)


def across(place: Any, axis: str, runs: Sequence[Curves]) -> None:
    """The x axis: logarithmic if some runs are much longer than others."""
    key, label = AXES[axis]
    place.set_xlabel(label)
    found = [points for run in runs if (points := run.points(key, key)[0])]
    ends = [points[-1] for points in found]
    if ends and min(ends) > 0 and max(ends) > SPREAD * min(ends):
        plotting.log_axis(place, "x", [value for points in found for value in points], 0.5)
    else:
        plotting.large_numbers(place.xaxis)


def looks(runs: Sequence[Curves]) -> list[dict[str, Any]]:
    """The style of each run."""
    return plotting.styles([run.solver for run in runs])


def entries(runs: Sequence[Curves], panels: Sequence[Panel]) -> list[Any]:
    """The legend: the runs, and test and train by their lines."""
    handles = [entry(run.name, **look) for run, look in zip(runs, looks(runs), strict=True)]
    if any(len(panel.keys) > 1 for panel in panels):
        handles += [entry(part, color=GREY, linestyle=dashes) for dashes, part in (("-", "test"), (":", "train"))]
    return handles
