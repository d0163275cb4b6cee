"""Medians, ids and dates: exact, on any number of ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.datasets.tabular import learn
from hpcadmm.datasets.tabular.columns import select
from hpcadmm.datasets.tabular.columns.date import FORMATS, days
from hpcadmm.datasets.tabular.columns.select import all_distinct, median, medians, selected
from hpcadmm.datasets.tabular.options import Asked, Categories
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks
from tests.datasets.tabular.test_schema import encoded, learned
from tests.helpers.tables import ALONE

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(finite, min_size=1, max_size=40), st.integers(1, 3))
def test_the_median_is_numpys(values: list[float], parts: int) -> None:
    cut = np.array_split(np.array(values), parts)
    assert median(cut, ALONE) == selected(cut, ALONE) == np.median(values)


def test_the_median_over_ranks() -> None:
    values = np.random.default_rng(0).standard_normal(1001).round(2)
    for rows in (1001, 1000):
        found = on_ranks(3, lambda w, rows=rows: median([values[w.rank : rows : 3]], w))
        assert found == [np.median(values[:rows])] * 3
    assert on_ranks(2, lambda w: median([], w)) == [None, None]
    assert on_ranks(2, lambda w: median([values[:1]] if w.first else [], w)) == [values[0]] * 2


def test_medians_of_several_columns_over_ranks() -> None:
    columns = [np.arange(7.0), np.empty(0), np.array([3.0]), np.arange(6.0)[::-1]]
    for size in (1, 3):
        found = on_ranks(size, lambda w, size=size: medians([values[w.rank :: size] for values in columns], w))
        assert found == [[3.0, None, 3.0, 2.5]] * size


@pytest.mark.parametrize("rows", [9, 1 << 16])
def test_the_median_of_some_rows_where_none_is_missing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn, "SAMPLE", rows)
    monkeypatch.setattr(learn, "ROOM", 2 * rows)  # two columns at once
    x = np.random.default_rng(2).standard_normal((40, 5))
    columns = {f"x{i}": x[:, i].tolist() for i in range(5)} | {"y": ["a", "b"] * 20}
    columns["x2"][7] = None
    for size in (1, 2):
        for _, schema in on_ranks(size, lambda w: learned(columns, w)):
            every = -(-40 // rows)
            expected = [np.median(x[::every, i]) for i in range(5)]
            expected[2] = np.median(np.delete(x[:, 2], 7))
            assert [column.median for column in schema.columns] == expected


def test_repeated_values_over_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "PIECE", 16)
    ids = np.random.default_rng(0).permutation(100).astype(float) - 7
    assert all(on_ranks(3, lambda w: all_distinct([ids[w.rank :: 3]], -7, 92, w)))
    twice = np.append(ids, ids[4])
    assert (all_distinct([ids], -7, 92, ALONE), all_distinct([twice], -7, 92, ALONE)) == (True, False)
    assert not any(on_ranks(3, lambda w: all_distinct([twice[w.rank :: 3]], -7, 92, w)))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2024-02-29", "%Y-%m-%d"),
        ("2/29/2024", "%m/%d/%Y"),
        ("29/2/2024", "%d/%m/%Y"),
        ("29.02.2024", "%d.%m.%Y"),
        ("29-Feb-2024", "%d-%b-%Y"),
        ("Feb 29, 2024", "%b %d, %Y"),
        ("29.02.24", "%d.%m.%y"),
    ],
)
def test_dates(text: str, form: str) -> None:
    day = float(np.datetime64("2024-02-29", "D").astype(int))
    at = ["", " 06:00", "T06:00:00.000", " 6:00:00 AM", " 07:30+01:30"]
    assert days([text + clock for clock in at], form).tolist() == [day, *[day + 0.25] * 4]
    bad = days([text + " 25:00", text + "x", "", text.replace("29", "30")], form)
    assert np.isnan(bad).all()
    assert next(f for f in FORMATS if not np.isnan(days([text], f)).any()) == form


def test_day_first_if_told_or_if_a_day_is_above_12() -> None:
    y = ["a", "b"] * 2
    ambiguous = ["1/2/2020", "3/4/2020", "5/6/2020", "7/8/2020"]
    schema = learned({"d": ambiguous, "y": y})[1]
    assert schema.columns[0].format == "%m/%d/%Y"
    assert schema.warnings == (
        't.csv: column d: dates are read as %m/%d/%Y; if the day comes first, set data.types.d = "date:%d/%m/%Y"',
    )
    for columns, keys in (
        ({"d": ["31/1/2020", *ambiguous[1:]], "y": y}, {}),
        ({"d": ambiguous, "y": y}, {"types": {"d": "date:%d/%m/%Y"}}),
    ):
        raw, schema = learned(columns, **keys)
        assert schema.columns[0].format == "%d/%m/%Y"
        assert encoded(raw, schema)[1, 0] == np.datetime64("2020-04-03").astype(int)
        assert not schema.warnings


def test_strange_dates_are_errors() -> None:
    schema = learned({"d": ["2020-01-01", "2020-01-02", None], "y": ["a", "b", "a"]})[1]
    assert schema.names == ["d", "d (missing)"]
    other = learned({"d": ["2020-01-01", "soon"], "y": ["a", "b"]})[0]
    with pytest.raises(
        UsageError, match=r"line 3, column 1 \(d\): 'soon': is no date of the form %Y-%m-%d; set data.types.d"
    ):
        encoded(other, schema.matched(other))
    with pytest.raises(
        UsageError, match=r"column d: no known form of dates \(2020-01-01, soon\); give it: data.types.d"
    ):
        learned({"d": ["2020-01-01", "soon"], "y": ["a", "b"]}, types={"d": "date"})
    with pytest.raises(UsageError, match="date:%d %Q: %Q is unknown; known are"):
        learned({"d": ["2020-01-01", "soon"], "y": ["a", "b"]}, types={"d": "date:%d %Q"})


def test_the_most_frequent_categories() -> None:
    text = ["a"] * 3 + ["b"] * 2 + ["d"] * 2 + ["c"] * 2 + ["e"]
    raw, schema = learned({"c": text, "y": ["p", "q"] * 5}, categories=Categories(most=3))
    assert schema.names == ["c = a", "c = b", "c = c", "c (other)"]
    assert encoded(raw, schema).sum(axis=0).tolist() == [3, 2, 2, 3]
    assert schema.remarks(ALONE) == []


def test_types_are_checked() -> None:
    with pytest.raises(UsageError, match=r"data.types.a = 'int': known are \"number\", \"category\""):
        Asked(types={"a": "int"})
    with pytest.raises(UsageError, match=r"data.types.z: t.csv: the columns are d, y"):
        learned({"d": [1.0, 2.0], "y": ["a", "b"]}, types={"z": "number"})


def test_numbers_told_to_be_categories_and_back() -> None:
    raw, schema = learned(
        {"n": [1.0, 2.0, 1.0], "t": ["1", "2.50", "3"], "y": ["a", "b", "a"]}, types={"n": "category", "t": "number"}
    )
    assert schema.names == ["n = 1", "n = 2", "t"]
    assert encoded(raw, schema).tolist() == [[1, 0, 1], [0, 1, 2.5], [1, 0, 3]]
    assert schema.kinds == {"n": "text", "t": "number", "y": "text"}
    with pytest.raises(UsageError, match=r"line 3, column 1 \(t\): 'x': a number is needed"):
        learned({"t": ["1", "x"], "y": ["a", "b"]}, types={"t": "number"})
