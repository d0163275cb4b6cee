"""What the trials of `tune` reached: table, Markdown and a panel for each key that was varied."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from hpcadmm.after.plot import COLOURS, PAPER, STYLE, finite, library, logarithmic
from hpcadmm.after.words import any_glyph, shown
from hpcadmm.compare.reading import Result, Row, row
from hpcadmm.compare.vary import Vary
from hpcadmm.experiments.tables import markdown, number
from hpcadmm.storage.outfile import written

PER_CENT = "test_accuracy"
WORDS = {
    "test_accuracy": "accuracy on held-out samples (%)",
    "test_error": "mean squared error on held-out samples",
    "objective": "objective",
    "seconds-to-target": "solver seconds to the target",
}


@dataclass(frozen=True)
class Trial:
    """A run and its score, None where there is none."""

    result: Result
    score: float | None

    @property
    def values(self) -> dict[str, Any]:
        """By key."""
        return self.result.planned.values


def table_row(trial: Trial) -> Row:
    """The cells of table.csv: the values, the score, and what `compare` has of a run."""
    rest = row(trial.result, None)
    left_out = ("job", "solver", "network", "loss", "precision", *(key for key in rest if key.startswith("target_")))
    name = {"trial": rest.pop("run")}
    return {**name, **trial.values, "score": trial.score, **{k: v for k, v in rest.items() if k not in left_out}}


def page(trials: Sequence[Trial], vary: Sequence[Vary], metric: str, target: float | None, share: float | None) -> str:
    """summary.md; the trials come with the best first."""
    cells = [summary_row(trial, metric) for trial in trials]
    aim = "" if target is None else f" {target:g}"
    score = f"Score: {metric}{aim}. The test part of these runs is data.validation = {share}, a share of the training "
    notes = [
        score + "part; no sample of the real test part is among them.",
        "trial-000 is the job as it stands. Varied: " + "; ".join(one.text for one in vary) + ".",
        "final, best: on the held-out samples; the score is the final one unless it is a time.",
    ]
    if metric == "objective":
        notes.append("Objectives are comparable only where no varied key is a factor in them.")
    return "\n\n".join(["# Tuning", markdown(cells), "\n".join(f"- {note}" for note in notes)]) + "\n"


def summary_row(trial: Trial, metric: str) -> dict[str, str]:
    """The cells of a trial."""
    one = trial.result
    unit = (lambda v: f"{100 * v:.2f} %") if one.measure == "accuracy" else number
    scored = unit if metric == PER_CENT else number
    seconds = one.rows[-1].get("seconds") if one.rows else None
    return {
        "trial": one.planned.name,
        **{key: "" if value is None else str(value) for key, value in trial.values.items()},
        "score": "" if trial.score is None else scored(trial.score),
        "final": "" if (final := one.final()) is None else unit(final),
        "best": "" if (best := one.best()) is None else unit(best),
        "seconds": "" if seconds is None else number(seconds),
        "state": one.state,
        "message": one.message,
    }


def draw(trials: Sequence[Trial], vary: Sequence[Vary], metric: str, out: Path) -> bool:
    """Write the figure; False if no trial has a score. Raises UsageError without matplotlib."""
    if all(trial.score is None for trial in trials):
        return False
    with library().rc_context(STYLE), any_glyph():
        written(out, drawn(trials, vary, metric).savefig)
    return True


def drawn(trials: Sequence[Trial], vary: Sequence[Vary], metric: str) -> Any:
    """A matplotlib figure: for each key the scores against its values."""
    figures = import_module("matplotlib.figure")
    wide = min(2, len(vary))
    lines = -(-len(vary) // wide)
    figure = figures.Figure((PAPER * (0.6 if wide == 1 else 1), 2.2 * lines + 0.2), layout="constrained")
    grid = figure.subplots(lines, wide, squeeze=False, sharey=True)
    for place, one in zip(grid.flat, vary, strict=False):
        panel(place, trials, one, metric)
    for line in grid:
        line[0].set_ylabel(WORDS[metric])
    for place in list(grid.flat)[len(vary) :]:
        place.set_visible(False)
    return figure


def panel(place: Any, trials: Sequence[Trial], one: Vary, metric: str) -> None:
    """The trials as points, the job as it stands hollow; at the bottom those far below as triangles, those without a
    score as crosses."""
    unit = 100.0 if metric == PER_CENT else 1.0
    scores = [unit * trial.score for trial in trials if trial.score is not None]
    low = floor(scores) if metric == PER_CENT else min(scores)
    for number_, trial in enumerate(trials):
        across = position(one, trial.values[one.key])
        if across is None:
            continue
        if trial.score is None or unit * trial.score < low:
            mark, colour = ("x", "#888888") if trial.score is None else ("v", COLOURS[0])
            place.plot(across, 0.03, mark, color=colour, markersize=4, transform=place.get_xaxis_transform())
        else:
            face = "none" if number_ == 0 else COLOURS[0]
            place.plot(across, unit * trial.score, "o", color=COLOURS[0], markerfacecolor=face, markersize=4)
    if one.kind == "choice":
        place.set_xticks(range(len(one.values)), [shown(str(value)) for value in one.values])
        place.set_xlim(-0.5, len(one.values) - 0.5)
    elif one.kind == "log":
        place.set_xscale("log")
    if metric == PER_CENT:
        place.set_ylim(low - 0.08 * (max(scores) - low) - 0.1, max(scores) + 0.05 * (max(scores) - low) + 0.1)
    elif logarithmic(scores, 20):
        place.set_yscale("log")
    place.set_xlabel(shown(one.key))
    place.set_axisbelow(True)


def floor(scores: Sequence[float]) -> float:
    """Where an axis of accuracies begins, so that the good ones can be told apart: four times as far below the median
    as the best is above it, or at the least.

    >>> floor([10.0, 94.0, 95.0, 96.0, 97.0]), floor([94.0, 95.0, 96.0])
    (87.0, 94.0)
    """
    middle = median(scores)
    bound = middle - 4 * (max(scores) - middle)
    return max(min(scores), bound) if max(scores) > middle else min(scores)


def position(one: Vary, value: Any) -> float | None:
    """Where a value stands on the axis of its key; None for one without a place: unset, or none of the choices, as the
    job as it stands may have it."""
    if one.kind == "choice":
        return float(one.values.index(value)) if value in one.values else None
    good = finite(value) and (value > 0 or one.kind != "log")
    return float(value) if good else None
