"""Scores of a network by name; what they are on one rank. `training.scores` sums them over the ranks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hpcadmm.model.losses.base import of_classes
from hpcadmm.model.state import Array

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """A score. words: its name in a text. data: what it needs. rises: is a larger value better?"""

    words: str
    data: Literal["classes", "two classes", "values"]
    rises: bool = True


SCORES = {
    "accuracy": Score("accuracy", "classes"),
    "balanced_accuracy": Score("balanced accuracy", "classes"),
    "log_loss": Score("log loss", "classes", rises=False),
    "roc_auc": Score("ROC AUC", "classes"),
    "macro_precision": Score("macro precision", "classes"),
    "macro_recall": Score("macro recall", "classes"),
    "macro_f1": Score("macro F1", "classes"),
    "precision": Score("precision", "two classes"),
    "recall": Score("recall", "two classes"),
    "f1": Score("F1", "two classes"),
    "error": Score("mean squared error (scaled targets)", "values", rises=False),
    "rmse": Score("RMSE", "values", rises=False),
    "mae": Score("MAE", "values", rises=False),
    "r2": Score("R^2", "values"),
}
ALWAYS = ("accuracy", "error")  # in every row of metrics.jsonl
CHOICES = tuple(name for name in SCORES if name not in ALWAYS)


class Undefined(Exception):
    """Why a score has no value for these samples."""


def keyed(metric: str) -> tuple[str, str]:
    """Part and score of an entry of [evaluate] metrics; without a prefix it means the test part.

    >>> keyed("roc_auc"), keyed("train_f1")
    (('test', 'roc_auc'), ('train', 'f1'))
    """
    part, _, name = metric.partition("_")
    return (part, name) if part in ("train", "test") else ("test", metric)


def rises(key: str) -> bool:
    """Is a larger value of this key of metrics.jsonl better?

    >>> rises("test_accuracy"), rises("test_log_loss"), rises("objective")
    (True, False, False)
    """
    name = keyed(key)[1]
    return name in SCORES and SCORES[name].rises


def ratio(part: float, whole: float) -> float | None:
    """part / whole; None if whole is 0."""
    return float(part / whole) if whole else None


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are numbers."""
    numbers = [value for value in values if value is not None]
    return ratio(sum(numbers), len(numbers))


def by_class(confusion: Array) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class; None for 0 / 0. confusion (k, k): rows are true classes."""
    sums = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return [
        {
            "precision": ratio(right, predicted),
            "recall": ratio(right, true),
            "f1": ratio(2 * right, predicted + true),
            "support": true,
        }
        for right, predicted, true in zip(*(each.tolist() for each in sums), strict=True)
    ]


def of_confusion(confusion: Array, names: Sequence[str]) -> dict[str, float | Undefined]:
    """All scores that follow from the confusion matrix (k, k); of two classes the second is the positive one.

    balanced_accuracy and macro_recall: the mean recall of the classes that have samples. macro_precision, macro_f1: the
    means over the classes for which they are defined.
    """
    rows = by_class(confusion)
    recall = mean([row["recall"] for row in rows])
    found: dict[str, float | None] = {
        "accuracy": ratio(np.trace(confusion).item(), confusion.sum().item()),
        "balanced_accuracy": recall,
        "macro_recall": recall,
        "macro_precision": mean([row["precision"] for row in rows]),
        "macro_f1": mean([row["f1"] for row in rows]),
    }
    why = dict.fromkeys(found, "the samples have no weight")
    if len(rows) == 2:
        found |= {key: rows[1][key] for key in ("precision", "recall", "f1")}
        why |= {"precision": f"no sample is predicted as {names[1]}", "recall": f"no sample of class {names[1]}"}
        why["f1"] = f"no sample is of class {names[1]} or predicted as it"
    return {key: Undefined(why[key]) if value is None else value for key, value in found.items()}


def log_losses(z: Array, labels: Array) -> Vector:
    """-log p_c of each sample's class c, p = softmax(z), or of one output softmax(0, z); z (k, m). In float64."""
    z = of_classes(z)
    above = z.astype(np.float64) - z.max(axis=0)
    return np.log(np.exp(above).sum(axis=0)) - above[labels, np.arange(labels.size)]


def rankings(z: Array, probable: bool) -> Array:
    """What orders the samples by how sure each class is, for outputs z (n_L, m): (classes, m) in float64.

    Of two classes z_1 - z_0, or the only output; else z_c. With a loss that is `probable` log p_c / (1 - p_c), p =
    softmax(z), which also tells apart probabilities that round to 1.
    """
    z = z.astype(np.float64)
    if len(z) <= 2:
        above = z[-1] - (z[0] if len(z) == 2 else 0)
        return np.stack([-above, above])
    if not probable:
        return z
    largest = z.argmax(axis=0), np.arange(z.shape[1])
    z -= z[largest]
    e = np.exp(z)
    e[largest] = 0
    rest = e.sum(axis=0)
    others = 1 + rest - e  # the sum of exp of all classes but c, relative to the largest
    others[largest] = rest
    with np.errstate(divide="ignore"):
        return z - np.log(others)
