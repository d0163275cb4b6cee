"""What a schema learns from the train part and how it encodes: the same on any number of ranks."""

import json
from typing import Any

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.tabular.learn import learn
from hpcadmm.datasets.tabular.options import Asked, Categories
from hpcadmm.datasets.tabular.schema import Schema, columns_of, unknown_labels
from hpcadmm.datasets.tabular.target import target_of
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks
from tests.helpers.tables import ALONE, Lists, table

N = 61


def mixed(n: int = N, seed: int = 0) -> Lists:
    """A table of every kind of column."""
    rng = np.random.default_rng(seed)
    number = [None if i % 9 == 4 else float(x) for i, x in enumerate(rng.standard_normal(n).round(3))]
    text = [None if i % 13 == 5 else "abcdefgh"[int(k)] for i, k in enumerate(rng.integers(0, 8, n) ** 2 // 8)]
    return {
        "id": [float(i + 100) for i in range(n)],
        "age": number,
        "job": text,
        "day": [f"2024-0{1 + i % 9}-{10 + i % 19}" for i in range(n)],
        "name": [f"Mr {i * 7 % 1000}" for i in range(n)],
        "size": [float(x) for x in rng.integers(0, 5, n)],
        "empty": [None] * n,
        "same": ["x"] * n,
        "yes": ["yes" if k else "no" for k in rng.integers(0, 2, n)],
        "y": ["<=50K" if k else ">50K" for k in rng.integers(0, 2, n)],
    }


def learned(columns: Lists, world: World = ALONE, every: int = 0, classes: bool | None = True, **keys: Any) -> Any:
    """(raw, schema); of `every` rows one is not of the train part."""
    raw = table(columns, world, header=keys.pop("header", True))
    asked = Asked(**{"categories": Categories(most=4)} | keys)
    target = target_of(raw, [], asked, classes, world)
    train = lambda shard: (shard.start + np.arange(shard.rows)) % every != 0 if every else np.ones(shard.rows, bool)  # noqa: E731
    return raw, learn(raw, train, target, asked, world)


def encoded(raw: Any, schema: Schema) -> np.ndarray:
    return np.concatenate([np.empty((0, schema.features)), *map(schema.encode, raw.shards)])


def test_the_features_of_each_kind() -> None:
    raw, schema = learned(mixed())
    jobs = ["a", "b", "d", "g"]
    assert schema.names == [
        *("age", "age (missing)"),
        *(f"job = {one}" for one in jobs),
        *("job (other)", "job (missing)", "day", "size", "yes = no", "yes = yes"),
    ]
    assert set(schema.left_out) == {"id", "name", "empty", "same"}
    x = encoded(raw, schema)
    assert np.isfinite(x).all()
    names = schema.names
    jobs = [i for i, name in enumerate(names) if name.startswith("job")]
    assert (x[:, jobs].sum(axis=1) == 1).all()
    age = np.array([np.nan if v is None else v for v in mixed()["age"]])
    assert (x[:, 0] == np.where(np.isnan(age), np.nanmedian(age), age)).all()
    assert (x[:, 1] == np.isnan(age)).all()
    days = np.array(mixed()["day"], "M8[D]").astype(int)
    assert (x[:, names.index("day")] == days).all()


@pytest.mark.parametrize("every", [0, 3])
def test_the_same_on_any_number_of_ranks(every: int) -> None:
    raw, alone = learned(mixed(), ALONE, every)
    for size in (2, 3, 5):
        found = on_ranks(size, lambda world: learned(mixed(), world, every))
        assert all(schema.record() == alone.record() for _, schema in found)
        assert all((schema.facts, schema.warnings) == (alone.facts, alone.warnings) for _, schema in found)
        x = np.concatenate([encoded(own, schema) for own, schema in found])
        assert (x == encoded(raw, alone)).all()
        labels = np.concatenate([schema.labels(shard) for own, schema in found for shard in own.shards])
        assert (labels == np.concatenate([alone.labels(shard) for shard in raw.shards])).all()


def test_only_the_train_part_counts() -> None:
    columns = {"x": [1.0, 2.0, 3.0, 900.0], "c": ["a", "b", "a", "new"], "y": ["p", "q", "p", "q"]}
    raw = table(columns)
    target = target_of(raw, [], Asked(), True, ALONE)
    schema = learn(raw, lambda shard: np.arange(shard.rows) < 3, target, Asked(), ALONE)
    assert schema.names == ["x", "c = a", "c = b"]
    assert schema.columns[0].median == 2.0
    assert encoded(raw, schema)[3].tolist() == [900, 0, 0]
    assert schema.remarks(ALONE) == [
        "t.csv: column c: 1 values unknown to the training, which become 0 in all features: new"
    ]


def test_a_record_comes_back() -> None:
    raw, schema = learned(mixed())
    again = columns_of(json.loads(json.dumps(schema.record())))
    assert again == schema
    assert (encoded(raw, again.matched(raw)) == encoded(raw, schema)).all()
    old = columns_of({"features": ["a", "b"], "target": "y", "place": 2})
    assert old == Columns(["a", "b"], "y", 2)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 2},
        {"columns": []},
        {"columns": [{"becomes": "magic", "name": "x", "place": 0}]},
        {"columns": [{"becomes": "number", "name": "x", "place": -1, "median": 0.0, "indicator": False}]},
        {"columns": [{"becomes": "number", "name": "x", "place": 1, "median": float("nan"), "indicator": False}]},
        {"target": {"names": ["y"], "places": [9, 8], "labels": None}},
        {"target": {"names": ["y"], "places": [9], "labels": ["a", "a"]}},
    ],
)
def test_a_strange_record_is_refused(change: dict[str, Any]) -> None:
    record = learned(mixed())[1].record() | change
    with pytest.raises((KeyError, TypeError, ValueError)):
        columns_of(record)


def test_permuted_and_further_columns_give_the_same_features() -> None:
    raw, schema = learned(mixed())
    columns = mixed()
    other = {name: columns[name] for name in sorted(columns, reverse=True)} | {"more": [0.0] * N}
    again = schema.matched(table(other))
    assert (encoded(table(other), again) == encoded(raw, schema)).all()
    assert "ignored: more" in again.facts[0]
    assert "reordered by name" in again.facts[1]
    del other["y"], other["id"], other["empty"]
    assert (encoded(table(other), schema.matched(table(other))) == encoded(raw, schema)).all()


def test_a_missing_column_is_named() -> None:
    columns = mixed()
    schema = learned(columns)[1]
    del columns["age"], columns["job"]
    with pytest.raises(
        UsageError, match=r"t.csv: the columns differ from those of the training; missing: age, job; the file has"
    ):
        schema.matched(table(columns))


@pytest.mark.parametrize("place", [0, 5, -1])
def test_columns_by_position(place: int) -> None:
    raw, schema = learned(mixed(), header=False, target=place, classes=None)
    assert (encoded(raw, schema.matched(raw)) == encoded(raw, schema)).all()
    columns = mixed()
    del columns[list(columns)[place]]
    bare = table(columns, header=False)
    assert schema.matched(bare).target_at is None
    assert (encoded(bare, schema.matched(bare)) == encoded(raw, schema)).all()
    with pytest.raises(UsageError, match="8 columns, but the training has 10, or 9 without the target"):
        schema.matched(table({name: columns[name] for name in list(columns)[:8]}, header=False))


def test_missing_values_that_the_training_had_not() -> None:
    schema = learned({"x": [1.0, 4.0, 2.0], "c": ["a", "b", "a"], "y": ["p", "q", "p"]})[1]
    later = table({"x": [None, 5.0], "c": [None, "z"], "y": ["q", "q"]}, kinds={"c": "text"})
    again = schema.matched(later)
    assert encoded(later, again).tolist() == [[2, 0, 0], [5, 0, 0]]
    assert [line.split(": ", 2)[2] for line in again.remarks(ALONE)] == [
        "1 missing values, of which the training had none; they become 0 in all features",
        "1 values unknown to the training, which become 0 in all features: z",
        "1 missing values are replaced by the median of the training, which had none missing",
    ]


def test_a_text_where_a_number_is_needed() -> None:
    schema = learned({"x": [1.0, 4.0, 2.0], "y": ["p", "q", "p"]})[1]
    other = table({"x": ["1", "2.5", "none"], "y": ["p", "q", "p"]})
    with pytest.raises(UsageError, match=r"t.csv: line 4, column 1 \(x\): 'none': a number is needed"):
        encoded(other, schema.matched(other))


def test_ids_stay_if_told_and_if_nothing_else_is_there() -> None:
    schema = learned(mixed(), types={"id": "number", "name": "category", "job": "ignore"}, ignore=["yes", 5])[1]
    assert [column.name for column in schema.columns] == ["id", "age", "day", "name"]
    assert schema.left_out["job"] == schema.left_out["size"] == "ignored"
    only = learned({"id": mixed()["id"], "y": mixed()["y"]})[1]
    assert only.names == ["id"]
    with pytest.raises(UsageError, match="no column is left as a feature: x: ignored"):
        learned({"x": [1.0, 2.0], "y": ["a", "b"]}, ignore=["x"])


def test_ids_are_left_out_with_the_cure() -> None:
    said = "\n".join(learned(mixed())[1].warnings)
    assert "column id is left out: a different whole number in each row" in said
    assert (
        "column name is left out: a different text in nearly each row, like an id; to keep it, set data.types.n" in said
    )


def test_unknown_labels_are_named_and_counted() -> None:
    schema = learned(mixed())[1]
    columns = mixed()
    columns["y"][3] = columns["y"][9] = "maybe"
    for size in (1, 3):

        def load(world: World) -> None:
            raw = table(columns, world)
            unknown_labels(schema.matched(raw), raw, world)

        with pytest.raises(
            UsageError, match=r"labels that the training does not have: maybe \(2 rows\); it has <=50K, >50K"
        ):
            on_ranks(size, load)


def test_the_columns_of_an_earlier_version() -> None:
    schema = Schema.plain(Columns(["a", "b"], "y", 1), 2)
    raw = table({"b": [1.0, 2.0], "y": [0.0, 1.0], "a": [3.0, 4.0]})
    assert encoded(raw, schema.matched(raw)).tolist() == [[3, 1], [4, 2]]
    lost = table({"a": [1.0, None], "y": [0.0, 1.0], "b": [3.0, 4.0]})
    with pytest.raises(UsageError, match=r"line 3, column 1 \(a\): the value is missing, and the run knows no median"):
        encoded(lost, schema.matched(lost))
