"""The scores that a job chooses for metrics.jsonl, by [evaluate] metrics."""

from collections.abc import Sequence
from typing import Any

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.problem import Problem
from hpcadmm.model.scores import CHOICES, SCORES, Undefined, keyed
from hpcadmm.model.state import Arrays
from hpcadmm.training.scores.answers import answered
from hpcadmm.training.scores.scored import Meaning, scored

OTHERWISE = {"precision": "macro_precision", "recall": "balanced_accuracy", "f1": "macro_f1"}


def check(metrics: Sequence[str], classes: int, loss: str) -> None:
    """Raise UsageError for a score that data of this many classes (0: real targets), or the loss, do not have."""
    has = f"{classes} classes" if classes else "real targets"
    for metric in metrics:
        name = keyed(metric)[1]
        needs = SCORES[name].data
        said = f'evaluate.metrics: "{metric}"'
        if (needs == "values") == bool(classes):
            fitting = [one for one in CHOICES if (SCORES[one].data == "values") != bool(classes)]
            raise UsageError(f"{said}: the data have {has}; choose from {', '.join(fitting)}")
        if needs == "two classes" and classes != 2:
            raise UsageError(f"{said}: is for two classes, and the data have {has}; use {OTHERWISE[name]}")
        if name == "log_loss" and not LOSSES[loss].probable:
            raise UsageError(
                f"{said}: the outputs of the {loss} loss are no probabilities; use cross-entropy, logistic, or roc_auc"
            )


def measured(
    metrics: Sequence[str], W: Arrays, problem: Problem, meaning: Meaning, world: World
) -> dict[str, float | None]:
    """The chosen scores as entries of a row of metrics.jsonl; None where a score has no value. Collective."""
    row: dict[str, float | None] = {}
    for side in ("train", "test"):
        wanted = [name for part, name in map(keyed, metrics) if part == side]
        part = getattr(problem, side)
        if not wanted:
            continue
        if not part.tiles.n:
            row |= dict.fromkeys(f"{side}_{name}" for name in wanted)
            continue
        found: dict[str, Any] = scored(wanted, [answered(problem.network, W, part, world)], meaning, world)
        row |= {f"{side}_{key}": None if isinstance(value, Undefined) else value for key, value in found.items()}
    return row
