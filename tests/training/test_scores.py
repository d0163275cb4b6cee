"""Scores against scikit-learn, on any number of ranks, with weights, and where they are not defined."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics

from hpcadmm.comm.world import World
from hpcadmm.datasets.loaded import Samples
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError
from hpcadmm.job.job import Evaluate
from hpcadmm.model.losses.base import decide
from hpcadmm.model.scores import CHOICES, SCORES, Undefined, rankings, rises
from hpcadmm.model.tiles import Tiles
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.scores import chosen
from hpcadmm.training.scores.answers import Answers, answered
from hpcadmm.training.scores.auc import auc
from hpcadmm.training.scores.scored import Meaning, aucs, scored

CLASSES = [name for name in SCORES if SCORES[name].data == "classes"]
PAIR = [name for name in SCORES if SCORES[name].data != "values"]
VALUES = ["error", "rmse", "mae", "r2"]
N = 203


def outputs(n_L: int, seed: int = 0) -> np.ndarray:
    """z (n_L, N) with many ties, and one sample of a probability that rounds to 1."""
    z = np.floor(8 * np.random.default_rng(seed).standard_normal((n_L, N))) / 8
    z[0, 0] += 90
    return z


def labels_of(classes: int, seed: int = 1) -> np.ndarray:
    y = np.random.default_rng(seed).integers(classes, size=N)
    y[0] = 0  # scikit-learn bounds the loss of a probability that rounds to 0
    return y


def weights(seed: int = 2) -> np.ndarray:
    w = np.random.default_rng(seed).exponential(size=N)
    w[3] = 0
    return w


def answers(world: World, z: np.ndarray, labels: np.ndarray, weight: np.ndarray | None = None) -> Answers:
    """This rank's columns, in tiles of 16."""
    tiles = Tiles(z.shape[1], 16, world.size, world.rank)
    part = Samples(z.shape[1], tiles, z[:, tiles.lo : tiles.hi], labels[..., tiles.lo : tiles.hi])
    part.weight = None if weight is None else weight[tiles.lo : tiles.hi]
    return answered(SimpleNamespace(n=(len(z),), forward=lambda W, x: x), [None, z], part, world)  # type: ignore[arg-type]


def found(wanted: Any, meaning: Meaning, *data: Any, ranks: int = 1) -> dict[str, Any]:
    """The scores, which are the same on all ranks."""
    each = on_ranks(ranks, lambda world: scored(wanted, [answers(world, *data)], meaning, world))
    values = [{k: str(v) if isinstance(v, Undefined) else v for k, v in one.items()} for one in each]
    assert all(one == values[0] for one in values)
    return values[0]


def expected(z: np.ndarray, y: np.ndarray, w: np.ndarray | None, loss: str) -> dict[str, float]:
    """What scikit-learn says."""
    told, of = decide(z), {"sample_weight": w}
    macro = {"average": "macro", **of}
    said = {
        "accuracy": metrics.accuracy_score(y, told, **of),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, told, **of),
        "macro_precision": metrics.precision_score(y, told, **macro),
        "macro_recall": metrics.recall_score(y, told, **macro),
        "macro_f1": metrics.f1_score(y, told, **macro),
    }
    if len(z) <= 2:
        pair = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}
        said |= {key: score(y, told, **of) for key, score in pair.items()}
        return said | {"roc_auc": metrics.roc_auc_score(y, z[-1] - (z[0] if len(z) == 2 else 0), **of)}
    order = rankings(z, loss) if loss == "cross-entropy" else z
    each = [metrics.roc_auc_score(y == c, order[c], **of) for c in range(len(z))]
    return said | {"roc_auc": float(np.mean(each))}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n_L", "loss"), [(1, "hinge"), (2, "cross-entropy"), (5, "cross-entropy"), (5, "squared")])
def test_classes_are_scored_as_scikit_learn_does(n_L: int, loss: str, weighted: bool) -> None:
    z, y, w = outputs(n_L), labels_of(max(n_L, 2)), weights() if weighted else None
    names = [f"c{i}" for i in range(max(n_L, 2))]
    scores = PAIR if len(names) == 2 else CLASSES
    wanted = [name for name in scores if loss == "cross-entropy" or name != "log_loss"]
    said = found(wanted, Meaning(loss, names), z, y, w)
    reference = expected(z, y, w, loss)
    if loss == "cross-entropy":
        reference["log_loss"] = metrics.log_loss(y, softmax(z, axis=0).T, sample_weight=w, labels=range(n_L))
    assert list(said) == wanted
    np.testing.assert_allclose([said[key] for key in wanted], [reference[key] for key in wanted], rtol=1e-12)
    for ranks in (2, 3):
        assert found(wanted, Meaning(loss, names), z, y, w, ranks=ranks) == said


def test_the_area_of_probabilities_is_that_of_rankings() -> None:
    z, y = outputs(4)[:, 1:], labels_of(4)[1:]
    said = scored(["roc_auc"], [answers(World.alone(), z, y)], Meaning("cross-entropy", list("abcd")), World.alone())
    reference = metrics.roc_auc_score(y, softmax(z, axis=0).T, multi_class="ovr")
    assert said["roc_auc"] == pytest.approx(
        reference, rel=1e-3
    )  # rounding joins and parts scores that are nearly equal


@pytest.mark.parametrize("weighted", [False, True])
def test_values_are_scored_in_their_own_units(weighted: bool) -> None:
    undo = Affine(np.array([50.0, -3.0]), np.array([10.0, 0.1]))
    z, scaled = outputs(2), outputs(2, 7)
    w = weights() if weighted else None
    y, told, of = undo.undo(scaled).T, undo.undo(z).T, {"sample_weight": w}
    reference = {
        "error": np.average(np.square(z - scaled).mean(axis=0), weights=w),
        "rmse": metrics.root_mean_squared_error(y, told, **of),
        "mae": metrics.mean_absolute_error(y, told, **of),
        "r2": metrics.r2_score(y, told, **of),
    }
    said = found(VALUES, Meaning("squared", (), undo), z, scaled, w)
    np.testing.assert_allclose([said[key] for key in VALUES], [reference[key] for key in VALUES], rtol=1e-12)
    raw = found(VALUES, Meaning("squared", (), undo, raw=True), z, undo.undo(scaled), w)
    np.testing.assert_allclose([raw[key] for key in VALUES], [reference[key] for key in VALUES], rtol=1e-12)
    for ranks in (2, 3):
        assert found(VALUES, Meaning("squared", (), undo), z, scaled, w, ranks=ranks) == said


def test_a_weight_of_two_is_a_sample_twice() -> None:
    z, y = outputs(3), labels_of(3)
    times = np.random.default_rng(3).integers(0, 4, size=N)
    meaning = Meaning("cross-entropy", list("abc"))
    said = found(CLASSES, meaning, z, y, times.astype(float), ranks=2)
    twice = found(CLASSES, meaning, np.repeat(z, times, axis=1), np.repeat(y, times))
    for key in CLASSES:
        assert said[key] == (pytest.approx(twice[key], rel=1e-13) if key == "log_loss" else twice[key])


def test_the_area_is_exact_for_hard_orders() -> None:
    """All scores equal; all different; all of some ranks above those of the others; infinite ones."""
    y = labels_of(2).astype(bool)
    for scores in (np.zeros(N), np.arange(N) * 1.0, -np.arange(N) * 1.0, np.where(y, np.inf, -np.inf), -0.0 * y):
        for ranks in (1, 2, 3, 7):

            def own(world: World, scores: np.ndarray = scores) -> float | None:
                mine = slice(*(r * N // world.size for r in (world.rank, world.rank + 1)))
                return auc(scores[mine], y[mine], np.ones(len(y[mine]), np.int64), world)

            wins = (scores[y][:, None] > scores[~y]).sum() + 0.5 * (scores[y][:, None] == scores[~y]).sum()
            assert set(on_ranks(ranks, own)) == {wins / (y.sum() * (~y).sum())}


def test_where_a_score_has_no_value() -> None:
    one = np.zeros(N, np.int64)
    said = found(PAIR, Meaning("hinge", ["cat", "dog"]), outputs(1) - 99, one)
    assert said["accuracy"] == said["balanced_accuracy"] == 1
    assert said["recall"] == "no sample of class dog"
    assert said["precision"] == "no sample is predicted as dog"
    assert said["log_loss"] == "the outputs of the hinge loss are no probabilities"
    assert said["roc_auc"] == "a ROC curve needs samples of two classes, and finite outputs"
    z, y = outputs(3), labels_of(2)
    each = aucs([answers(World.alone(), z, y)], Meaning("hinge", list("abc")), World.alone())
    assert each[2] is None
    assert None not in each[:2]
    z[0, 5] = np.nan
    said = found(["roc_auc", "log_loss"], Meaning("cross-entropy", list("abc")), z, y)
    assert "finite" in said["roc_auc"]
    assert said["log_loss"] == "the outputs are not finite"
    flat = found(["r2", "rmse"], Meaning("squared", (), raw=True), outputs(1), np.full(N, 0.1))
    assert flat["r2"] == "all values of a target are equal"
    for wanted, meaning, *data in (
        (PAIR, Meaning("hinge", ["a", "b"]), outputs(1), one),
        (VALUES, Meaning("squared", ()), outputs(1), np.ones(N)),
    ):
        said = found(wanted, meaning, *data, np.zeros(N))
        assert all(isinstance(value, str) for value in said.values()), said


def test_what_jobs_may_choose() -> None:
    assert Evaluate(metrics=["roc_auc", "train_f1", "test_r2"]).metrics
    for name in ("accuracy", "rocauc", "train_", "test_accuracy"):
        with pytest.raises(UsageError, match=r"evaluate.metrics: .*known are balanced_accuracy, .*prefix train_"):
            Evaluate(metrics=[name])
    for metrics_, classes, loss, why in (
        (["rmse"], 3, "hinge", "the data have 3 classes; choose from balanced_accuracy"),
        (["train_roc_auc"], 0, "squared", "the data have real targets; choose from rmse, mae, r2"),
        (["f1"], 3, "hinge", "two classes, and the data have 3 classes; use macro_f1"),
        (["log_loss"], 2, "hinge", "hinge loss are no probabilities"),
    ):
        with pytest.raises(UsageError, match=why):
            chosen.check(metrics_, classes, loss)
    chosen.check([name for name in CHOICES if SCORES[name].data != "values"], 2, "cross-entropy")
    assert [name for name in SCORES if not rises(f"test_{name}")] == ["log_loss", "error", "rmse", "mae"]
