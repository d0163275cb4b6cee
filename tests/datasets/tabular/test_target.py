"""Classes or a regression, labels in every spelling, and rows without a target."""

from typing import Any

import numpy as np
import pytest

from hpcadmm.datasets.tabular.options import Asked
from hpcadmm.datasets.tabular.target import Target, target_of
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks
from tests.helpers.tables import ALONE, table


def read(*files: list[Any], classes: bool | None = True, kinds: Any = None, **keys: Any) -> tuple[Target, list[Any]]:
    """The target of files of one column y beside another, and the values of each."""
    raws = [table({"x": [1.0] * len(y), "y": y}, kinds=kinds) for y in files]
    target = target_of(raws[0], raws[1:], Asked(**keys), classes, ALONE)
    return target, [
        np.concatenate([target.values(s, target.at(raw, True)) for s in raw.shards]).tolist() for raw in raws
    ]


@pytest.mark.parametrize(
    ("labels", "known", "codes"),
    [
        ([3.0, 1.0, 2.0], ["1", "2", "3"], [2, 0, 1]),
        ([1.0, -1.0, 1.0], ["-1", "1"], [1, 0, 1]),
        ([10.0, 9.0, 2.0], ["2", "9", "10"], [2, 1, 0]),
        (["10", "9", "2.0"], ["2", "9", "10"], [2, 1, 0]),
        (["b", "a", None], ["a", "b"], [1, 0, -1]),
        (["b.", " b ", "a"], ["a", "b"], [1, 1, 0]),
        (["U.S.", "U.K.", "U.S."], ["U.K.", "U.S."], [1, 0, 1]),
        (["1", "x", "1"], ["1", "x"], [0, 1, 0]),
        ([0.5, 1.5, 0.5], ["0.5", "1.5"], [0, 1, 0]),
        (["9007199254740993", "9007199254740992", "1"], ["1", "9007199254740992", "9007199254740993"], [2, 1, 0]),
        (["true", "false", "true"], ["false", "true"], [1, 0, 1]),
    ],
)
def test_labels(labels: list[Any], known: list[str], codes: list[int]) -> None:
    target, (found,) = read(labels)
    assert (target.labels, found) == (known, codes)


def test_labels_of_both_files_count_and_dots_at_the_end_do_not() -> None:
    target, found = read(["<=50K", ">50K", "<=50K"], ["<=50K.", ">50K.", None])
    assert target.labels == ["<=50K", ">50K"]
    assert found == [[0, 1, 0], [0, 1, -1]]
    assert [rows.tolist() for rows in target.lacking] == [[], [2]]
    assert target.warnings == ("t.csv: target y: 1 rows without a target are left out",)
    mixed, found = read([0.0, 1.0], ["1", "0."], kinds=None)
    assert (mixed.labels, found) == (["0", "1"], [[0, 1], [1, 0]])


def test_what_follows_from_loss_and_target() -> None:
    three, two, text = [1.0, 2.0, 3.0, 1.0], [0.0, 1.0, 1.0], ["a", "b", "c"]
    assert [read(y, classes=True)[0].targets for y in (three, two, text)] == [0, 0, 0]
    assert [read(y, classes=False)[0].targets for y in (three, two, text)] == [1, 0, 0]
    assert read(three, classes=False, task="classification")[0].labels == ["1", "2", "3"]
    assert read(two, classes=False, task="regression")[0].targets == 1
    assert "a regression; for classes set data.task" in read(three, classes=False)[0].facts[0]
    assert "2 classes, 0, 1" in read(two, classes=False)[0].facts[0]


def test_a_regression_on_text_or_for_a_loss_of_classes_is_refused() -> None:
    with pytest.raises(UsageError, match=r"t.csv: target y: the column y is text \(a, b\), no real target"):
        read(["a", "b", "1"], classes=False, task="regression")
    with pytest.raises(UsageError, match=r'real targets, but the loss needs classes; set loss.name = "squared"'):
        read([1.0, 2.0], task="regression")
    with pytest.raises(UsageError, match=r"60 distinct real values \(0.01, 0.02, 0.03\), no classes; name another"):
        read([i / 100 for i in range(1, 61)])
    with pytest.raises(
        UsageError, match=r"90071992547409920: too large for an exact number; set data.types.y = .category"
    ):
        read([2.0**56 + 2.0**54, 2.0])
    with pytest.raises(UsageError, match="more than 10000 distinct labels, like an id"):
        read([float(i) for i in range(10_002)])


def test_several_targets_and_where_they_are() -> None:
    columns = {"a": [1.0, 2.0, None], "b": [3.0, 4.0, 5.0], "c": [5.0, None, 6.0]}
    raw = table(columns)
    target = target_of(raw, [], Asked(target=["c", 0]), None, ALONE)
    assert target.values(raw.shards[0], target.at(raw, True)).tolist()[0] == [5, 1]
    assert target.lacking[0].tolist() == [1, 2]
    for name, place in (("first", 0), ("last", 2), ("b", 1), (-2, 1), (2, 2)):
        assert target_of(raw, [], Asked(target=name), False, ALONE).places == [place]
    with pytest.raises(UsageError, match=r"data.target = 'd': t.csv: the columns are a, b, c"):
        target_of(raw, [], Asked(target="d"), None, ALONE)
    with pytest.raises(UsageError, match=r"data.target = 3: t.csv has columns 0 to 2"):
        target_of(raw, [], Asked(target=3), None, ALONE)
    with pytest.raises(UsageError, match=r"data.target = 'd': .*there is no header line.*set data.header = true"):
        target_of(table(columns, header=False), [], Asked(target="d"), None, ALONE)
    with pytest.raises(UsageError, match=r"t.csv: the target a is missing; the columns are b"):
        target_of(raw, [table({"b": [1.0]})], Asked(target="a"), None, ALONE)


def test_the_same_on_any_number_of_ranks() -> None:
    y = [None if i % 11 == 3 else f"c{i * 7 % 5}" for i in range(50)]
    alone = target_of(table({"x": [1.0] * 50, "y": y}), [], Asked(), True, ALONE)
    for size in (2, 3):
        for found in on_ranks(size, lambda w: target_of(table({"x": [1.0] * 50, "y": y}, w), [], Asked(), True, w)):
            assert (found, found.facts, found.warnings) == (alone, alone.facts, alone.warnings)
            assert found.lacking[0].tolist() == alone.lacking[0].tolist()


def test_classes_by_name_or_number() -> None:
    target, _ = read([1.0, 2.0, 7.0])
    assert target.codes([7, "1", "2.0"], "classes") == [2, 0, 1]
    with pytest.raises(UsageError, match=r"data.positive: no label \[5\]; the labels are 1, 2, 7"):
        target.codes([5], "positive")
