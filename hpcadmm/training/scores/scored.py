"""The scores of a network by name, for the samples of some parts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.world import World
from hpcadmm.datasets.transform import Affine
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.scores import Undefined, log_losses, mean, of_confusion, rankings
from hpcadmm.model.state import Array
from hpcadmm.training.scores.answers import Answers, confusion, total, whole_weight
from hpcadmm.training.scores.auc import auc, whole

Vector = NDArray[np.float64]
Found = dict[str, float | Undefined]
ROUNDING = 1e-14  # of the mean of equal values


@dataclass(frozen=True)
class Meaning:
    """What the outputs z are.

    loss: the name of the loss. names: of the classes, none in a regression.
    targets: z is the target transformed by this. raw: the labels of the samples are not transformed.
    """

    loss: str
    names: Sequence[str]
    targets: Affine | None = None
    raw: bool = False

    def mean(self, z: Array) -> Array:
        """What is expected of the targets where the outputs are z."""
        found: Array = LOSSES[self.loss]().mean(z)
        return found


def scored(wanted: Collection[str], parts: Sequence[Answers], meaning: Meaning, world: World) -> Found:
    """The wanted scores, by name. Collective."""
    of = of_classes if meaning.names else of_values
    return of(wanted, parts, meaning, world)


def of_classes(wanted: Collection[str], parts: Sequence[Answers], meaning: Meaning, world: World) -> Found:
    """Scores of a classification."""
    found: Found = {}
    if set(wanted) - {"log_loss", "roc_auc"}:
        found |= of_confusion(confusion(parts, len(meaning.names), world), meaning.names)
    if "log_loss" in wanted:
        found["log_loss"] = log_loss(parts, meaning, world)
    if "roc_auc" in wanted:
        found["roc_auc"] = area(aucs(parts, meaning, world))
    return {name: found[name] for name in wanted}


def log_loss(parts: Sequence[Answers], meaning: Meaning, world: World) -> float | Undefined:
    """The mean of -log p of the true class, for a loss whose outputs are log-probabilities."""
    if not LOSSES[meaning.loss].probable:
        return Undefined(f"the outputs of the {meaning.loss} loss are no probabilities")

    def of(part: Answers, t: slice) -> Vector:
        return np.sum(log_losses(part.z[:, t], part.labels[t]) * part.weights(t))

    weight = whole_weight(parts, world)
    mean_loss = float(total(parts, world, of, 1)[0]) / weight if weight else np.nan
    return mean_loss if np.isfinite(mean_loss) else Undefined("the outputs are not finite")


def aucs(parts: Sequence[Answers], meaning: Meaning, world: World) -> list[float | None]:
    """The area under the ROC curve of each class against the rest; None where one of the two has no weight."""
    classes = len(meaning.names)
    orders = np.concatenate([rankings(part.z, LOSSES[meaning.loss].probable) for part in parts], axis=1)
    if float(world.max(np.isnan(orders).any())[0]):
        return [None] * classes
    labels = np.concatenate([part.labels for part in parts])
    samples = sum(part.tiles.n for part in parts)
    weight = whole([part.weight for part in parts], [part.labels.size for part in parts], samples, world)
    if classes == 2:
        return [auc(orders[1], labels == 1, weight, world)] * 2
    return [auc(orders[c], labels == c, weight, world) for c in range(classes)]


def area(of_each: Sequence[float | None]) -> float | Undefined:
    """The area for two classes, or the mean over the classes that have one."""
    found = mean(of_each)
    return Undefined("a ROC curve needs samples of two classes, and finite outputs") if found is None else found


@dataclass(frozen=True)
class Errors:
    """Sums over the samples. scaled: squared errors of the scaled targets, their mean over the targets.

    squares, absolutes, deviations (k,): per target, in its own unit; the last from the mean of the targets.
    """

    weight: float
    scaled: float
    squares: Vector
    absolutes: Vector
    deviations: Vector

    @property
    def rmse(self) -> Vector:
        return np.sqrt(self.squares / (self.weight or np.nan))

    @property
    def mae(self) -> Vector:
        return self.absolutes / (self.weight or np.nan)

    @property
    def r2(self) -> list[float | None]:
        """1 - squared error / squared deviation; None for a target whose values are all equal."""
        pairs = zip(self.squares.tolist(), self.deviations.tolist(), strict=True)
        return [1 - squares / deviations if deviations else None for squares, deviations in pairs]


def errors(parts: Sequence[Answers], meaning: Meaning, world: World) -> Errors:
    """The errors of a regression. Collective."""
    undo = meaning.targets or Affine.identity(len(parts[0].z))
    k, expected = len(parts[0].z), meaning.mean

    def true(part: Answers, t: slice) -> tuple[Array, Array]:
        """The scaled targets of some columns, and the same in their own units; both (k, columns)."""
        y = np.atleast_2d(part.labels)[:, t]
        if not meaning.raw:
            return y, undo.undo(y)
        scaled = np.array(y, order="F")  # a copy
        undo.apply(scaled)
        return scaled, y

    def of(part: Answers, t: slice) -> Vector:
        (scaled, y), z, w = true(part, t), expected(part.z[:, t]), part.weights(t)
        raw, error = undo.undo(z) - y, z - scaled.astype(z.dtype)
        own = float((np.square(error) * w).sum(dtype=np.float64)) / k
        each = [np.square(raw), np.abs(raw), np.square(y - centre[:, None])]
        return np.concatenate([[own], *((e * w).sum(axis=1) for e in each)])

    weight = whole_weight(parts, world)
    centre = total(parts, world, lambda part, t: (true(part, t)[1] * part.weights(t)).sum(axis=1), k) / (weight or 1)
    scaled, *rest = total(parts, world, of, 1 + 3 * k).tolist()
    squares, absolutes, deviations = np.array(rest).reshape(3, k)
    equal = deviations <= weight * (ROUNDING * centre) ** 2
    return Errors(weight, scaled, squares, absolutes, np.where(equal, 0.0, deviations))


def of_values(wanted: Collection[str], parts: Sequence[Answers], meaning: Meaning, world: World) -> Found:
    """Scores of a regression."""
    found = of_errors(errors(parts, meaning, world))
    return {name: found[name] for name in wanted}


def of_errors(sums: Errors) -> Found:
    """All scores of a regression, in the units of the targets, each the mean over the targets."""
    r2 = mean(sums.r2)
    if not sums.weight:
        return dict.fromkeys(("error", "rmse", "mae", "r2"), Undefined("the samples have no weight"))
    return {
        "error": sums.scaled / sums.weight,
        "rmse": float(sums.rmse.mean()),
        "mae": float(sums.mae.mean()),
        "r2": Undefined("all values of a target are equal") if r2 is None else r2,
    }
