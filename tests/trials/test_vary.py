"""What --vary may say, and which values the trials take."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.errors import UsageError
from hpcadmm.trials.vary import Vary, points, sampled, varied

FIRST = {"a.b": None, "c.d": None}


UNIT = st.floats(0, 1, exclude_max=True)


@given(st.floats(1e-6, 1e6), st.floats(1.001, 1e6), UNIT, st.sampled_from(["log", "uniform"]))
def test_a_value_lies_in_its_range(low, ratio, u, kind):
    value = Vary("a.b", "", kind, low=low, high=low * ratio).at(u)
    assert low <= value <= low * ratio
    assert Vary("a.b", "", kind, low=low, high=low * ratio).at(0.0) <= value


@given(st.integers(-50, 50), st.integers(1, 50), UNIT)
def test_whole_numbers_include_both_ends(low, more, u):
    one = Vary("a.b", "", "int", low=low, high=low + more)
    assert low <= one.at(u) <= low + more
    assert isinstance(one.at(u), int)
    assert (one.at(0.0), one.at(math.nextafter(1, 0))) == (low, low + more)


def test_a_logarithmic_range_has_as_many_values_below_as_above_its_middle():
    values = [Vary.of("a.b=log:1e-4:1").at(k / 100 + 0.005) for k in range(100)]
    assert sum(value < 1e-2 for value in values) == 50


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("solver.gamma", "write for example"),
        ("solver.gamma=3", "write for example"),
        ("=log:1:2", "write for example"),
        ("solver.gamma=normal:0:1", "write for example"),
        ("solver.gamma=log:1", "takes two numbers"),
        ("solver.gamma=log:1:2:3", "takes two numbers"),
        ("solver.gamma=log:a:b", "takes two numbers"),
        ("solver.gamma=log:0:1", "begins above 0"),
        ("solver.gamma=uniform:2:1", "the smaller first"),
        ("solver.gamma=uniform:1:1", "the smaller first"),
        ("solver.gamma=uniform:0:inf", "finite"),
        ("solver.gamma=uniform:nan:1", "finite"),
        ("solver.T=int:1:2.5", "whole numbers"),
        ("solver.T=choice:", "a choice needs"),
        ("solver.T=choice:1,1", "a choice needs"),
        ("solver.T=choice:a,,b", "a choice needs"),
    ],
)
def test_what_is_refused(text, why):
    with pytest.raises(UsageError, match=why) as refused:
        varied([text])
    assert text in str(refused.value)


def test_a_key_is_varied_once():
    for texts in ([], ["a.b=int:1:2", "a.b=int:1:3"]):
        with pytest.raises(UsageError, match="name each key"):
            varied(texts)
    assert [one.key for one in varied(["a.b=int:1:2", "c.d=int:1:3"])] == ["a.b", "c.d"]


@pytest.mark.parametrize("value", [0.1, 1e-7, 3, True, "x\"y\\'", [1, 2], "a.b", "1"])
def test_the_override_is_read_as_the_value(value):
    import tomllib

    key, _, text = Vary("a.b", "", "choice").override(value).partition("=")
    assert (key, tomllib.loads(f"v = {text}")["v"]) == ("a.b", value)


def test_the_points_are_the_same_for_ever_and_fill_the_cube():
    assert [round(x, 6) for x in next(points(2, 1))] == [0.02554, 0.743307]
    for quarter in range(4):
        for k in range(3):
            assert sum(quarter <= 4 * point[k] < quarter + 1 for point in points(3, 64)) == 16


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_longer_list_begins_with_the_shorter(a, b):
    vary = varied(["a.b=log:1:9", "c.d=int:1:100"])
    short, long = (sampled(vary, FIRST, count) for count in sorted((a, b)))
    assert long[: len(short)] == short
    assert (len(long), long[0]) == (max(a, b), FIRST)


def test_no_set_of_values_comes_twice_and_the_list_ends_where_there_are_no_more():
    vary = varied(["a.b=choice:1,2,3", "c.d=int:1:4"])
    trials = sampled(vary, {"a.b": 2, "c.d": 4.0}, 50)
    assert len(trials) == 12
    assert len({tuple(values.values()) for values in trials}) == 12
