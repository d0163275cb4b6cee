"""What the trials of `tune` reached: table, Markdown and a panel for each key that was varied."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from hpcadmm import plotting
from hpcadmm.experiments.report import markdown, number
from hpcadmm.model.scores import SCORES
from hpcadmm.plotting import COLOURS, PAPER, entry, finite, logarithmic, shown
from hpcadmm.trials.reading import Result, Row, row
from hpcadmm.trials.vary import Vary

PER_CENT = "test_accuracy"
WORDS = {f"test_{name}": f"{score.words} on held-out samples" for name, score in SCORES.items()} | {
    "test_accuracy": "accuracy on held-out samples (%)",
    "test_error": "mean squared error on held-out\nsamples (target units, squared)",
    "objective": "objective",
    "seconds-to-target": "solver time to the target (s)",
    "iterations-to-target": "iterations to the target",
    "synchronisations-to-target": "synchronisations to the target",
    "bytes-to-target": "bytes to the target",
}
TRIAL, JOB, BELOW, NO_SCORE = "trial", "the job unchanged", "trial below the axis", "trial without a score"
MARKS: dict[str, dict[str, Any]] = {  # how a trial is drawn
    TRIAL: {"marker": "o", "color": COLOURS[0], "markersize": 4},
    JOB: {"marker": "o", "color": COLOURS[0], "markersize": 4, "markerfacecolor": "none"},
    BELOW: {"marker": "v", "color": COLOURS[0], "markersize": 4},
    NO_SCORE: {"marker": "x", "color": "#888888", "markersize": 4},
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

    @property
    def reached(self) -> float | None:
        """The best accuracy or error on the held-out samples; None if the run did not finish."""
        return self.result.best() if self.result.finished else None


def table_row(trial: Trial) -> Row:
    """The cells of table.csv: the values, the score, and those of `compare`."""
    rest = row(trial.result, None)
    left_out = ("job", "solver", "network", "loss", "precision", *(key for key in rest if key.startswith("target_")))
    name = {"trial": rest.pop("run")}
    return {**name, **trial.values, "score": trial.score, **{k: v for k, v in rest.items() if k not in left_out}}


def page(trials: Sequence[Trial], vary: Sequence[Vary], metric: str, target: float | None, share: float | None) -> str:
    """summary.md. trials: the best first."""
    cells = [summary_row(trial, metric) for trial in trials]
    aim = "" if target is None else f" {target:g}"
    score = f"Score: {metric}{aim}. The test part of these runs is data.validation = {share}, a share of the training "
    notes = [
        score + "part; no sample of the real test part is among them.",
        "trial-000 is the job unchanged. Varied: " + "; ".join(one.text for one in vary) + ".",
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


def drawn(trials: Sequence[Trial], vary: Sequence[Vary], metric: str) -> Any:
    """A matplotlib figure: for each key the scores against its values; None if no trial has a score."""
    if all(trial.score is None for trial in trials):
        return None
    columns = min(2, len(vary))
    handles = [entry(label, linestyle="", **look) for label, look in MARKS.items()]
    width = PAPER * (0.6 if columns == 1 else 1)
    figure, grid = plotting.panels(-(-len(vary) // columns), columns, 2.2, handles, width, sharey=True)
    for place, one in zip(grid.flat, vary, strict=False):
        panel(place, trials, one, metric)
    for line in grid:
        line[0].set_ylabel(WORDS[metric])
    for place in grid.flat[len(vary) :]:
        place.remove()
    return figure


def panel(place: Any, trials: Sequence[Trial], one: Vary, metric: str) -> None:
    """The trials as points; at the bottom those below the axis and those without a score."""
    unit = 100.0 if metric == PER_CENT else 1.0
    scores = [unit * trial.score for trial in trials if trial.score is not None]
    low = floor(scores) if metric == PER_CENT else min(scores)
    for number_, trial in enumerate(trials):
        at = position(one, trial.values[one.key])
        if at is None:
            continue
        if trial.score is None or unit * trial.score < low:
            look = MARKS[NO_SCORE if trial.score is None else BELOW]
            place.plot(at, 0.03, transform=place.get_xaxis_transform(), linestyle="", **look)
        else:
            place.plot(at, unit * trial.score, linestyle="", **MARKS[TRIAL if number_ else JOB])
    across(place, trials, one)
    if metric == PER_CENT:
        place.set_ylim(low - 0.08 * (max(scores) - low) - 0.1, max(scores) + 0.05 * (max(scores) - low) + 0.1)
    elif logarithmic(scores):
        plotting.log_axis(place, "y", scores, 2)


def across(place: Any, trials: Sequence[Trial], one: Vary) -> None:
    """The x axis of a key."""
    place.set_xlabel(shown(one.key))
    if one.kind == "choice":
        place.set_xticks(range(len(one.values)), [shown(str(value)) for value in one.values])
        place.set_xlim(-0.5, len(one.values) - 0.5)
    elif one.kind == "log":
        found = [at for trial in trials if (at := position(one, trial.values[one.key])) is not None]
        plotting.log_axis(place, "x", [*found, one.low, one.high])


def floor(scores: Sequence[float]) -> float:
    """Where an axis of accuracies begins, so that the good ones can be told apart: below the median by four times the
    distance from the median to the best, or at the least score.

    >>> floor([10.0, 94.0, 95.0, 96.0, 97.0]), floor([94.0, 95.0, 96.0])
    (87.0, 94.0)
    """
    middle = median(scores)
    bound = middle - 4 * (max(scores) - middle)
    return max(min(scores), bound) if max(scores) > middle else min(scores)


def position(one: Vary, value: Any) -> float | None:
    """Where a value lies on the axis of its key; None if it has no place there: unset, or not among the choices, as the
    value of the job itself may be."""
    if one.kind == "choice":
        return float(one.values.index(value)) if value in one.values else None
    good = finite(value) and (value > 0 or one.kind != "log")
    return float(value) if good else None
