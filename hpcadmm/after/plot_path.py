"""`hpcadmm plot RUN --path`: the coefficients of a regularisation path, and the deviance that chooses a strength."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm import plotting
from hpcadmm.after.plot import FORMATS
from hpcadmm.errors import UsageError
from hpcadmm.plotting import COLOURS, GREY, TARGET, curve, entry, styled
from hpcadmm.storage.durable import kind, written
from hpcadmm.storage.readers import COEFFICIENTS, PATH, read_summary

NAMED = 7  # curves with a name in the legend
TICKS = 4  # numbers on the axis of a panel, at most
INTERCEPT = "intercept"

Rows = list[dict[str, str]]


def plot_path(folder: Path, out: Path) -> Path:
    """Draw the path of a run to a .png, .svg or .pdf file. Raises UsageError for a run without one, or for a file that
    cannot be written."""
    kind(out, FORMATS)
    with styled():
        written(out, figure_of(folder).savefig)
    return out


def figure_of(folder: Path) -> Any:
    """The same as a figure. Raises UsageError for a run without a path."""
    summary = read_summary(folder) or {}
    strengths, coefficients = (rows(folder / name) for name in (PATH, COEFFICIENTS))
    return drawn(strengths, coefficients, summary.get("path", {}))


def rows(path: Path) -> Rows:
    """The rows of a csv file of a path."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError:
        raise UsageError(f"{path.parent} has no {path.name}: only a job with solver.path that has ended does") from None


def numbers(found: Rows, key: str) -> Any:
    return np.array([float(row[key]) for row in found])


def drawn(strengths: Rows, coefficients: Rows, summary: dict[str, Any]) -> Any:
    """A figure: the coefficients, how many are not 0, and the deviance, by strength."""
    strengths = [row for row in strengths if float(row["strength"]) > 0]
    if not strengths:
        raise UsageError("this path has no strength above 0 to draw")
    x, curves = numbers(strengths, "strength"), series(strengths, coefficients)
    order = sorted(curves, key=lambda name: -abs(curves[name][-1]))
    looks = {name: {"color": COLOURS[k]} for k, name in enumerate(order[:NAMED])}
    handles = [entry(name, **look) for name, look in looks.items()]
    handles += [entry("others", color=GREY, linewidth=0.5)] if len(order) > NAMED else []
    figure, ((first, second, third),) = plotting.panels(1, 3, 2.2, handles)
    for name in reversed(order):
        curve(first, x, curves[name], **looks.get(name, {"color": GREY, "linewidth": 0.5}))
    curve(second, x, numbers(strengths, "nonzeros"), color=COLOURS[0])
    deviance(third, x, strengths, summary)
    labels = ("coefficient (scaled features)", "coefficients that are not 0", "deviance")
    for place, label in zip((first, second, third), labels, strict=True):
        place.set_xlabel("strength of the penalty")
        place.set_ylabel(label)
        if len(x) > 1:
            plotting.log_axis(place, "x", x.tolist())
            place.set_xticks(plotting.log_ticks(x.min(), x.max(), TICKS))
            place.invert_xaxis()
    return figure


def series(strengths: Rows, coefficients: Rows) -> dict[str, Any]:
    """The coefficients by name, at each strength; those of several outputs have theirs in their names."""
    place = {row["strength"]: k for k, row in enumerate(strengths)}
    several = len({row["output"] for row in coefficients}) > 1
    found: dict[str, Any] = {}
    for row in coefficients:
        if row["feature"] != INTERCEPT and row["strength"] in place:
            name = f"{row['feature']} ({row['output']})" if several else row["feature"]
            found.setdefault(name, np.zeros(len(strengths)))[place[row["strength"]]] = float(row["scaled"])
    return found


def deviance(place: Any, x: Any, strengths: Rows, summary: dict[str, Any]) -> None:
    """Of all samples; of the folds with its standard error, and the strengths that it chooses."""
    curve(place, x, numbers(strengths, "deviance"), color=GREY, linestyle=":")
    end = (x[-1], float(strengths[-1]["deviance"]))
    place.annotate("training", end, (0, -3), textcoords="offset points", fontsize=7, color=GREY, ha="right", va="top")
    place.margins(y=0.1)
    if "mean_deviance" not in strengths[0]:
        return
    mean, error = numbers(strengths, "mean_deviance"), numbers(strengths, "standard_error")
    curve(place, x, mean, color=COLOURS[1])
    place.fill_between(x, mean - error, mean + error, color=COLOURS[1], alpha=plotting.BAND, linewidth=0)
    for key, words in (("best", "least"), ("one_se", "one s.e.")):
        if key in summary:
            place.axvline(summary[key], **TARGET)
            place.annotate(words, (summary[key], 0.98), xycoords=("data", "axes fraction"), fontsize=7, color=GREY,
                           rotation=90, ha="right", va="top")  # fmt: skip
